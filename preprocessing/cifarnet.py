"""CifarNet's preprocessing: each picture less its own mean, divided by its own deviation.

Follows Krizhevsky, "cuda-convnet", 2011, https://code.google.com/archive/p/cuda-convnet: training
takes a random window of the padded picture, flips it, and changes brightness and contrast. They
are not clipped, so the division undoes most of that again: brightness leaves no trace, and contrast
changes how far the channels lie apart, which in a grey picture is nothing.

Made for datasets whose pictures are already of the network's size, such as CIFAR-10: nothing is
resized. A smaller picture is padded with black, and of a larger one a window of the output's size
is seen: 32 pixels of the 500 of a photo, in evaluation the middle, in training anywhere.

Every random choice is a function of the seed that the caller gives, and draws from a sub-seed of
its own.
"""

import numpy as np

from preprocessing.decoding import decode
from slim_on_tf2 import tf

PADDING = 4  # pixels a side, in training
MAX_BRIGHTNESS = 63.0  # added or taken away, of 255
CONTRAST = (0.2, 1.8)

_stateless = tf.compat.v2.image  # where TensorFlow keeps the stateless distortions

_LEAST_SPREAD = 1e-6  # of an image that is not of one colour it is about 1 or more


def preprocess_for_train(encoded, height, width, seed, fast_mode=True, use_grayscale=False):
    """Decodes a JPEG, takes a window of it, flips it and changes its light.

    Args:
      encoded: string scalar, the bytes of a JPEG, PNG, GIF or BMP.
      height, width: the output's size in pixels.
      seed: int [2], the source of every random choice: equal seeds give equal bits.
      fast_mode: changes nothing here; the scheme has no slow part.
      use_grayscale: whether the output has one channel of grey instead of three of colour.

    Returns:
      float32 [height, width, 3 or 1] of mean 0 and deviation 1.
    """
    del fast_mode
    window_seed, flip_seed, brightness_seed, contrast_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 4)
    )
    image = _in_pixel_range(decode(encoded, use_grayscale=use_grayscale))
    image = random_window(image, height, width, window_seed)
    image = _stateless.stateless_random_flip_left_right(image, flip_seed)
    image = _stateless.stateless_random_brightness(image, MAX_BRIGHTNESS, brightness_seed)
    image = _stateless.stateless_random_contrast(image, *CONTRAST, contrast_seed)
    return tf.image.per_image_standardization(image)


def preprocess_for_eval(image, height, width):
    """Cuts the middle out of a picture, or pads it with black, evenly on all sides.

    Args:
      image: [any height, any width, 3 or 1], uint8, or float32 in [0, 1].
      height, width: the output's size in pixels.

    Returns:
      float32 [height, width, 3 or 1] of mean 0 and deviation 1; all 0 where it is of one colour.
    """
    image = _in_pixel_range(image)
    image = tf.image.resize_image_with_crop_or_pad(image, height, width)
    return tf.image.per_image_standardization(image)


def to_pixel_range(images):
    """Stretches each image so that its least value is 0 and its greatest 255.

    The picture's own brightness and contrast are not in the image any more, so this shows its
    shapes and not its light. Takes arrays and tensors, [..., height, width, channels].
    """
    is_array = isinstance(images, np.ndarray)
    least, greatest = (np.min, np.max) if is_array else (tf.reduce_min, tf.reduce_max)
    low = least(images, axis=(-3, -2, -1), keepdims=True)
    spread = greatest(images, axis=(-3, -2, -1), keepdims=True) - low
    return (images - low) * (255.0 / (spread + _LEAST_SPREAD))


def random_window(image, height, width, seed):
    """A window of a picture with `PADDING` around it, each as likely as the others.

    A picture that is smaller than the window is padded to that size first.

    Args:
      image: float32 [any height, any width, 3 or 1].
      height, width: the window's size in pixels.
      seed: int [2].

    Returns:
      float32 [height, width, 3 or 1].
    """
    size = tf.maximum(tf.shape(image)[:2], [height, width]) + 2 * PADDING
    padded = tf.image.resize_image_with_crop_or_pad(image, size[0], size[1])
    window = [height, width, image.shape[-1]]
    return _stateless.stateless_random_crop(padded, window, seed)


def _in_pixel_range(image):
    """uint8, or float32 in [0, 1] -> float32 in [0, 255]."""
    return tf.image.convert_image_dtype(image, tf.float32) * 255.0
