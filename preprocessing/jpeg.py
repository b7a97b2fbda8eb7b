"""Decoding: the bytes of a JPEG to pixels, whole or a window of it, in colour or in grey."""

from slim_on_tf2 import tf


def decode(encoded, window=None, use_grayscale=False):
    """Decodes a JPEG, or nothing but a window of it.

    Grey is made of colour, 0.299 red + 0.587 green + 0.114 blue, and not by the decoder, which
    cannot do it for every JPEG that it reads in colour (not for one of print colours, CMYK).

    Args:
      encoded: string scalar, the bytes of a JPEG.
      window: int32 [4], top, left, height, width in pixels; None for the whole photo.
      use_grayscale: whether to give one channel of grey instead of three of colour.

    Returns:
      uint8 [height, width, 3], or [height, width, 1] with `use_grayscale`.
    """
    if window is None:
        image = tf.image.decode_jpeg(encoded, channels=3)
    else:
        image = tf.image.decode_and_crop_jpeg(encoded, window, channels=3)
    return tf.image.rgb_to_grayscale(image) if use_grayscale else image
