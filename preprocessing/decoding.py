"""Decodes image files, or a window of them, to color or grayscale pixels."""

from slim_on_tf2 import tf


def decode(encoded, window=None, use_grayscale=False):
    """Decodes an image, or only a window of a JPEG.

    Grayscale is computed from the colors, because TensorFlow's decoder cannot convert every JPEG
    (not one in CMYK).

    Args:
      encoded: string scalar, the bytes of a JPEG; without a window also of a PNG, GIF (the first
        frame) or BMP.
      window: int32 [4], top, left, height, width in pixels; None for the entire image.
      use_grayscale: whether to return one channel instead of three.

    Returns:
      uint8 [height, width, 3], or [height, width, 1] with `use_grayscale`.
    """
    if window is None:
        image = tf.image.decode_image(encoded, channels=3, expand_animations=False)
        image = tf.ensure_shape(image, [None, None, 3])
    else:
        image = tf.image.decode_and_crop_jpeg(encoded, window, channels=3)
    return to_grayscale(image) if use_grayscale else image


def as_jpeg(encoded):
    """Converts an image to JPEG, so that a window of it can be decoded; a JPEG is left unchanged.

    Args:
      encoded: string scalar, the bytes of a JPEG, PNG, GIF (the first frame) or BMP.

    Returns:
      A string scalar. Pixels of a converted image differ by a few of 255 levels.
    """

    def convert():
        return tf.image.encode_jpeg(decode(encoded), quality=100, chroma_downsampling=False)

    return tf.cond(tf.image.is_jpeg(encoded), lambda: encoded, convert)


def to_grayscale(image):
    """[height, width, 3] -> [height, width, 1]: 0.299 red + 0.587 green + 0.114 blue."""
    return tf.image.rgb_to_grayscale(image)
