"""Inception's preprocessing: images in [-1, 1], with random crops and colors in training.

Training follows Szegedy et al. 2014, "Going Deeper with Convolutions", section 6: a crop of 5 % to
100 % of the image with an aspect ratio between 3/4 and 4/3, a resize, a flip, and the photometric
distortions of Howard 2013, "Some Improvements on Deep Convolutional Neural Network Based Image
Classification". Evaluation takes a central crop.

Grayscale images have no hue and no saturation, so only their brightness and contrast are adjusted.
"""

import math
from functools import partial

from preprocessing.decoding import as_windowable, decode
from slim_on_tf2 import tf

DESCRIPTION = "the central 7/8 of each side, resized bilinearly; red, green, blue in [-1, 1]"

CROP_AREA = (0.05, 1.0)  # fraction of the image's area
CROP_ASPECT_RATIO = (3 / 4, 4 / 3)  # width / height
CENTRAL_FRACTION = 0.875  # of height and width, in evaluation

# name -> (adjustment of an image in [0, 1], minimum and maximum amount)
ADJUSTMENTS = {
    "brightness": (tf.image.adjust_brightness, -32 / 255, 32 / 255),
    "saturation": (tf.image.adjust_saturation, 0.5, 1.5),
    "hue": (tf.image.adjust_hue, -0.2, 0.2),
    "contrast": (tf.image.adjust_contrast, 0.5, 1.5),
}
COLOR_ADJUSTMENTS = {"saturation", "hue"}
# The fast mode leaves out hue and contrast, which are the most expensive. One order is enough: the
# other two commute, except for fully saturated colors.
FAST_ORDERS = (("brightness", "saturation"),)
FULL_ORDERS = (
    ("brightness", "saturation", "hue", "contrast"),
    ("saturation", "brightness", "contrast", "hue"),
    ("contrast", "hue", "brightness", "saturation"),
    ("hue", "saturation", "contrast", "brightness"),
)

FAST_RESIZE_METHODS = (tf.image.ResizeMethod.BILINEAR,)
FULL_RESIZE_METHODS = (
    tf.image.ResizeMethod.BILINEAR,
    tf.image.ResizeMethod.NEAREST_NEIGHBOR,
    tf.image.ResizeMethod.BICUBIC,
    tf.image.ResizeMethod.AREA,
)


def preprocess_for_train(image, height, width, seed, fast_mode=True, use_grayscale=False):
    """Random crop, flip and colors, in [-1, 1]. Only the crop is decoded.

    With `fast_mode`, images are resized bilinearly, and hue and contrast are not adjusted. Without
    it, the seed selects one of four resize methods and one of four orders of all adjustments.
    """
    crop_seed, resize_seed, flip_seed, color_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 4)
    )
    image = decode_random_window(image, height, width, crop_seed, use_grayscale=use_grayscale)
    image = tf.image.convert_image_dtype(image, tf.float32)
    methods = FAST_RESIZE_METHODS if fast_mode else FULL_RESIZE_METHODS
    image = _resize(image, height, width, resize_seed, methods)
    image = tf.compat.v2.image.stateless_random_flip_left_right(image, flip_seed)
    orders = FAST_ORDERS if fast_mode else FULL_ORDERS
    image = distort_color(image, color_seed, grayscale_orders(orders) if use_grayscale else orders)
    return _from_unit_range(image)


def preprocess_for_eval(image, height, width):
    """Central crop of 7/8 of each side, resized, in [-1, 1].

    It is resized with TensorFlow's legacy bilinear kernel, as in the published training.
    """
    image = tf.image.central_crop(image, CENTRAL_FRACTION)
    image = tf.image.convert_image_dtype(image, tf.float32)
    image = tf.image.resize_images(image, [height, width])
    return _from_unit_range(image)


def needed_size(height, width):
    """The size whose central 7/8 are height x width, rounded up."""
    return math.ceil(height / CENTRAL_FRACTION), math.ceil(width / CENTRAL_FRACTION)


def to_network_range(images):
    """[0, 255] -> [-1, 1]."""
    return _from_unit_range(images / 255.0)


