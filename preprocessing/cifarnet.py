"""CifarNet's preprocessing: each image with mean 0 and standard deviation 1.

Follows Krizhevsky, "cuda-convnet", 2011, https://code.google.com/archive/p/cuda-convnet: training
takes a random crop of the padded image, flips it, and changes its brightness and contrast. Because
the result is not clipped, the standardization undoes most of the latter: brightness has no effect,
and contrast only changes the differences between channels, of which a grayscale image has none.

Made for datasets whose images already have the network's size, such as CIFAR-10: images are not
resized. Smaller ones are padded with black; of larger ones only a crop of the output size is
visible, 32 of the 500 pixels of a photo: the center in evaluation, any crop in training.
"""

import numpy as np

from preprocessing.decoding import decode
from slim_on_tf2 import tf

DESCRIPTION = "a central crop without resizing, padded with black; standardized per image"

PADDING = 4  # pixels on each side, in training
MAX_BRIGHTNESS = 63.0  # added or subtracted, of 255
CONTRAST = (0.2, 1.8)

_EPSILON = 1e-6  # avoids a division by zero for an image of one color; others span about 1 or more
_stateless = tf.compat.v2.image


def preprocess_for_train(image, height, width, seed, fast_mode=True, use_grayscale=False):
    """Crops, flips, distorts and standardizes an image; `fast_mode` has no effect."""
    del fast_mode
    crop_seed, flip_seed, brightness_seed, contrast_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 4)
    )
    image = _convert_to_255(decode(image, use_grayscale=use_grayscale))
    image = random_crop(image, height, width, crop_seed)
    image = _stateless.stateless_random_flip_left_right(image, flip_seed)
    image = _stateless.stateless_random_brightness(image, MAX_BRIGHTNESS, brightness_seed)
    image = _stateless.stateless_random_contrast(image, *CONTRAST, contrast_seed)
    return to_network_range(image)


def preprocess_for_eval(image, height, width):
    """Crops or pads an image evenly on all sides and standardizes it; one color gives all 0."""
    image = _convert_to_255(image)
    image = tf.image.resize_image_with_crop_or_pad(image, height, width)
    return to_network_range(image)


def needed_size(height, width):
    """None: images are not resized."""
    del height, width


def to_network_range(images):
    """[0, 255] -> mean 0 and standard deviation 1, each image by itself."""
    return tf.image.per_image_standardization(images)


def to_pixel_range(images):
    """Stretches each image to [0, 255]; its original brightness and contrast are lost."""
    is_array = isinstance(images, np.ndarray)
    least, greatest = (np.min, np.max) if is_array else (tf.reduce_min, tf.reduce_max)
    low = least(images, axis=(-3, -2, -1), keepdims=True)
    spread = greatest(images, axis=(-3, -2, -1), keepdims=True) - low
    return (images - low) * (255.0 / (spread + _EPSILON))


def random_crop(image, height, width, seed):
    """Returns a uniformly random crop of an image padded by `PADDING`.

    An image smaller than the crop is padded to the size of the crop first.

    Args:
      image: float32 [any height, any width, channels].
      height, width: size of the crop in pixels.
      seed: int [2].

    Returns:
      float32 [height, width, channels].
    """
    size = tf.maximum(tf.shape(image)[:2], [height, width]) + 2 * PADDING
    padded = tf.image.resize_image_with_crop_or_pad(image, size[0], size[1])
    crop = [height, width, image.shape[-1]]
    return _stateless.stateless_random_crop(padded, crop, seed)


def _convert_to_255(image):
    """uint8, or float32 in [0, 1] -> float32 in [0, 255]."""
    return tf.image.convert_image_dtype(image, tf.float32) * 255.0
