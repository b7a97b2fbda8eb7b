"""VGG's preprocessing: crops at the original aspect ratio, minus the mean color.

Follows Simonyan & Zisserman 2014, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", sections 3.1 and 3.2: the smaller side of an image is resized to S pixels, 256 in
evaluation and random in [256, 512] in training, and a window of 224x224 is cropped, at the center
in evaluation and at random in training.

These lengths are for an output of 224 pixels. For other sizes they are scaled by the longer side of
the output, so that the window always shows the same fraction of the image: 299 pixels are cropped
from 342 in evaluation, and from 342 to 683 in training.
"""

import math

from preprocessing.decoding import as_windowable, decode
from slim_on_tf2 import tf

DESCRIPTION = (
    "the smaller side resized bilinearly to 256/224 of the network's, then a central crop; "
    "of 255, minus the mean red 123.68, green 116.78, blue 103.94, or gray 117.37"
)

MEAN_RGB = (123.68, 116.78, 103.94)  # of ImageNet's training images, of 255
MEAN_GRAY = (117.37,)  # 0.299 red + 0.587 green + 0.114 blue of MEAN_RGB
PUBLISHED_SIZE = 224
EVALUATION_SIDE = 256
TRAINING_SIDES = (256, 512)


def preprocess_for_train(image, height, width, seed, fast_mode=True, use_grayscale=False):
    """Random window and flip, in [0, 255] minus the mean; `fast_mode` has no effect.

    The window is cropped before it is resized, which shows the same and costs less. Only the window
    is decoded.
    """
    del fast_mode
    window_seed, flip_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    image, shape = as_windowable(image)
    window = random_window(shape, height, width, window_seed)
    image = decode(image, window, (height, width), use_grayscale)
    image = tf.image.resize_images(image, [height, width])
    image = tf.compat.v2.image.stateless_random_flip_left_right(image, flip_seed)
    return to_network_range(tf.ensure_shape(image, [height, width, None]))


def preprocess_for_eval(image, height, width):
    """Central crop of the resized image, in [0, 255] minus the mean."""
    image = tf.image.convert_image_dtype(image, tf.float32) * 255.0
    size = tf.shape(image)[:2]
    scale = _scaled(EVALUATION_SIDE, height, width) / _smaller_side(size)
    size = tf.to_int32(tf.round(tf.to_float(size) * scale))
    image = tf.image.resize_images(image, size)
    top, left = tf.unstack((size - [height, width]) // 2)
    image = image[top : top + height, left : left + width]
    return to_network_range(tf.ensure_shape(image, [height, width, None]))


def needed_size(height, width):
    """The size of the smaller side in evaluation, for both sides."""
    side = math.ceil(_scaled(EVALUATION_SIDE, height, width))
    return side, side


def to_network_range(images):
    """Subtracts the mean from [0, 255]."""
    return images - _mean(images)


def to_pixel_range(images):
    """Adds the mean."""
    return images + _mean(images)


def random_window(image_shape, height, width, seed):
    """Returns the window of an image that an output of height x width shows.

    Args:
      image_shape: int32 [3], height, width and channels of the image.
      height, width: size of the output in pixels.
      seed: int [2], determines the resized smaller side and the position of the window.

    Returns:
      int32 [4]: top, left, height, width, in pixels of the image, at least 1x1; an argument of
      `decode_and_crop_jpeg`.
    """
    side_seed, position_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    least, most = (round(_scaled(side, height, width)) for side in TRAINING_SIDES)
    side = tf.random.stateless_uniform([], side_seed, least, most + 1, tf.int32)
    image_pixels_per_output_pixel = _smaller_side(image_shape[:2]) / tf.to_float(side)
    window = tf.to_int32(tf.round([height, width] * image_pixels_per_output_pixel))
    window = tf.clip_by_value(window, 1, image_shape[:2])
    position = tf.random.stateless_uniform([2], position_seed)
    begin = tf.to_int32(tf.floor(position * tf.to_float(image_shape[:2] - window + 1)))
    return tf.concat([begin, window], axis=0)


def _mean(images):
    return MEAN_GRAY if images.shape[-1] == 1 else MEAN_RGB


def _scaled(side, height, width):
    """Scales a length published for `PUBLISHED_SIZE` to an output of height x width."""
    return side * max(height, width) / PUBLISHED_SIZE


def _smaller_side(size):
    return tf.to_float(tf.reduce_min(size))
