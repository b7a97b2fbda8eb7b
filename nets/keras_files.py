"""Files of Keras: told by their content, and loaded by Keras itself.

The slim networks are built in graph mode, and Keras 3 works in eager mode alone. Both live in one
process here: Keras is called in `eager_keras()`, which turns eager mode on for this thread until
it is left. A second process could not take a model object, would load TensorFlow twice and claim
the GPU twice. It does not matter whether Keras or slim_on_tf2 was imported first. What was built
in Keras must be called and saved in `eager_keras()` too, while eager mode is off.
"""

import os
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path

import h5py

from bad_input import BadInput
from nets.checkpoint_path import KERAS_SUFFIXES
from nets.factory import find_network
from nets.keras_layers import find_application, identify

_NOT_WEIGHTS = ("optimizer", "metrics", "loss")  # how the groups beside a model's layers begin
_UNREADABLE = (ValueError, KeyError, TypeError, OSError, RuntimeError, zipfile.BadZipFile)


@contextmanager
def eager_keras():
    """Yields the package keras, with eager mode on in this thread until the block is left.

    Weights are carried over here and nothing is trained, so all of it runs on the CPU.
    """
    # Eager mode opens the GPU too, for the whole process, and would take all of its memory.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    import tensorflow as tf

    # TensorFlow has no public way to turn eager mode on for a while.
    from tensorflow.python.eager import context

    with context.eager_mode(), tf.device("CPU:0"):
        import keras

        yield keras


def is_keras_file(path):
    """Whether the file `path` is Keras's, by its suffix (.keras, .h5, .hdf5) or its content."""
    path = Path(path)
    return path.suffix in KERAS_SUFFIXES or (
        path.is_file() and (h5py.is_hdf5(path) or zipfile.is_zipfile(path))
    )


def _suffix_by_content(path):
    """The suffix by which Keras knows such a file; None for a file that is none of Keras's."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return ".keras" if "config.json" in archive.namelist() else None
    if not h5py.is_hdf5(path):
        return None
    with h5py.File(path) as file:
        is_old = "layer_names" in file.attrs or "model_weights" in file
    return ".h5" if is_old else ".weights.h5"


def load(keras, path, model_name):
    """The Keras model that a file holds, or that its weights are of.

    Args:
      keras: the package, as `eager_keras` yields it.
      path: the `Path` of a `.keras`, `.weights.h5` or `.h5` file, whatever it is called.
      model_name: the slim network whose weights are wanted.

    Returns:
      Of a `.keras` file the model in it, which need not be `model_name`; of HDF5 the counterpart of
      `model_name`, with the classes that the file has, or without a head.

    Raises:
      BadInput: there is no such file; it is broken or none of Keras's; or the weights in an HDF5
        file are not those of `model_name`.
    """
    if not path.is_file():
        raise BadInput(f"there is no file {path}; give a .keras, .weights.h5 or .h5 file")
    try:
        suffix = _suffix_by_content(path)
        if suffix == ".keras":
            return keras.models.load_model(path.resolve(), compile=False)
        if suffix:
            num_classes = _num_classes(path, model_name)
            model = build(keras, model_name, num_classes)
            _load_weights(model, path, suffix)
            return model
    except _UNREADABLE as error:
        reason = str(error).strip().split("\n")[0]
        raise BadInput(
            f"{path} cannot be read by Keras ({reason}); fetch it anew, or save the network "
            "alone anew, model.save('network.keras')"
        ) from error
    raise BadInput(
        f"{path} is no whole file of Keras: expected a .keras archive, or HDF5 as in .weights.h5 "
        "and .h5; save or fetch it anew"
    )


def _load_weights(model, path, suffix):
    """Loads an HDF5 file, which Keras takes for what its name says, not for what it is."""
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, f"model{suffix}")
        link.symlink_to(path.resolve())
        model.load_weights(link)


def _num_classes(path, model_name):
    """The classes of an HDF5 file of `model_name`; None where it has no head."""
    sizes = []

    def add(name, item):
        is_weight = isinstance(item, h5py.Dataset) and item.dtype.kind == "f"
        if is_weight and not name.startswith(_NOT_WEIGHTS):
            sizes.append(item.size)

    with h5py.File(path) as file:
        file.visititems(add)
    found = identify(len(sizes), sum(sizes))
    if model_name not in found:
        raise wrong_network(path, model_name, found, len(sizes), sum(sizes))
    return found[model_name]


def wrong_network(source, model_name, found, num_arrays, num_parameters):
    """The BadInput for a source that is not of the network `model_name`, but of those `found`."""
    if found:
        return BadInput(
            f"{source} is not of {model_name}: by its weights it is of {' or '.join(found)}; "
            "give --model_name that"
        )
    return BadInput(
        f"{source} is not of {model_name}, nor of another network known here: it has "
        f"{num_arrays} arrays with {num_parameters:,} numbers; of a model with a network in it, "
        "save the network alone, model.get_layer(NAME).save('network.keras')"
    )


def build(keras, model_name, num_classes, image_size=None, channels=3, activation="softmax"):
    """A model of keras.applications with random weights.

    Args:
      keras: the package, as `eager_keras` yields it.
      model_name: the slim network whose counterpart is wanted.
      num_classes: None leaves the head out.
      image_size: the side of the images, in pixels; by default as published.
      channels: those of the images.
      activation: what the head ends with; None for logits.

    Raises:
      BadInput: keras.applications has no such network.
    """
    application = find_application(model_name)
    size = image_size or find_network(model_name).image_size
    head = {"classes": num_classes, "classifier_activation": activation} if num_classes else {}
    return getattr(keras.applications, application.function)(
        weights=None,
        include_top=num_classes is not None,
        input_shape=(size, size, channels),
        **head,
        **application.options,
    )
