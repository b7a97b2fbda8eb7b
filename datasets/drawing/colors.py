"""The colors that all drawn objects share, so that color alone does not tell them apart."""

import numpy as np

COLORS = {
    "white": (0.93, 0.92, 0.88),
    "cream": (0.93, 0.87, 0.66),
    "yellow": (0.95, 0.80, 0.10),
    "orange": (0.94, 0.52, 0.08),
    "red": (0.76, 0.09, 0.10),
    "pink": (0.90, 0.48, 0.62),
    "magenta": (0.74, 0.16, 0.46),
    "violet": (0.50, 0.34, 0.70),
    "blue": (0.30, 0.38, 0.74),
    "brown": (0.34, 0.20, 0.10),
    "green": (0.32, 0.46, 0.17),
    "dark_green": (0.15, 0.28, 0.12),
    "pale_green": (0.62, 0.72, 0.38),
}


def tint(rng, name, spread=0.05):
    """A random shade of the color `name`, float32 [3] in [0, 1]."""
    light = rng.normal(1, spread * 1.6)
    color = np.array(COLORS[name]) * light + rng.normal(0, spread, 3)
    return np.clip(color, 0, 1).astype(np.float32)


def pick(rng, weights):
    """A random key of the dict `weights`, with probability proportional to its value."""
    bounds = np.cumsum(list(weights.values()))
    return list(weights)[np.searchsorted(bounds, rng.random() * bounds[-1], side="right")]


def shaded(color):
    """The warmer and darker tone of `color` between petals."""
    return color * np.array([0.85, 0.68, 0.58], np.float32)
