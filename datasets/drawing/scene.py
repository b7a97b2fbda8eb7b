"""The scene around the objects: background, light, obstacles, lens and sensor."""

from math import cos, exp, pi, sin

import numpy as np
from PIL import Image
from PIL.ImageFilter import GaussianBlur

from datasets.drawing.canvas import UP, Canvas, Petal, blade, from_image, mix, noise, to_image
from datasets.drawing.colors import COLORS, pick, tint

# The two colors of each background, and its relative frequency.
GROUNDS = {
    "meadow": ("green", "dark_green"),
    "hedge": ("dark_green", "dark_green"),
    "soil": ("brown", "dark_green"),
    "lawn": ("pale_green", "green"),
    "sky": ("blue", "white"),
    "wall": ("cream", "brown"),
}
GROUND_WEIGHTS = {"meadow": 5, "hedge": 4, "soil": 1, "lawn": 2, "sky": 1, "wall": 1}


def draw_scene(rng, side, paint, colors):
    """Draws an image of one to four objects of a class.

    Args:
      rng: a `numpy.random.Generator`; its state determines the image.
      side: the image's height and width in pixels.
      paint: a function(canvas, rng, color, x, y, radius) that paints one object.
      colors: {key of `COLORS`: relative frequency}.

    Returns:
      uint8 [side, side, 3].
    """
    canvas = Canvas(background(rng, side), light=rng.uniform(-pi, 0))
    color = pick(rng, colors)
    for _ in range(pick(rng, {0: 2, 1: 3, 2: 3, 3: 2})):
        own_color = color if rng.random() < 0.7 else pick(rng, colors)
        x, y = rng.uniform(-0.42, 0.42, 2)
        paint(canvas, rng, own_color, x, y, rng.uniform(0.13, 0.24))
    x, y = rng.normal(0, 0.06, 2)
    paint(canvas, rng, color, x, y, rng.uniform(0.32, 0.48))
    for _ in range(rng.poisson(0.5)):
        obstacle(canvas, rng)
    return develop(rng, canvas.pixels)


def background(rng, side):
    """Blurred ground with grass and spots of random colors, float32 [3, side, side]."""
    first, second = (tint(rng, name, 0.08) for name in GROUNDS[pick(rng, GROUND_WEIGHTS)])
    coarse = side // 2  # half of the resolution is enough for a blurred background
    patches = 0.6 * noise(rng, coarse, int(rng.integers(3, 6))) + 0.4 * noise(rng, coarse, 14)
    canvas = Canvas(mix(first, second, patches) * (0.5 + 0.5 * noise(rng, coarse, 7)), -1.0)
    for _ in range(rng.integers(3, 10)):
        grass_blade(canvas, rng)
    for _ in range(rng.poisson(0.8)):
        spot(canvas, rng)
    blurred = to_image(canvas.pixels).filter(GaussianBlur(rng.uniform(0.008, 0.04) * coarse))
    return from_image(blurred.resize((side, side), Image.Resampling.BICUBIC))


def grass_blade(canvas, rng):
    """Paints a blurred blade of grass that grows from the lower part of the image."""
    green = tint(rng, pick(rng, {"green": 2, "dark_green": 1, "pale_green": 1}), 0.06)
    petal = Petal(green * 0.6, green, rng.uniform(0.015, 0.05), 0.2, 0.8)
    x, y, length = rng.uniform(-0.6, 0.6), rng.uniform(0.1, 0.7), rng.uniform(0.4, 1.1)
    blade(canvas, petal, x, y, length, rng.normal(UP, 0.5), rng.normal(0, 0.15), soft=0.02)


def spot(canvas, rng):
    """Paints a blurred spot of any color."""
    color = tint(rng, pick(rng, dict.fromkeys(COLORS, 1)))
    petal = Petal(color * 0.8, color, rng.uniform(0.3, 0.5), 0.5, 0.5)
    x, y = rng.uniform(-0.5, 0.5, 2)
    blade(canvas, petal, x, y, rng.uniform(0.06, 0.2), rng.uniform(0, 2 * pi), soft=0.02)


def obstacle(canvas, rng):
    """Paints a blurred leaf or stem in front of the objects."""
    green = tint(rng, pick(rng, {"green": 2, "dark_green": 2, "brown": 1}), 0.06)
    petal = Petal(green * 0.7, green, rng.uniform(0.02, 0.09), 0.3, 0.5, veins=2)
    from_left = rng.random() < 0.5
    direction = rng.normal(0, 0.9) + (0 if from_left else pi)
    x, y = -0.6 if from_left else 0.6, rng.uniform(-0.6, 0.6)
    length, bend, soft = rng.uniform(0.3, 0.9), rng.normal(0, 0.2), rng.uniform(0.008, 0.03)
    blade(canvas, petal, x, y, length, direction, bend, soft=soft)


def develop(rng, pixels):
    """Applies uneven light, tone, blur and noise.

    Args:
      rng: a `numpy.random.Generator`.
      pixels: float32 [3, side, side], about [0, 1].

    Returns:
      uint8 [side, side, 3].
    """
    side = pixels.shape[-1]
    x = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    y = x[:, None]
    direction = rng.uniform(0, 2 * pi)
    slope = rng.uniform(0, 0.5) * (x * cos(direction) + y * sin(direction))
    dapple = rng.uniform(0, 0.5) * (noise(rng, side, int(rng.integers(2, 6))) - 0.5)
    vignette = rng.uniform(0, 0.5) * (x * x + y * y)
    warmth = rng.normal(0, 0.04)
    tone = exp(rng.normal(0.12, 0.12)) * np.array([1 + warmth, 1, 1 - warmth], np.float32)
    image = to_image(pixels * np.multiply.outer(tone, 1 + slope + dapple - vignette))
    levels = 255 * np.linspace(0, 1, 256) ** exp(rng.normal(-0.05, 0.12))
    image = image.point(np.tile(np.rint(levels).astype(int), 3).tolist())
    image = image.filter(GaussianBlur(rng.uniform(0, 0.006) * side))
    grain = rng.uniform(1, 6) * rng.standard_normal((side, side, 3), dtype=np.float32)
    return np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)
