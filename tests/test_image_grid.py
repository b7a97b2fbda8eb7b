import io

import numpy as np
import pytest
from PIL import Image

from evaluation.image_grid import image_grid


def draw(images):
    """The RGB pixels of the page of `images`."""
    png = image_grid(images, ["a rose"] * len(images), "Images", "a few")
    return np.array(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.mark.parametrize("count", [1, 7])
def test_every_image_is_drawn(count):
    """Each image has a single color, which nothing else on the page has."""
    colors = [(200, 10 * i, 90) for i in range(count)]
    images = np.array([np.full((4, 4, 3), color) for color in colors], np.uint8)
    assert set(colors) <= set(map(tuple, draw(images).reshape(-1, 3)))


def test_gray_image_is_drawn_in_gray():
    """Apart from white, the most frequent color of the page is that of the image."""
    page = draw(np.full((1, 4, 4, 1), 77, np.uint8)).reshape(-1, 3)
    colors, counts = np.unique(page, axis=0, return_counts=True)
    assert sorted(colors[np.argsort(counts)[-2:]].tolist()) == [[77] * 3, [255] * 3]


@pytest.mark.parametrize("width", [20, 40])
def test_image_keeps_its_aspect_ratio(width):
    page = draw(np.full((1, 20, width, 3), (200, 10, 90), np.uint8))
    rows, columns = np.nonzero((page == (200, 10, 90)).all(axis=-1))
    # 0.02: a pixel at each end of about 300
    np.testing.assert_allclose(np.ptp(columns) / np.ptp(rows), width / 20, rtol=0.02)
