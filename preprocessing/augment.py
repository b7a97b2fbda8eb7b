"""Carries out an `Augmentation`: an image to random pixels in [0, 255].

Every random choice is a function of the seed alone.
"""

from preprocessing.erasing import erase
from preprocessing.inception import (
    FAST_ORDERS,
    decode_random_window,
    distort_color,
    grayscale_orders,
)
from preprocessing.trivial_augment import trivial_augment
from slim_on_tf2 import tf


def augment(image, height, width, seed, augmentation, use_grayscale=False):
    """Random crop, flip, color and erasing of an image; only the crop is decoded.

    Args:
      image: string scalar, the bytes of a JPEG, PNG, GIF or BMP; or uint8 [any height, any width,
        3].
      height: of the output, in pixels.
      width: of the output, in pixels.
      seed: int [2]; equal seeds give equal bits.
      augmentation: an `Augmentation`.
      use_grayscale: whether to return one channel instead of three.

    Returns:
      float32 [height, width, 3] in [0, 255], or [height, width, 1] with `use_grayscale`.
    """
    crop_seed, flip_seed, color_seed, trivial_augment_seed, erasing_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 5)
    )
    image = decode_random_window(
        image,
        height,
        width,
        crop_seed,
        augmentation.crop_area,
        augmentation.crop_aspect_ratio,
        use_grayscale,
    )
    # With the same legacy bilinear kernel as in evaluation.
    image = tf.image.resize_images(image, [height, width])
    image = tf.ensure_shape(image, [height, width, 1 if use_grayscale else 3])
    if augmentation.flips:
        image = tf.compat.v2.image.stateless_random_flip_left_right(image, flip_seed)
    if augmentation.color:
        orders = grayscale_orders(FAST_ORDERS) if use_grayscale else FAST_ORDERS
        image = distort_color(image / 255.0, color_seed, orders) * 255.0
    if augmentation.trivial_augment:
        image = trivial_augment(image, trivial_augment_seed)
    if augmentation.erasing:
        image = erase(image, augmentation.erasing, erasing_seed)
    return image
