"""A canvas of pixels and the few strokes that everything drawn is made of.

Shapes are painted as a shader does: each pixel of a window works out where it lies in the shape's
own coordinates, and from that its coverage and its colour. Edges come out smooth at any size.
"""

from dataclasses import dataclass
from functools import cached_property
from math import cos, pi, sin, sqrt

import numpy as np
from PIL import Image

from datasets.drawing.colours import tint

SHADOW = np.array([0.03, 0.05, 0.02], np.float32)
UP = -pi / 2  # directions go from x, which points right, towards y, which points down


class Canvas:
    """A photo in the making.

    Places on it are (x, y) from -0.5 to 0.5, x to the right and y downwards; lengths are in sides
    of the photo.

    Attributes:
      pixels: float32 [3, side, side], about [0, 1].
      light: the direction the light comes from, in radians from x towards y.
    """

    def __init__(self, pixels, light):
        """Paints on `pixels`, in place."""
        self.pixels = pixels
        self.light = light
        self.side = pixels.shape[-1]


class Frame:
    """A window of a canvas with the coordinates of one thing in it.

    Attributes:
      x, y: float32 [rows, columns], in the thing's own axes and radii.
      pixel: the size of a pixel in radii.
      light: the direction the light comes from, in the thing's axes.
    """

    def __init__(self, canvas, x, y, radius, angle=0.0, tilt=0.0, lean=0.0, reach=1.3, soft=0.0):
        """Puts a thing onto a canvas.

        Args:
          canvas: the `Canvas`.
          x, y: the thing's origin on the canvas.
          radius: the unit of the thing's axes, in sides of the photo.
          angle: how far the thing is turned about its own axis, in radians.
          tilt: the angle between its axis and the eye's, in radians; 0 is seen from above.
          lean: the direction on the canvas in which its axis leans.
          reach: how far the window goes around the origin, in radii.
          soft: the width of a blurred edge, in sides of the photo.
        """
        self._placed = (canvas, x, y, radius, angle, tilt, lean, reach, soft)
        unit = radius * canvas.side
        left, columns = _span(canvas.side, x, reach * unit)
        top, rows = _span(canvas.side, y, reach * unit)
        rows = rows[:, None]
        self._window = canvas.pixels[:, top : top + len(rows), left : left + len(columns)]
        turn = angle - lean
        squeeze = np.array([[1 / cos(tilt), 0], [0, 1]])
        to_axes = _rotation(turn) @ squeeze @ _rotation(lean) / unit
        (x_x, x_y), (y_x, y_y) = to_axes.tolist()
        self.x = x_x * columns + x_y * rows
        self.y = y_x * columns + y_y * rows
        self.pixel = float(max(1.0 / unit, soft / radius))
        self.light = float(canvas.light - angle)

    @cached_property
    def radius(self):
        """The distance from the origin, float32 [rows, columns]."""
        return np.hypot(self.x, self.y)

    @cached_property
    def angle(self):
        """The direction from the origin, float32 [rows, columns], from -pi to pi."""
        return np.arctan2(self.y, self.x)

    def raised(self, height, reach=1.3):
        """The same frame, `height` radii up the thing's axis."""
        canvas, x, y, radius, angle, tilt, lean, _, soft = self._placed
        rise = height * radius * sin(tilt)
        x, y = x + rise * cos(lean), y + rise * sin(lean)
        return Frame(canvas, x, y, radius, angle, tilt, lean, reach, soft)

    def coverage(self, depth):
        """How much of each pixel lies inside a shape, from its depth behind the edge, in radii."""
        return np.clip(depth / self.pixel, 0.0, 1.0)

    def paint(self, colour, coverage, where=(...,)):
        """Lays a colour over the pixels `where` of the window.

        Args:
          colour: float32 [3], or [3, ...] with the shape of `coverage`.
          coverage: float32, 0 to 1, [rows, columns] or one number for each pixel of `where`.
          where: an index of the window's rows and columns; all of them, if not given.
        """
        colour = colour.reshape(3, *colour.shape[1:] or (1,) * coverage.ndim)
        below = self._window[(slice(None), *where)]
        self._window[(slice(None), *where)] = below + coverage * (colour - below)

    def shadow(self, radius, strength):
        """Darkens a soft disc around the origin, which lifts what is painted next."""
        self.paint(SHADOW, strength * np.clip((radius - self.radius) / (0.35 * radius), 0.0, 1.0))


def _span(side, middle, reach):
    """Of a row, the pixels within `reach` of `middle`: the first one, and each one's distance."""
    middle = float((middle + 0.5) * side)
    first = min(max(int(middle - reach), 0), side)
    last = min(max(int(middle + reach) + 1, first), side)
    return first, np.arange(first, last, dtype=np.float32) + (0.5 - middle)


def _rotation(angle):
    return np.array([[cos(angle), sin(angle)], [-sin(angle), cos(angle)]])


@dataclass
class Petal:
    """What a petal, a leaf or a blade looks like; its length is the unit of its width.

    Attributes:
      base, tip: its colours, float32 [3].
      width: half of its greatest width.
      base_power, tip_power: how fast it widens from its base and narrows to its tip; 0 is at once.
      blend: how soon the colour of the base gives way; below 1 sooner, above 1 later.
      veins: how many veins lie between the middle and the edge.
      relief: how strongly veins and edges are shaded.
      midrib: how much brighter the middle line is.
    """

    base: np.ndarray
    tip: np.ndarray
    width: float
    base_power: float = 0.6
    tip_power: float = 0.4
    blend: float = 1.0
    veins: float = 3.0
    relief: float = 0.12
    midrib: float = 0.0

    def outline(self, u):
        """Half of the width at `u`, the way from base to tip from 0 to 1."""
        widest = self.base_power / (self.base_power + self.tip_power)
        most = widest**self.base_power * (1 - widest) ** self.tip_power
        return self.width / most * u**self.base_power * (1 - u) ** self.tip_power


