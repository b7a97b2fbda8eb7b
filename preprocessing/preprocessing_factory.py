"""Returns the functions of a preprocessing scheme by its name."""

import importlib

import numpy as np

from preprocessing.augment import augment
from preprocessing.augmentations import AUGMENTATIONS, NONE, PUBLISHED
from preprocessing.decoding import decode, to_grayscale
from preprocessing.schemes import PREPROCESSING
from slim_on_tf2 import tf
from system.errors import BadInput


def get_preprocessing(
    name, is_training, fast_mode=True, use_grayscale=False, augmentation=PUBLISHED
):
    """Returns the function that turns an image into a network input.

    Args:
      name: a key of `PREPROCESSING`.
      is_training: whether images are randomly distorted, as `augmentation` says.
      fast_mode: whether to leave out expensive distortions of the scheme.
      use_grayscale: whether to return one channel instead of three.
      augmentation: a key of `AUGMENTATIONS`, for training: `published` for the scheme's random
        distortions, if it has any; `none` for the images that evaluation sees; or the same
        distortions for every scheme.

    Returns:
      preprocess(image, height, width, seed=None) -> float32 [height, width, 3], or
      [height, width, 1] with `use_grayscale`. The image is a string scalar with the bytes of a
      JPEG, PNG, GIF or BMP, or uint8 [any height, any width, 3]; in evaluation it can also be
      float32 in [0, 1] of that shape. The seed is int [2], required for random distortions.

    Raises:
      BadInput: there is no scheme or no augmentation of that name.
    """
    scheme = _scheme(name)
    if augmentation not in AUGMENTATIONS:
        names = ", ".join(AUGMENTATIONS)
        raise BadInput(f"augmentation: expected one of {names}, got {augmentation!r}")
    settings = AUGMENTATIONS[augmentation]

    def preprocess_for_train(image, height, width, seed=None):
        if seed is None:
            raise ValueError(
                f"{name} preprocessing for training: expected an int [2] seed, got None"
            )
        if settings:
            image = augment(image, height, width, seed, settings, use_grayscale)
            return scheme.to_network_range(image)
        return scheme.preprocess_for_train(image, height, width, seed, fast_mode, use_grayscale)

    def preprocess_for_eval(image, height, width, seed=None):
        del seed
        image = decode(image, needed_size=scheme.needed_size(height, width))
        image = to_grayscale(image) if use_grayscale else image
        return scheme.preprocess_for_eval(image, height, width)

    is_random = settings or (augmentation != NONE and hasattr(scheme, "preprocess_for_train"))
    return preprocess_for_train if is_training and is_random else preprocess_for_eval


def to_pixels(name):
    """Returns the function that turns network inputs back into images for summaries and plots.

    Args:
      name: a key of `PREPROCESSING`.

    Returns:
      A function from float32 [..., height, width, 3 or 1], network inputs of that scheme, to uint8
      of the same shape; from array to array and from tensor to tensor. It cannot restore the
      brightness and contrast that cifarnet normalizes away.

    Raises:
      BadInput: there is no scheme of that name.
    """
    to_pixel_range = _scheme(name).to_pixel_range

    def pixels_of(images):
        pixels = to_pixel_range(images)
        if isinstance(pixels, np.ndarray):
            return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
        return tf.saturate_cast(tf.round(pixels), tf.uint8)

    return pixels_of


def needed_size(name, height, width):
    """Returns `needed_size` of the scheme `name`, see `preprocessing.schemes`; raises BadInput."""
    return _scheme(name).needed_size(height, width)


def describe_preprocessing(name):
    """Returns the evaluation preprocessing of the scheme `name` in words; raises BadInput."""
    return _scheme(name).DESCRIPTION


def _scheme(name):
    if name not in PREPROCESSING:
        raise BadInput(f"preprocessing: expected one of {', '.join(PREPROCESSING)}, got {name!r}")
    return importlib.import_module(PREPROCESSING[name])
