"""The canvas and the shapes that all drawn objects are made of.

Shapes are painted as in a pixel shader: every pixel of a window computes its position in the
shape's own coordinates, and from it the coverage and the color. Edges are smooth at any size.
"""

from dataclasses import dataclass
from functools import cached_property
from math import cos, pi, sin, sqrt

import numpy as np
from PIL import Image

from datasets.drawing.colors import tint

SHADOW = np.array([0.03, 0.05, 0.02], np.float32)
UP = -pi / 2  # directions are measured from x, which points right, toward y, which points down


class Canvas:
    """The image being drawn.

    Positions are (x, y) from -0.5 to 0.5, x to the right and y down; lengths are fractions of the
    image's side.

    Attributes:
      pixels: float32 [3, side, side], about [0, 1].
      light: the direction that the light comes from, in radians.
    """

    def __init__(self, pixels, light):
        """Makes a canvas that paints on `pixels`."""
        self.pixels = pixels
        self.light = light
        self.side = pixels.shape[-1]


class Frame:
    """A window of a canvas with the coordinate system of one object.

    Attributes:
      x, y: float32 [rows, columns], coordinates along the object's axes, in its radii.
      pixel: the width of an edge in radii, at least one pixel.
      light: the direction that the light comes from, relative to the object's axes.
    """

    def __init__(self, canvas, x, y, radius, angle=0.0, tilt=0.0, lean=0.0, reach=1.3, soft=0.0):
        """Places an object on a canvas.

        Args:
          canvas: the `Canvas`.
          x, y: the object's origin on the canvas.
          radius: the unit of the object's axes, as a fraction of the image's side.
          angle: rotation about the object's own axis, in radians.
          tilt: angle between the object's axis and the line of sight, in radians; 0 is seen from
            above.
          lean: direction on the canvas in which the axis leans, in radians.
          reach: half of the window's side, in radii.
          soft: width of a blurred edge, as a fraction of the image's side.
        """
        self._placement = (canvas, x, y, radius, angle, tilt, lean)
        unit = radius * canvas.side
        left, columns = _pixels_near(x, reach * unit, canvas.side)
        top, rows = _pixels_near(y, reach * unit, canvas.side)
        rows = rows[:, None]
        self._window = canvas.pixels[:, top : top + len(rows), left : left + len(columns)]
        squeeze = np.array([[1 / cos(tilt), 0], [0, 1]])
        to_axes = _rotation(angle - lean) @ squeeze @ _rotation(lean) / unit
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
        """The same frame, moved `height` radii up the object's axis."""
        canvas, x, y, radius, angle, tilt, lean = self._placement
        rise = height * radius * sin(tilt)
        x, y = x + rise * cos(lean), y + rise * sin(lean)
        return Frame(canvas, x, y, radius, angle, tilt, lean, reach)

    def coverage(self, depth):
        """The fraction of each pixel inside a shape, given its depth behind the edge in radii."""
        return np.clip(depth / self.pixel, 0.0, 1.0)

    def paint(self, color, coverage, where=(...,)):
        """Blends a color over the pixels `where` of the window.

        Args:
          color: float32 [3], or [3, ...] with the shape of `coverage`.
          coverage: float32, 0 to 1, [rows, columns] or one value for each pixel of `where`.
          where: an index of the window's rows and columns; all of them by default.
        """
        color = color.reshape(3, *color.shape[1:] or (1,) * coverage.ndim)
        below = self._window[(slice(None), *where)]
        self._window[(slice(None), *where)] = below + coverage * (color - below)

    def shadow(self, radius, strength):
        """Darkens a soft disc around the origin, as a shadow below what is painted next."""
        self.paint(SHADOW, strength * np.clip((radius - self.radius) / (0.35 * radius), 0.0, 1.0))


def _pixels_near(center, reach, side):
    """Returns the first pixel within `reach` of `center`, and the distances of all to it."""
    center = float((center + 0.5) * side)
    first = min(max(int(center - reach), 0), side)
    end = min(max(int(center + reach) + 1, first), side)
    return first, np.arange(first, end, dtype=np.float32) + (0.5 - center)


def _rotation(angle):
    return np.array([[cos(angle), sin(angle)], [-sin(angle), cos(angle)]])


@dataclass
class Petal:
    """The shape and color of a petal, a leaf or a stem, in units of its length.

    Attributes:
      base, tip: colors, float32 [3].
      width: half of the greatest width.
      base_power, tip_power: how slowly it widens from the base and narrows to the tip.
      blend: exponent of the color gradient; above 1 the color of the base reaches further.
      veins: the number of veins on each half.
      relief: the contrast of veins and edges.
      midrib: the extra brightness of the middle line.
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
        """Half of the width at `u`, the position from base (0) to tip (1)."""
        widest = self.base_power / (self.base_power + self.tip_power)
        most = widest**self.base_power * (1 - widest) ** self.tip_power
        return self.width / most * u**self.base_power * (1 - u) ** self.tip_power


def paint_petal(frame, petal, u, across, brightness=1.0):
    """Paints one petal, or many at once if the coordinates repeat.

    Args:
      frame: the `Frame`.
      petal: the `Petal`.
      u: [rows, columns], the position from base to tip; the petal lies between 0 and 1.
      across: [rows, columns], the signed distance from the middle line.
      brightness: a float, or an array like `u`.
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
    color = mix(petal.base, petal.tip, u**petal.blend) * shade
    frame.paint(color, frame.coverage(half_width - np.abs(across)), where)


