"""No preprocessing but what a network cannot do without: the whole picture, resized, in [0, 1].

For networks that bring their own scaling, and to see what a scheme's distortions are worth.
Training shows the same as evaluation.
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
      float32 [height, width, 3 or 1] in [0, 1].
    """
    del seed, fast_mode
    return preprocess_for_eval(decode(encoded, use_grayscale=use_grayscale), height, width)


def preprocess_for_eval(image, height, width):
    """Resizes a picture, whatever its aspect ratio, by TensorFlow's legacy bilinear kernel.

    Args:
      image: [any height, any width, 3 or 1], uint8, or float32 in [0, 1].
      height, width: the output's size in pixels.

    Returns:
      float32 [height, width, 3 or 1] in [0, 1].
    """
    image = tf.image.convert_image_dtype(image, tf.float32)
    return tf.image.resize_images(image, [height, width])


def to_pixel_range(images):
    """[0, 1], as networks read it -> [0, 255], as eyes do. Takes arrays and tensors."""
    return images * 255.0