def to_pixel_range(images):
    """[-1, 1] -> [0, 255]."""
    return (images + 1.0) * 127.5


def decode_random_window(
    image,
    height,
    width,
    seed,
    area=CROP_AREA,
    aspect_ratio=CROP_ASPECT_RATIO,
    use_grayscale=False,
):
    """Decodes a random window of an image, at a fraction of its size if that is enough.

    Args:
      image: string scalar, the bytes of a JPEG, PNG, GIF or BMP; or uint8 [any height, any width,
        3].
      height, width: to which the window is resized next, in pixels.
      seed, area, aspect_ratio: as for `distorted_window`.
      use_grayscale: whether to return one channel instead of three.

    Returns:
      uint8 [any height, any width, 3], or one channel with `use_grayscale`.
    """
    image, shape = as_windowable(image)
    window = distorted_window(shape, seed, area, aspect_ratio)
    return decode(image, window, (height, width), use_grayscale)


def distorted_window(image_shape, seed, area=CROP_AREA, aspect_ratio=CROP_ASPECT_RATIO):
    """Returns a random window of an image.

    If no window satisfies both ranges, as in a very narrow image, the window is the entire image.

    Args:
      image_shape: int32 [3], height, width and channels of the image.
      seed: int [2].
      area: least and greatest area of the window, as fractions of the image's area.
      aspect_ratio: least and greatest width / height of the window.

    Returns:
      int32 [4]: top, left, height, width in pixels, an argument of `decode_and_crop_jpeg`.
    """
    begin, size, _ = tf.compat.v2.image.stateless_sample_distorted_bounding_box(
        image_shape,
        bounding_boxes=tf.zeros([1, 0, 4]),
        seed=seed,
        min_object_covered=0.0,
        area_range=area,
        aspect_ratio_range=aspect_ratio,
        max_attempts=100,
        use_image_if_no_bounding_boxes=True,
    )
    return tf.concat([begin[:2], size[:2]], axis=0)


def grayscale_orders(orders):
    """`orders` without the color adjustments and without duplicates."""
    orders = [tuple(name for name in order if name not in COLOR_ADJUSTMENTS) for order in orders]
    return tuple(dict.fromkeys(orders))


def distort_color(image, seed, orders=FULL_ORDERS):
    """Applies random adjustments to an image, in one of `orders`, and clips it.

    Args:
      image: float32 [height, width, 3] in [0, 1], or [height, width, 1] with `grayscale_orders`.
      seed: int [2], selects the order and the amount of each adjustment.
      orders: tuples of keys of `ADJUSTMENTS`.

    Returns:
      A float32 tensor of the shape of `image`, in [0, 1].
    """
    order_seed, *seeds = tf.unstack(
        tf.random.experimental.stateless_split(seed, 1 + len(ADJUSTMENTS))
    )
    amounts = {
        name: tf.random.stateless_uniform([], amount_seed, least, most)
        for (name, (_, least, most)), amount_seed in zip(ADJUSTMENTS.items(), seeds)
    }

    def adjust(order):
        adjusted = image
        for name in order:
            adjusted = ADJUSTMENTS[name][0](adjusted, amounts[name])
        return adjusted

    return tf.clip_by_value(_apply_one(adjust, orders, order_seed), 0.0, 1.0)


def _resize(image, height, width, seed, methods):
    """Resizes [any height, any width, channels] with one of `methods`, selected by the seed."""
    resized = _apply_one(
        lambda method: tf.image.resize_images(image, [height, width], method), methods, seed
    )
    return tf.ensure_shape(resized, [height, width, image.shape[-1]])


def _apply_one(function, arguments, seed):
    """`function` of one of `arguments`, selected uniformly; only that one is computed."""
    if len(arguments) == 1:
        return function(arguments[0])
    index = tf.random.stateless_uniform([], seed, 0, len(arguments), tf.int32)
    return tf.switch_case(index, [partial(function, argument) for argument in arguments])


def _from_unit_range(images):
    """[0, 1] -> [-1, 1]; clips the overshoot of bicubic kernels and rounding."""
    return tf.clip_by_value(images * 2.0 - 1.0, -1.0, 1.0)
