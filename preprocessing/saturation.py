"""Saturation of an image, as by `tf.image.adjust_saturation` and faster on a CPU.

TensorFlow's function converts each pixel to HSV and back. This one needs the greatest and the least
channel of a pixel only (Smith 1978, "Color Gamut Transform Pairs", HSV).
"""

from slim_on_tf2 import tf


def adjust_saturation(image, factor):
    """Multiplies the saturation of an image; hue and value stay.

    A color x of the value v = max x has the saturation (v - min x) / v, at most 1. So each of its
    channels becomes v - factor * (v - x), with a smaller factor where the saturation would exceed 1
    or v is negative.

    Args:
      image: float32 [height, width, 3], as of an image in [0, 1] with adjusted brightness.
      factor: float32 [], not negative.

    Returns:
      A float32 tensor of the shape of `image`.
    """
    red, green, blue = tf.unstack(image, axis=-1)
    value = tf.maximum(tf.maximum(red, green), blue)
    spread = value - tf.minimum(tf.minimum(red, green), blue)
    # Where all channels are equal, there is no spread, and every factor gives the same.
    factor = tf.clip_by_value(tf.math.divide_no_nan(value, spread), 0.0, factor)
    return image * _to_channels(factor, image) + _to_channels(value - value * factor, image)


def _to_channels(plane, image):
    """Repeats [height, width] in three channels.

    By `tf.repeat`, which is faster than broadcasting. A matrix product would be faster still, but
    mixed precision would compute it in 16 bits.
    """
    return tf.reshape(tf.repeat(tf.reshape(plane, [-1]), 3), tf.shape(image))