def paint_petal(frame, petal, u, across, brightness=1.0):
    """Paints one petal, or many at once where the coordinates are folded.

    Args:
      frame: the `Frame`.
      petal: the `Petal`.
      u: the way from base to tip; the petal lies between 0 and 1.
      across: the distance from the middle line, signed.
      brightness: a number or an array like `u`.
    """
    where = np.nonzero((u > 0) & (u < 1) & (np.abs(across) < petal.width))
    u, across = u[where], across[where]
    brightness = brightness[where] if np.ndim(brightness) else brightness
    half_width = petal.outline(u)
    v = np.clip(across / (half_width + 1e-4), -1.0, 1.0)
    grain = petal.relief * np.cos(2 * pi * petal.veins * v) * u
    shade = brightness * (1 - 1.6 * petal.relief * v * v + 0.5 * grain)
    if petal.midrib:
        shade = shade + petal.midrib * np.clip(1 - np.abs(v) * 9, 0, 1)
    colour = mix(petal.base, petal.tip, u**petal.blend) * shade
    frame.paint(colour, frame.coverage(half_width - np.abs(across)), where)


def ring(frame, rng, petal, count, phase=0.0, jitter=0.06, start=0.0, length=1.0):
    """Paints `count` petals around the frame's origin, from radius `start` to radius `length`."""
    turns = frame.angle * (count / (2 * pi)) + phase
    index = np.rint(turns)
    which = index.astype(int) % count
    turned, lengths, lit = (
        rng.normal(middle, spread, count).astype(np.float32)[which]
        for middle, spread in ((0, jitter), (length, length * jitter), (1, 0.05))
    )
    off = (turns - index + turned) * (2 * pi / count)
    brightness = lit + 0.1 * np.cos((index - phase) * (2 * pi / count) - frame.light)
    u = (frame.radius * np.cos(off) - start) / (lengths - start)
    paint_petal(frame, petal, u, frame.radius * np.sin(off), brightness)


def blade(canvas, petal, x, y, length, direction, bend=0.0, brightness=1.0, soft=0.0):
    """Paints one petal, leaf, blade or stem from (x, y) on, bent sideways by `bend` lengths."""
    middle_x, middle_y = x + 0.5 * length * cos(direction), y + 0.5 * length * sin(direction)
    reach = 0.55 + abs(bend) + petal.width
    frame = Frame(canvas, middle_x, middle_y, length, angle=direction, reach=reach, soft=soft)
    u = frame.x + 0.5
    paint_petal(frame, petal, u, frame.y - bend * u * np.abs(u), brightness)


def stem(canvas, rng, x, y, radius, thickness=0.05, direction=None):
    """Paints a stem from (x, y) down and out of the photo; returns its colour.

    `thickness` is half of its width, in radii of what it carries.
    """
    green = tint(rng, "green") * 0.85
    direction = rng.normal(-UP, 0.25) if direction is None else direction
    length = 1.2
    petal = Petal(green, green * 0.7, thickness * radius / length, 0.05, 0.05, veins=0.5)
    blade(canvas, petal, x, y, length, direction, bend=rng.normal(0, 0.1))
    return green


def head(canvas, rng, x, y, radius, most_tilt):
    """A frame for a thing that is turned at random and leans by up to `most_tilt`, mostly up."""
    tilt = most_tilt * sqrt(rng.random())
    return Frame(canvas, x, y, radius, rng.uniform(0, 2 * pi), tilt, UP + rng.normal(0, 0.9))


def ball(frame, colour, radius=1.0, x=0.0, y=0.0, gloss=0.0):
    """Paints a ball of `radius` at (x, y) of the frame, lit from the frame's light."""
    dx, dy = (frame.x - x) / radius, (frame.y - y) / radius
    squared = dx * dx + dy * dy
    height = np.sqrt(np.clip(1 - squared, 0, 1))
    facing = 0.45 * (dx * cos(frame.light) + dy * sin(frame.light)) + 0.9 * height
    shine = gloss * np.clip((facing - 0.85) / 0.15, 0, 1) ** 3
    colour = np.multiply.outer(colour, 0.45 + 0.6 * facing) + shine
    frame.paint(colour, frame.coverage((1 - np.sqrt(squared)) * radius))


def spiral_lattice(frame, arms=(8, 13), density=9.0):
    """Folds a disc into the cells of two families of spirals, as florets and seeds lie.

    Returns:
      (p, q), float32 [rows, columns] each, from -0.5 to 0.5: the place within a cell.
    """
    turns = frame.angle / (2 * pi)
    depth = density * np.sqrt(frame.radius)
    p, q = arms[0] * turns + depth, arms[1] * turns - depth
    return p - np.rint(p), q - np.rint(q)


def mix(one, other, share):
    """From colour `one` to colour `other`, float32 [3], by `share`, [...]: float32 [3, ...]."""
    return np.multiply.outer(one, 1 - share) + np.multiply.outer(other, share)


def noise(rng, side, cells):
    """float32 [side, side], smooth and in [0, 1]: random values of cells x cells, interpolated."""
    grid = Image.fromarray(rng.random((cells, cells), dtype=np.float32))
    return np.clip(np.asarray(grid.resize((side, side), Image.Resampling.BICUBIC)), 0, 1)


def to_image(pixels):
    """float32 [3, side, side] in about [0, 1] -> a Pillow image."""
    return Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0))


def from_image(image):
    """A Pillow image -> float32 [3, side, side] in [0, 1]."""
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1), np.float32) / 255
