import io

import numpy as np
import pytest
from PIL import Image

from reporting.photo_grid import photo_grid


@pytest.mark.parametrize("count", [1, 7])
def test_every_photo_is_on_the_page(count):
    """Each photo is of one colour that nothing else on the page has."""
    colours = [(200, 10 * i, 90) for i in range(count)]
    photos = np.array([np.full((4, 4, 3), colour) for colour in colours], np.uint8)
    png = photo_grid(photos, ["a rose"] * count, "Photos", "a few")
    page = np.array(Image.open(io.BytesIO(png)).convert("RGB")).reshape(-1, 3)
    assert set(colours) <= set(map(tuple, page))


def test_grey_photos_are_grey_on_the_page():
    """The one wide area of the page that is neither white nor text has the photo's own grey."""
    photos = np.full((1, 4, 4, 1), 77, np.uint8)
    png = photo_grid(photos, ["a digit"], "Photos", "a grey one")
    page = np.array(Image.open(io.BytesIO(png)).convert("RGB")).reshape(-1, 3)
    colours, counts = np.unique(page, axis=0, return_counts=True)
    assert colours[np.argsort(counts)[-2]].tolist() == [77, 77, 77]
