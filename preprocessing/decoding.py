"""Decodes image files, or a window of them, to color or grayscale pixels.

A JPEG that is more than twice as large as needed is decoded at 1/2, 1/4, 1/8, ... of its size, for
which libjpeg averages pixels while it decodes. That is faster, and finer than the bilinear kernel
that follows, which would skip pixels. What is left is less than twice as large, so that decoding
the result once more changes nothing.
"""

from functools import partial

from slim_on_tf2 import tf

RATIOS = (1, 2, 4, 8, 16, 32, 64)  # of a JPEG's size to that of its pixels
DECODED = 8  # libjpeg's largest ratio; for more, its pixels are averaged


def decode(image, window=None, needed_size=None, use_grayscale=False):
    """Decodes an image, or only a window of a JPEG, perhaps at a fraction of its size.

    Pixels are treated as their JPEG would be, cropped and shrunk.

    Grayscale is computed from the colors, because TensorFlow's decoder cannot convert every JPEG
    (not one in CMYK).

    Args:
      image: string scalar, the bytes of a JPEG; without a window also of a PNG, GIF (the first
        frame) or BMP. Or uint8, or float32, [any height, any width, 3].
      window: int32 [4], top, left, height, width in pixels of the image; None for all of it.
      needed_size: height and width in pixels that the result is going to be resized to, or more;
        None decodes at full size.
      use_grayscale: whether to return one channel instead of three.

    Returns:
      uint8 [height, width, 3], or [height, width, 1] with `use_grayscale`; float32 for float32. The
      size is that of the image or window, or the least of its 1/2, 1/4, ..., 1/64 that is at least
      `needed_size`, rounded up for an image and down for a window. A PNG, GIF or BMP keeps its
      size.
    """
    image = tf.convert_to_tensor(image)
    decode_at = _decode_at if image.dtype == tf.string else _shrink
    if needed_size is None:
        image = decode_at(1, image, window)
    else:
        decoders = [partial(decode_at, ratio, image, window) for ratio in RATIOS]
        image = tf.switch_case(_ratio_index(image, window, needed_size), decoders)
    image = tf.ensure_shape(image, [None, None, 3])
    return to_grayscale(image) if use_grayscale else image


def _ratio_index(image, window, needed_size):
    """Returns the index in `RATIOS` of the largest that leaves `needed_size`, int32 []."""

    def index_of(size, rounded_up):
        sizes = [(size + (ratio - 1) * rounded_up) // ratio for ratio in RATIOS[1:]]
        is_enough = [tf.reduce_all(each >= tf.stack(needed_size)) for each in sizes]
        return tf.reduce_sum(tf.to_int32(is_enough))

    if window is not None:
        return index_of(window[2:], 0)
    if image.dtype != tf.string:
        return index_of(tf.shape(image)[:2], 1)
    return tf.cond(
        tf.image.is_jpeg(image),
        lambda: index_of(tf.image.extract_jpeg_shape(image)[:2], 1),
        lambda: 0,
    )


def _decode_at(ratio, encoded, window):
    """Decodes at 1 / `ratio` of the size; not a JPEG only without a window and at full size."""
    decoded = min(ratio, DECODED)
    if window is not None:
        whole = window // ratio * (ratio // decoded)  # in decoded pixels, of whole averages
        image = tf.image.decode_and_crop_jpeg(encoded, whole, channels=3, ratio=decoded)
    elif ratio == 1:
        return tf.image.decode_image(encoded, channels=3, expand_animations=False)
    else:
        image = tf.image.decode_jpeg(encoded, channels=3, ratio=decoded)
    return _average(ratio // decoded, image, is_whole=window is not None)


def _shrink(ratio, image, window):
    """The counterpart of `_decode_at` for pixels."""
    if window is not None:
        top, left, height, width = tf.unstack(window // ratio * ratio)
        image = image[top : top + height, left : left + width]
    return _average(ratio, image, is_whole=window is not None)


def _average(ratio, image, is_whole):
    """Returns the means of `ratio` x `ratio` pixels.

    Unless the sides are whole multiples of the ratio, the border is repeated to fill the last ones.
    """
    if ratio == 1:
        return image
    if not is_whole:
        height, width, _ = tf.unstack(tf.shape(image))
        rows, columns = tf.range(-(-height // ratio) * ratio), tf.range(-(-width // ratio) * ratio)
        image = tf.gather(image, tf.minimum(rows, height - 1))
        image = tf.gather(image, tf.minimum(columns, width - 1), axis=1)
    means = tf.nn.avg_pool2d(tf.to_float(image)[tf.newaxis], ratio, ratio, "VALID")[0]
    return tf.saturate_cast(tf.round(means), tf.uint8) if image.dtype == tf.uint8 else means


def as_windowable(image):
    """Converts an image so that a window of it can be decoded; JPEGs and pixels are left unchanged.

    Args:
      image: string scalar, the bytes of a JPEG, PNG, GIF (the first frame) or BMP; or uint8 [any
        height, any width, 3].

    Returns:
      The image, for `decode`, and its shape, int32 [3]. Any other image becomes a JPEG, whose
      pixels differ by a few of 255 levels.
    """
    image = tf.convert_to_tensor(image)
    if image.dtype != tf.string:
        return image, tf.shape(image)

    def convert():
        return tf.image.encode_jpeg(decode(image), quality=100, chroma_downsampling=False)

    jpeg = tf.cond(tf.image.is_jpeg(image), lambda: image, convert)
    return jpeg, tf.image.extract_jpeg_shape(jpeg)


def to_grayscale(image):
    """[height, width, 3] -> [height, width, 1]: 0.299 red + 0.587 green + 0.114 blue."""
    return tf.image.rgb_to_grayscale(image)
