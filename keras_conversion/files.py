"""Loads Keras files, and builds networks of keras.applications.

slim's networks are built in graph mode, Keras 3 works only in eager mode, and both run in one
process: `eager_keras()` turns eager mode on in this thread. A model that was built in it has to be
called and saved in it, too.
"""

import os
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path

from slim_on_tf2 import tf  # before keras, which would import TensorFlow with all its messages

# isort: split
import h5py
import keras
from tensorflow.python.eager import context  # TensorFlow has no public way to turn eager mode on

from keras_conversion.layers import find_application, identify_application
from nets.networks import find_network
from system.errors import BadInput

_NOT_WEIGHTS = ("optimizer", "metrics", "loss")  # prefixes of the groups beside a model's layers
_UNREADABLE = (ValueError, KeyError, TypeError, OSError, RuntimeError, zipfile.BadZipFile)


@contextmanager
def eager_keras():
    """Yields the package keras, and turns eager mode on in this thread until the context ends.

    Operations run on the CPU: weights are converted here, and nothing is trained.
    """
    # Eager mode initializes the GPU, and would claim all its memory for this process.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    with context.eager_mode(), tf.device("CPU:0"):
        yield keras


def load_keras_model(path, model_name):
    """Loads a Keras file; call it in `eager_keras()`.

    Args:
      path: the `Path` of a `.keras`, `.weights.h5` or `.h5` file; its content decides which.
      model_name: the slim network whose weights are expected.

    Returns:
      The model in a `.keras` file, which need not be `model_name`. For HDF5, the counterpart of
      `model_name` with the weights in the file, and with its number of classes or without a head.

    Raises:
      BadInput: the file does not exist, is broken or not a Keras file; or the weights in an HDF5
        file are not those of `model_name`.
    """
    if not path.is_file():
        raise BadInput(f"there is no file {path}; give a .keras, .weights.h5 or .h5 file")
    try:
        suffix = _suffix_by_content(path)
        if suffix == ".keras":
            return keras.models.load_model(path.resolve(), compile=False)
        if suffix:
            model = build_application(model_name, _num_classes(path, model_name))
            # Keras decides by the name how to read an HDF5 file.
            with tempfile.TemporaryDirectory() as folder:
                link = Path(folder, f"model{suffix}")
                link.symlink_to(path.resolve())
                model.load_weights(link)
            return model
    except _UNREADABLE as error:
        reason = str(error).strip().split("\n")[0]
        raise BadInput(
            f"{path}: Keras cannot read it ({reason}); download it again, or save only the network "
            "with model.save('network.keras')"
        ) from error
    raise BadInput(
        f"{path} is not a complete Keras file: expected a .keras archive, or HDF5 as in "
        ".weights.h5 and .h5; download or save it again"
    )


def _suffix_by_content(path):
    """Returns the suffix that Keras gives to such a file; None if it is not a Keras file."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return ".keras" if "config.json" in archive.namelist() else None
    if not h5py.is_hdf5(path):
        return None
    with h5py.File(path) as file:
        is_legacy = "layer_names" in file.attrs or "model_weights" in file
    return ".h5" if is_legacy else ".weights.h5"


def _num_classes(path, model_name):
    """Returns the number of classes in an HDF5 file of `model_name`; None if it has no head."""
    sizes = []

    def add(name, item):
        is_weight = isinstance(item, h5py.Dataset) and item.dtype.kind == "f"
        if is_weight and not name.startswith(_NOT_WEIGHTS):
            sizes.append(item.size)

    with h5py.File(path) as file:
        file.visititems(add)
    found = identify_application(len(sizes), sum(sizes))
    if model_name not in found:
        raise wrong_network(path, model_name, found, len(sizes), sum(sizes))
    return found[model_name]


def wrong_network(source, model_name, found, num_arrays, num_parameters):
    """Returns the `BadInput` for weights that belong to the networks `found` or to an unknown one.

    Args:
      source: the file or the model, for the message.
      model_name: the expected slim network.
      found: the names of the networks that the weights may belong to.
      num_arrays: the number of weight arrays.
      num_parameters: the number of their elements.
    """
    if found:
        return BadInput(
            f"{source} does not fit {model_name}: its weights are those of {' or '.join(found)}; "
            "give that as --model_name"
        )
    return BadInput(
        f"{source} does not fit {model_name} or another known network: it has {num_arrays} arrays "
        f"with {num_parameters:,} elements; if the network is a layer of a larger model, save only "
        "that layer, model.get_layer(NAME).save('network.keras')"
    )


def build_application(
    model_name, num_classes, image_size=None, channels=3, classifier_activation="softmax"
):
    """Builds a network of keras.applications with random weights; call it in `eager_keras()`.

    Args:
      model_name: the slim network whose counterpart to build.
      num_classes: the number of classes; None for no head.
      image_size: height and width of the images in pixels; by default as published.
      channels: the number of channels of the images.
      classifier_activation: the last activation; None for logits.

    Raises:
      BadInput: keras.applications has no such network.
    """
    application = find_application(model_name)
    size = image_size or find_network(model_name).image_size
    head = {}
    if num_classes:
        head = {"classes": num_classes, "classifier_activation": classifier_activation}
    return getattr(keras.applications, application.function)(
        weights=None,
        include_top=bool(num_classes),
        input_shape=(size, size, channels),
        **head,
        **application.options,
    )
