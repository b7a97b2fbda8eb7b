import matplotlib
import numpy as np
import pytest

from evaluation.heat_maps import overlay, side_by_side

HIGH, LOW = (np.array(matplotlib.colormaps["viridis"](heat)[:3]) * 255 for heat in (1.0, 0.0))


def test_image_has_the_color_of_the_heat_map_beyond_the_centers_of_its_cells():
    """Two cells over eight columns have their centers at columns 2 and 6."""
    images = np.full((1, 4, 8, 3), 100, np.uint8)
    (blended,) = overlay(images, np.array([[[0.0, 1.0]]]))
    assert blended.dtype == np.uint8 and blended.shape == (4, 8, 3)
    for color, column in ((LOW, 0), (LOW, 1), (HIGH, 6), (HIGH, 7)):
        np.testing.assert_allclose(blended[:, column], [0.55 * color + 45] * 4, atol=1)


def test_heat_map_is_interpolated_bilinearly_between_the_centers_of_its_cells():
    """The centers of columns 2 to 5 lie 1/8, 3/8, 5/8, 7/8 of the way from cell to cell."""
    images = np.zeros((1, 1, 8, 3), np.uint8)
    (blended,) = overlay(images, np.array([[[0.0, 1.0]]], np.float32))
    between = matplotlib.colormaps["viridis"](np.array([1, 3, 5, 7]) / 8)[:, :3]
    np.testing.assert_allclose(blended[0, 2:6], 0.55 * 255 * between, atol=2)


def test_image_is_converted_to_gray():
    """ITU-R 601: luma is 0.587 of green, 0.114 of blue."""
    images = np.zeros((1, 2, 2, 3), np.uint8)
    images[0, :, 0, 1] = images[0, :, 1, 2] = 200
    (blended,) = overlay(images, np.zeros((1, 2, 2)))
    np.testing.assert_allclose(blended[0, 0], 0.55 * LOW + 0.45 * 0.587 * 200, atol=1)
    np.testing.assert_allclose(blended[0, 1], 0.55 * LOW + 0.45 * 0.114 * 200, atol=1)


def test_each_image_gets_its_own_heat_map():
    images = np.zeros((2, 3, 5, 3), np.uint8)
    low, high = overlay(images, np.array([[[0.0]], [[1.0]]]))
    assert np.abs(low - 0.55 * LOW).max() <= 1 and np.abs(high - 0.55 * HIGH).max() <= 1


def test_images_of_one_channel_and_empty_batches_are_accepted():
    gray = np.full((1, 2, 3, 1), 80, np.uint8)
    heat_maps = np.ones((1, 2, 2))
    blended = overlay(gray, heat_maps)
    np.testing.assert_array_equal(blended, overlay(np.repeat(gray, 3, axis=3), heat_maps))
    pairs = side_by_side(gray, blended)
    assert (pairs[:, :, :3] == 80).all() and pairs.shape == (1, 2, 6, 3)
    assert overlay(gray[:0], heat_maps[:0]).shape == (0, 2, 3, 3)


def test_image_is_left_and_overlay_right():
    images = np.random.default_rng(0).integers(256, size=(2, 3, 4, 3), dtype=np.uint8)
    overlays = np.random.default_rng(1).integers(256, size=(2, 3, 4, 3), dtype=np.uint8)
    pairs = side_by_side(images, overlays)
    assert pairs.dtype == np.uint8 and pairs.shape == (2, 3, 8, 3)
    np.testing.assert_array_equal(pairs[:, :, :4], images)
    np.testing.assert_array_equal(pairs[:, :, 4:], overlays)


def test_missing_heat_map_is_refused():
    with pytest.raises(ValueError, match="expected 2 heat maps, got 1"):
        overlay(np.zeros((2, 3, 3, 3), np.uint8), np.zeros((1, 2, 2)))
