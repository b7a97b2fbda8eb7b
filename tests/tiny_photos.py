"""Tiny photos for tests, with smooth random colors, which JPEG hardly changes."""

import numpy as np
from PIL import Image


def tiny_photo(seed, width=24, height=16):
    """Returns an RGB image, a different one for each seed."""
    corners = np.random.default_rng(seed).integers(0, 256, [3, 3, 3], dtype=np.uint8)
    return Image.fromarray(corners).resize((width, height), Image.Resampling.BICUBIC)


def write_photos(folder, num_photos, **size):
    """Writes JPEGs `folder`/daisy/0.jpg, ... for num_photos {"daisy": 3, ...}; returns `folder`."""
    seed = 0
    for label, count in num_photos.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            tiny_photo(seed, **size).save(folder / label / f"{index}.jpg", quality=95)
            seed += 1
    return folder
