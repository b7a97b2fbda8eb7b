"""Writes random photos for benchmarks: noise in octaves, each finer and weaker than the last.

Natural images have such a spectrum (Field 1987, "Relations between the statistics of natural images
and the response properties of cortical cells"). The amplitudes fall so that a file is about as long
as a camera's, and takes as long to decode.
"""

import argparse
import re

import numpy as np
from PIL import Image

QUALITY = 90
FALL = 0.8  # of the amplitude per octave; 0.5 would be one over the frequency
COARSEST = 4  # cells of the first octave along the longer side


def write_random_photos(folder, count, width, height, seed=0):
    """Writes JPEGs in color, with chroma subsampling as cameras do.

    Args:
      folder: a `Path`, created if needed.
      count: number of files, `0.jpg`, `1.jpg`, ...
      width, height: in pixels.
      seed: determines the images.

    Returns:
      The list of their `Path`s.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    paths = [folder / f"{index}.jpg" for index in range(count)]
    for path in paths:
        _random_image(rng, width, height).save(path, quality=QUALITY, subsampling="4:2:0")
    return paths


def size(text):
    """A flag type: WIDTHxHEIGHT in pixels, such as 4032x3024."""
    if not re.fullmatch(r"[1-9]\d{0,4}x[1-9]\d{0,4}", text):
        raise argparse.ArgumentTypeError(f"expected WIDTHxHEIGHT, such as 4032x3024, got {text!r}")
    width, _, height = text.partition("x")
    return int(width), int(height)


def _random_image(rng, width, height):
    """Returns a sum of octaves of noise, each twice as fine as the one before."""
    pixels, strength, cells = np.full([height, width, 3], 128, np.float32), 48.0, COARSEST
    while cells < 2 * max(width, height):
        shape = [max(1, round(cells * side / max(width, height))) for side in (height, width)]
        noise = strength * rng.standard_normal([*shape, 3], np.float32)
        for channel in range(3):
            octave = Image.fromarray(noise[..., channel])
            octave = octave.resize((width, height), Image.Resampling.BILINEAR)
            pixels[..., channel] += np.asarray(octave)
        strength, cells = strength * FALL, cells * 2
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
