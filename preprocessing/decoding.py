"""Decoding: the bytes of a photo to pixels, whole or a window of it, in colour or in grey."""

from slim_on_tf2 import tf


def decode(encoded, window=None, use_grayscale=False):
    """Decodes a photo, or of a JPEG nothing but a window.

    Grey is made of colour, and not by the decoder, which cannot do it for every JPEG that it reads
    in colour (not for one of print colours, CMYK).

    Args:
      encoded: string scalar, the bytes of a JPEG; without a window also of a PNG, GIF (its first
        frame) or BMP.
      window: int32 [4], top, left, height, width in pixels; None for the whole photo.
      use_grayscale: whether to give one channel of grey instead of three of colour.

    Returns:
      uint8 [height, width, 3], or [height, width, 1] with `use_grayscale`.
    """
    if window is None:
        image = tf.image.decode_image(encoded, channels=3, expand_animations=False)
        image = tf.ensure_shape(image, [None, None, 3])
    else:
        image = tf.image.decode_and_crop_jpeg(encoded, window, channels=3)
    return to_grey(image) if use_grayscale else image


def as_jpeg(encoded):
    """Returns a JPEG of a photo, of which a window can be decoded alone; a JPEG as it is.

    Args:
      encoded: string scalar, the bytes of a JPEG, PNG, GIF (its first frame) or BMP.

    Returns:
      A string scalar. Of another format than JPEG it comes near, a few of 255 greys off.
    """

    def convert():
        return tf.image.encode_jpeg(decode(encoded), quality=100, chroma_downsampling=False)

    return tf.cond(tf.image.is_jpeg(encoded), lambda: encoded, convert)


def to_grey(image):
    """A picture [height, width, 3] as [height, width, 1]: 0.299 red + 0.587 green + 0.114 blue."""
    return tf.image.rgb_to_grayscale(image)