def ring(frame, rng, petal, count, phase=0.0, jitter=0.06, start=0.0, length=1.0):
    """Paints `count` petals around the frame's origin, from radius `start` to radius `length`."""
    turns = frame.angle * (count / (2 * pi)) + phase
    index = np.rint(turns)
    which = index.astype(int) % count
    turned, lengths, lit = (
        rng.normal(mean, deviation, count).astype(np.float32)[which]
        for mean, deviation in ((0, jitter), (length, length * jitter), (1, 0.05))
    )
    off = (turns - index + turned) * (2 * pi / count)
    brightness = lit + 0.1 * np.cos((index - phase) * (2 * pi / count) - frame.light)
    u = (frame.radius * np.cos(off) - start) / (lengths - start)
    paint_petal(frame, petal, u, frame.radius * np.sin(off), brightness)


def blade(canvas, petal, x, y, length, direction, bend=0.0, brightness=1.0, soft=0.0):
    """Paints one petal, leaf or stem that starts at (x, y) and bends sideways by `bend` lengths."""
    middle_x, middle_y = x + 0.5 * length * cos(direction), y + 0.5 * length * sin(direction)
    reach = 0.55 + abs(bend) + petal.width
    frame = Frame(canvas, middle_x, middle_y, length, angle=direction, reach=reach, soft=soft)
    u = frame.x + 0.5
    paint_petal(frame, petal, u, frame.y - bend * u * np.abs(u), brightness)


def stem(canvas, rng, x, y, radius, thickness=0.05, direction=None):
    """Paints a stem from (x, y) down and out of the image; returns its color.

    `thickness` is half of its width, in radii of what it carries.
    """
    green = tint(rng, "green") * 0.85
    direction = rng.normal(-UP, 0.25) if direction is None else direction
    length = 1.2
    petal = Petal(green, green * 0.7, thickness * radius / length, 0.05, 0.05, veins=0.5)
    blade(canvas, petal, x, y, length, direction, bend=rng.normal(0, 0.1))
    return green


def head(canvas, rng, x, y, radius, max_tilt):
    """A frame with a random rotation, tilted by up to `max_tilt`, mostly upward."""
    tilt = max_tilt * sqrt(rng.random())
    return Frame(canvas, x, y, radius, rng.uniform(0, 2 * pi), tilt, UP + rng.normal(0, 0.9))


def ball(frame, color, radius=1.0, x=0.0, y=0.0, gloss=0.0):
    """Paints a lit ball of `radius` at (x, y) of the frame."""
    dx, dy = (frame.x - x) / radius, (frame.y - y) / radius
    squared = dx * dx + dy * dy
    height = np.sqrt(np.clip(1 - squared, 0, 1))
    facing = 0.45 * (dx * cos(frame.light) + dy * sin(frame.light)) + 0.9 * height
    shine = gloss * np.clip((facing - 0.85) / 0.15, 0, 1) ** 3
    color = np.multiply.outer(color, 0.45 + 0.6 * facing) + shine
    frame.paint(color, frame.coverage((1 - np.sqrt(squared)) * radius))


def spiral_lattice(frame, arms=(8, 13), density=9.0):
    """Divides a disc into cells along two families of spirals, like the florets of a flower.

    Returns:
      (p, q), float32 [rows, columns] each, from -0.5 to 0.5: the position within a cell.
    """
    turns = frame.angle / (2 * pi)
    depth = density * np.sqrt(frame.radius)
    p, q = arms[0] * turns + depth, arms[1] * turns - depth
    return p - np.rint(p), q - np.rint(q)


def mix(first, second, share):
    """Interpolates from color `first` to `second`, float32 [3], by `share` [...]: [3, ...]."""
    return np.multiply.outer(first, 1 - share) + np.multiply.outer(second, share)


def noise(rng, side, cells):
    """Smooth noise, float32 [side, side] in [0, 1]: cells x cells random values, interpolated."""
    grid = Image.fromarray(rng.random((cells, cells), dtype=np.float32))
    return np.clip(np.asarray(grid.resize((side, side), Image.Resampling.BICUBIC)), 0, 1)


def to_image(pixels):
    """float32 [3, side, side] in about [0, 1] -> a Pillow image."""
    return Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0))


def from_image(image):
    """A Pillow image -> float32 [3, side, side] in [0, 1]."""
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1), np.float32) / 255
