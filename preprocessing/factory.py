"""The table of preprocessing schemes: name -> a function from JPEG bytes to a network's input.

A scheme's module is imported when it is asked for, so that a flag can be checked against
`PREPROCESSING` before TensorFlow has been imported.
"""

import importlib

import numpy as np

from bad_input import BadInput

# Name -> the module with its preprocess_for_train, preprocess_for_eval and to_pixel_range.
PREPROCESSING = {
    "inception": "preprocessing.inception",
    "vgg": "preprocessing.vgg",
    "lenet": "preprocessing.lenet",
    "cifarnet": "preprocessing.cifarnet",
    "none": "preprocessing.none",
}


def get_preprocessing(name, is_training, fast_mode=True, use_grayscale=False):
    """Returns the function that makes a network's input of a photo.

    Args:
      name: a key of `PREPROCESSING`.
      is_training: whether photos are distorted at random.
      fast_mode: leaves out the distortions that cost most, where the scheme has such.
      use_grayscale: gives one channel of grey instead of three of colour.

    Returns:
      preprocess(photo, height, width, seed=None) -> float32 [height, width, 3], or
      [height, width, 1] with `use_grayscale`. The photo is a string scalar with the bytes of a
      JPEG, PNG, GIF or BMP; in evaluation it may be a picture too, [any height, any width, 3] of
      uint8, or of float32 in [0, 1]. The seed is int [2], needed in training and unused in
      evaluation.

    Raises:
      BadInput: there is no scheme of that name.
    """
    scheme = _scheme(name)

    def preprocess_for_train(photo, height, width, seed=None):
        if seed is None:
            raise ValueError("preprocessing for training needs a seed, an int tensor of shape [2]")
        return scheme.preprocess_for_train(photo, height, width, seed, fast_mode, use_grayscale)

    def preprocess_for_eval(photo, height, width, seed=None):
        del seed
        from preprocessing.decoding import decode, to_grey
        from slim_on_tf2 import tf

        photo = tf.convert_to_tensor(photo)
        image = decode(photo) if photo.dtype == tf.string else photo
        image = to_grey(image) if use_grayscale else image
        return scheme.preprocess_for_eval(image, height, width)

    return preprocess_for_train if is_training else preprocess_for_eval


def to_pixels(name):
    """Returns the way back, for summaries and plots.

    Args:
      name: a key of `PREPROCESSING`.

    Returns:
      A function from float32 [..., height, width, 3 or 1] as `get_preprocessing(name)` makes it to
      uint8 of the same shape: array to array, tensor to tensor. Of cifarnet it is a way to shapes
      and not to the photo's own light, which that scheme takes out of the image.

    Raises:
      BadInput: there is no scheme of that name.
    """
    to_pixel_range = _scheme(name).to_pixel_range

    def pixels_of(images):
        pixels = to_pixel_range(images)
        if isinstance(pixels, np.ndarray):
            return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
        from slim_on_tf2 import tf

        return tf.saturate_cast(tf.round(pixels), tf.uint8)

    return pixels_of


def _scheme(name):
    if name not in PREPROCESSING:
        raise BadInput(
            f"there is no preprocessing named {name!r}; choose one of {', '.join(PREPROCESSING)}"
        )
    return importlib.import_module(PREPROCESSING[name])
