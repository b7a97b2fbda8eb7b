"""LeNet's preprocessing: the middle of a picture at its own scale, in [-1, 1).

Made for datasets whose pictures are already of the network's size, such as MNIST: nothing is
resized. A smaller picture is padded with black, and of a larger one the middle alone is seen: 28
pixels of the 500 of a photo. Training shows the same as evaluation, for a digit that is mirrored
or of other colours may be another digit, or none.
"""

from preprocessing.decoding import decode
from slim_on_tf2 import tf


def preprocess_for_train(encoded, height, width, seed, fast_mode=True, use_grayscale=False):
    """Decodes a JPEG and does as `preprocess_for_eval`.

    Args:
      encoded: string scalar, the bytes of a JPEG, PNG, GIF or BMP.
      height, width: the output's size in pixels.
      seed: unused; nothing is random.
      fast_mode: changes nothing here; the scheme has no slow part.
      use_grayscale: whether the output has one channel of grey instead of three of colour.

    Returns:
      float32 [height, width, 3 or 1] in [-1, 1).
    """
    del seed, fast_mode
    return preprocess_for_eval(decode(encoded, use_grayscale=use_grayscale), height, width)


def preprocess_for_eval(image, height, width):
    """Cuts the middle out of a picture, or pads it with black, evenly on all sides.

    Args:
      image: [any height, any width, 3 or 1], uint8, or float32 in [0, 1].
      height, width: the output's size in pixels.

    Returns:
      float32 [height, width, 3 or 1] in [-1, 1).
    """
    image = tf.image.convert_image_dtype(image, tf.float32) * 255.0
    image = tf.image.resize_image_with_crop_or_pad(image, height, width)
    return (image - 128.0) / 128.0


def to_pixel_range(images):
    """[-1, 1), as networks read it -> [0, 255], as eyes do. Takes arrays and tensors."""
    return images * 128.0 + 128.0
