import matplotlib
import numpy as np
import pytest

from reporting.heat_maps import overlay, side_by_side

HOT, COLD = (np.array(matplotlib.colormaps["viridis"](heat)[:3]) * 255 for heat in (1.0, 0.0))


def test_each_half_of_a_photo_has_the_colour_of_its_heat():
    """Two cells over eight columns: beyond a cell's centre, at columns 2 and 6, it is alone."""
    photos = np.full((1, 4, 8, 3), 100, np.uint8)
    (picture,) = overlay(photos, np.array([[[0.0, 1.0]]]))
    assert picture.dtype == np.uint8 and picture.shape == (4, 8, 3)
    for colour, column in ((COLD, 0), (COLD, 1), (HOT, 6), (HOT, 7)):
        np.testing.assert_allclose(picture[:, column], [0.55 * colour + 45] * 4, atol=1)


def test_heat_is_bilinear_between_the_centres_of_the_cells():
    """The centres of columns 2 to 5 lie 1/8, 3/8, 5/8, 7/8 of the way from cell to cell."""
    photos = np.zeros((1, 1, 8, 3), np.uint8)
    (picture,) = overlay(photos, np.array([[[0.0, 1.0]]], np.float32))
    between = matplotlib.colormaps["viridis"](np.array([1, 3, 5, 7]) / 8)[:, :3]
    np.testing.assert_allclose(picture[0, 2:6], 0.55 * 255 * between, atol=2)


def test_the_photo_below_is_grey_and_all_colour_is_heat():
    """ITU-R 601: green has 0.587 of the light, blue 0.114."""
    photos = np.zeros((1, 2, 2, 3), np.uint8)
    photos[0, :, 0, 1] = photos[0, :, 1, 2] = 200
    (picture,) = overlay(photos, np.zeros((1, 2, 2)))
    np.testing.assert_allclose(picture[0, 0], 0.55 * COLD + 0.45 * 0.587 * 200, atol=1)
    np.testing.assert_allclose(picture[0, 1], 0.55 * COLD + 0.45 * 0.114 * 200, atol=1)


def test_each_photo_has_its_own_heat_map():
    photos = np.zeros((2, 3, 5, 3), np.uint8)
    cold, hot = overlay(photos, np.array([[[0.0]], [[1.0]]]))
    assert np.abs(cold - 0.55 * COLD).max() <= 1 and np.abs(hot - 0.55 * HOT).max() <= 1


def test_photos_of_one_channel_and_no_photos():
    grey = np.full((1, 2, 3, 1), 80, np.uint8)
    heat = np.ones((1, 2, 2))
    pictures = overlay(grey, heat)
    np.testing.assert_array_equal(pictures, overlay(np.repeat(grey, 3, axis=3), heat))
    pairs = side_by_side(grey, pictures)
    assert (pairs[:, :, :3] == 80).all() and pairs.shape == (1, 2, 6, 3)
    assert overlay(grey[:0], heat[:0]).shape == (0, 2, 3, 3)


def test_photo_is_left_and_overlay_right():
    photos = np.random.default_rng(0).integers(256, size=(2, 3, 4, 3), dtype=np.uint8)
    overlays = np.random.default_rng(1).integers(256, size=(2, 3, 4, 3), dtype=np.uint8)
    pairs = side_by_side(photos, overlays)
    assert pairs.dtype == np.uint8 and pairs.shape == (2, 3, 8, 3)
    np.testing.assert_array_equal(pairs[:, :, :4], photos)
    np.testing.assert_array_equal(pairs[:, :, 4:], overlays)


def test_a_heat_map_too_few_is_refused():
    with pytest.raises(ValueError, match="expected 2 heat maps, got 1"):
        overlay(np.zeros((2, 3, 3, 3), np.uint8), np.zeros((1, 2, 2)))
