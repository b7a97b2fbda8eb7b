import io

import numpy as np
import pytest
from PIL import Image

from reporting.photo_grid import photo_grid, relative_width


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


def test_photos_beside_their_heat_maps_are_as_high_as_photos_alone():
    """Of one colour each, which is measured on a page of its own."""
    heights = []
    for width in (20, 40):
        photos = np.full((1, 20, width, 3), (200, 10, 90), np.uint8)
        page = np.array(Image.open(io.BytesIO(photo_grid(photos, ["a rose"], "Photos", "one"))))
        rows, columns = np.nonzero((page[..., :3] == (200, 10, 90)).all(axis=-1))
        heights.append(np.ptp(rows) + 1)
        np.testing.assert_allclose((np.ptp(columns) + 1) / heights[-1], width / 20, rtol=0.02)
    np.testing.assert_allclose(heights[0], heights[1], rtol=0.15)


def test_cells_are_square_unless_all_photos_are_wide():
    def photo(height, width):
        return np.zeros((height, width, 3), np.uint8)

    assert relative_width([]) == 1
    assert relative_width([photo(4, 3), photo(2, 9)]) == 1
    assert relative_width(np.zeros((3, 5, 10, 3))) == 2
    assert relative_width([photo(2, 3), photo(2, 4)]) == 1.5
    assert relative_width([photo(1, 9)]) == 2
