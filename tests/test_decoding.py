"""JPEGs that are more than twice as large as needed are decoded at a fraction of their size."""

import io

import numpy as np
import pytest
from PIL import Image
from sample_images import jpeg, value

from preprocessing.decoding import decode
from preprocessing.preprocessing_factory import get_preprocessing, to_pixels
from slim_on_tf2 import tf

HEIGHT, WIDTH = 403, 517
# Encoding and decoding round each value, and colors twice: by up to about 2 of 255.
ROUNDING = 2.0


def smooth_image(height=HEIGHT, width=WIDTH):
    """Returns uint8 [height, width, 3] with waves of about 90 pixels in each color."""
    y, x = np.mgrid[:height, :width] / 15.0
    waves = [np.sin(x) + np.cos(y), np.sin(x + y), np.cos(x - y / 2)]
    return np.stack([127.5 + 60 * wave for wave in waves], axis=-1).astype(np.uint8)


def noise(side, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("needed_size", "size"),
    [
        (None, (403, 517)),
        ((203, 2), (403, 517)),  # half of it has 202 pixels
        ((201, 258), (202, 259)),
        ((100, 129), (101, 130)),
        ((100, 131), (202, 259)),  # one side alone is not enough
        ((50, 64), (51, 65)),
        ((51, 65), (51, 65)),  # rounded up
        ((25, 32), (26, 33)),  # 1/16, of which libjpeg decodes 1/8
        ((1, 1), (7, 9)),
    ],
)
def test_size_is_the_least_fraction_that_is_enough(needed_size, size):
    pixels = value(decode(jpeg(smooth_image()), needed_size=needed_size))
    assert pixels.shape == (*size, 3)


@pytest.mark.parametrize("ratio", [2, 4, 8])
def test_smaller_pixels_are_means_of_the_original(ratio):
    """An eighth is the mean of each block (Wallace 1991, its coefficient DC); others nearly are."""
    original = smooth_image()
    pixels = value(decode(jpeg(original), needed_size=(HEIGHT // ratio, WIDTH // ratio)))
    rows, columns = HEIGHT // ratio, WIDTH // ratio
    blocks = original[: rows * ratio, : columns * ratio].reshape(rows, ratio, columns, ratio, 3)
    difference = np.abs(pixels[:rows, :columns] - blocks.mean((1, 3)))
    assert difference.max() < ROUNDING + 2  # the quantization of a JPEG of quality 95


def test_window_shows_the_same_part_of_the_image():
    encoded = jpeg(smooth_image())
    whole, window = value(
        [
            decode(encoded, needed_size=(50, 64)),
            decode(encoded, tf.constant([83, 160, 241, 330]), needed_size=(30, 40)),
        ]
    )
    assert window.shape == (30, 41, 3)
    np.testing.assert_array_equal(window, whole[10:40, 20:61])


@pytest.mark.parametrize("side", [28, 29, 57, 58, 100, 342])
@pytest.mark.parametrize("size", [(460, 460), (1023, 1024), (1367, 1400), (57, 1000)])
def test_decoding_the_result_again_changes_nothing(size, side):
    """So that a photo that was shrunk for a prediction is not shrunk once more."""
    encoded = jpeg(np.full((*size, 3), 99, np.uint8))
    once = decode(encoded, needed_size=(side, side))
    pixels, again = value([once, decode(once, needed_size=(side, side))])
    assert pixels.shape == again.shape


@pytest.mark.parametrize("ratio", [1, 2, 4, 8, 16])
def test_pixels_are_cropped_and_shrunk_as_their_jpeg(ratio):
    encoded = jpeg(smooth_image())
    window = tf.constant([83, 161, 245, 331])  # not multiples of the ratio
    needed = (245 // ratio, 331 // ratio)
    pixels = tf.image.decode_jpeg(encoded)
    for arguments in ((window, needed), (None, (403 // ratio, 517 // ratio))):
        ours, expected = value([decode(pixels, *arguments), decode(encoded, *arguments)])
        assert ours.shape == expected.shape
        # libjpeg's fractions are nearly means, whose values here differ by 4 from pixel to pixel. A
        # shift by one pixel would be a mean difference of more than 2.
        assert np.abs(ours[:-1, :-1].astype(int) - expected[:-1, :-1]).mean() < 1.5


def test_other_formats_keep_their_size():
    file = io.BytesIO()
    Image.fromarray(smooth_image()).save(file, "PNG")
    pixels = value(decode(file.getvalue(), needed_size=(10, 10)))
    np.testing.assert_array_equal(pixels, smooth_image())


@pytest.mark.parametrize("name", ["inception", "vgg", "none"])
@pytest.mark.parametrize("augmentation", [None, "published", "light"])
def test_noise_of_a_large_photo_is_averaged(name, augmentation):
    """The bilinear kernel alone would show single pixels of the photo, whose noise is greater."""
    deviations = []
    preprocess = get_preprocessing(
        name, is_training=augmentation is not None, augmentation=augmentation or "published"
    )
    for side in (40, 640):
        image = to_pixels(name)(preprocess(tf.constant(jpeg(noise(side))), 32, 32, seed=[1, 5]))
        deviations.append(value(image).std())
    assert deviations[1] < deviations[0] / 2


@pytest.mark.parametrize("name", ["lenet", "cifarnet"])
def test_schemes_that_do_not_resize_see_all_pixels(name):
    encoded = tf.constant(jpeg(noise(640)))
    image = get_preprocessing(name, is_training=False)(encoded, 32, 32)
    expected = get_preprocessing(name, is_training=False)(tf.image.decode_jpeg(encoded), 32, 32)
    np.testing.assert_array_equal(*value([image, expected]))
