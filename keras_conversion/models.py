"""Converts a trained slim network to a Keras model.

    model = to_keras("resnet_v1_50", values)  # values: slim's name -> array

It is the model of keras.applications without the differences that `weights.py` lists. Before
`save_keras_model` writes it, its output is compared with that of the slim network.
"""

import tempfile
from functools import partial
from pathlib import Path

from slim_on_tf2 import slim, tf  # before keras, see `files`

# isort: split
import keras
import numpy as np

from keras_conversion.files import build_application, eager_keras
from keras_conversion.layers import find_application
from keras_conversion.weights import add_exactly, layers_by_name, reverse_first_kernel
from nets.nets_factory import get_network_fn
from nets.networks import find_network
from system.errors import BadInput
from system.files import atomic_write

# The largest difference of log-probabilities, relative to the largest, that rounding explains:
# float32 epsilon (1.2e-7) times 800, more layers than the deepest network has.
_TOLERANCE = 1e-4
_MIN_PROBABILITY = 1e-30  # logarithms of smaller probabilities are not compared


def to_keras(model_name, values, image_size=None, classifier_activation="softmax"):
    """Builds a Keras model that computes what the slim network computes in evaluation mode.

    It is the network of keras.applications with slim's padding, and consists of Keras's own layers:
    `keras.models.load_model` loads it without this project.

    Args:
      model_name: a key of `layers.APPLICATIONS`.
      values: a dict from the name of a variable (without `:0`) to a float array, at least for the
        network without its auxiliary head; other entries are ignored.
      image_size: height and width of the model's images in pixels; by default as published.
      classifier_activation: `softmax` for probabilities, None for logits.

    Returns:
      A keras.Model from float [batch, image_size, image_size, channels] to float [batch, classes].
      The images are preprocessed as for the slim network, but in BGR for ResNet V1 and VGG. Call
      and save the model in `eager_keras()`.

    Raises:
      BadInput: keras.applications has no such network, it does not accept images of that size, or
        a value is missing or has another shape.
    """
    application = find_application(model_name)
    layers = list(application.layers())
    missing = [name for layer in layers for name in layer.variables if name not in values]
    if missing:
        raise BadInput(
            f"{len(missing)} variables of {model_name} are missing, such as {missing[0]}; give a "
            f"checkpoint of {model_name}"
        )
    size = image_size or find_network(model_name).image_size
    smallest, largest = application.smallest_image_size, application.largest_image_size
    if size < smallest or (largest and size > largest):
        expected = f"{smallest} to {largest}" if largest else f"at least {smallest}"
        raise BadInput(
            f"--image_size: {application.function} in Keras takes images of {expected} px, got "
            f"{size}"
        )
    if application.is_bgr:
        values = dict(values)
        reverse_first_kernel(application, values)
    channels = values[layers[0].variables[0]].shape[2]
    num_classes = values[layers[-1].variables[0]].shape[-1]
    with eager_keras():
        model = build_application(model_name, num_classes, size, channels, classifier_activation)
        model = pad_like_slim(model_name, model)
        by_name = layers_by_name(model)
        for layer in layers:
            _set_weights(application, values, layer, by_name[layer.name])
    return model


def pad_like_slim(model_name, model):
    """Returns a network of keras.applications that pads and averages as slim does.

    Args:
      model_name: a key of `layers.APPLICATIONS`.
      model: the Keras model of it.

    Returns:
      A copy of `model` with random weights, or `model` itself if Keras pads as slim does.
    """
    application = find_application(model_name)
    if not (application.zero_padding or application.last_window):
        return model
    with eager_keras():
        clone_layer = partial(_clone_layer_like_slim, application)
        return keras.models.clone_model(model, clone_function=clone_layer)


def _clone_layer_like_slim(application, layer):
    config = layer.get_config()
    if layer.name.startswith(application.zero_padding):
        return keras.layers.Identity(name=layer.name)
    if layer.name.startswith(application.same_padding) and "padding" in config:  # no batch norm
        config["padding"] = "same"
    if layer.name == "avg_pool" and application.last_window:
        window = min(application.last_window, layer.input.shape[1])
        pooling = keras.layers.AveragePooling2D(window, strides=2)
        return keras.Sequential([pooling, keras.layers.GlobalAveragePooling2D()], name=layer.name)
    return type(layer).from_config(config)


def _set_weights(application, values, layer, keras_layer):
    """Sets the weights of a Keras layer to slim's `values`."""
    first, *others = (values[name] for name in layer.variables)
    if layer.window:
        first = first.reshape(-1, first.shape[-1])
    if layer.folded_bias:
        others = [np.zeros(first.shape[-1], np.float32)]
    epsilon = getattr(keras_layer, "epsilon", None)
    if epsilon is not None:
        others[-1] = add_exactly(others[-1], application.epsilon - epsilon)
    arrays = [first, *others]
    for name, array, weight in zip(layer.variables, arrays, keras_layer.weights):
        if array.shape != tuple(weight.shape):
            raise BadInput(
                f"{name} has shape {list(values[name].shape)}, unlike in {application.function} of "
                "Keras; give the --model_name that it was saved from"
            )
    keras_layer.set_weights(arrays)


def save_keras_model(model_name, values, output, image_size=None):
    """Writes the Keras model of `to_keras`, after comparing the loaded file with slim's network.

    Args:
      model_name: as for `to_keras`.
      values: as for `to_keras`.
      output: the `.keras` file to write; it appears complete or not at all.
      image_size: as for `to_keras`.

    Returns:
      The largest difference of two log-probabilities on a few random images, relative to the
      largest of them.

    Raises:
      BadInput: as `to_keras`; the file cannot be written; or the two networks differ.
    """
    model = to_keras(model_name, values, image_size)
    limit = 128 if find_network(model_name).preprocessing == "vgg" else 1
    shape = (4, *model.input_shape[1:])
    images = np.random.RandomState(0).uniform(-limit, limit, shape).astype(np.float32)
    expected = _log(_slim_probabilities(model_name, values, images, model.output_shape[-1]))
    if find_application(model_name).is_bgr:
        images = images[..., ::-1]
    with (
        atomic_write(output) as partial_file,
        tempfile.TemporaryDirectory(dir=partial_file.parent) as folder,
        eager_keras(),
    ):
        written = Path(folder, "model.keras")
        model.save(written)
        loaded = keras.models.load_model(written, compile=False)
        differences = np.abs(_log(np.asarray(loaded(images, training=False))) - expected)
        difference = float(differences.max() / np.abs(expected).max())
        if not difference <= _TOLERANCE:  # also true for NaN
            raise BadInput(
                f"{output} was not written: its log-probabilities differ from those of "
                f"{model_name} by {difference:.0e} of the largest; check that every value in the "
                "checkpoint is finite"
            )
        written.replace(partial_file)
    return difference


def _log(probabilities):
    return np.log(np.maximum(probabilities, _MIN_PROBABILITY))


def _slim_probabilities(model_name, values, images, num_classes):
    """Returns the slim network's probabilities for `images`, float32 [batch, num_classes]."""
    # On the CPU, because a GPU may compute in TF32.
    with tf.Graph().as_default(), tf.device("CPU:0"), tf.Session() as session:
        _, end_points = get_network_fn(model_name, num_classes)(tf.constant(images))
        variables = slim.get_model_variables()
        session.run(
            [variable.initializer for variable in variables],
            {variable.initializer.inputs[1]: values[variable.op.name] for variable in variables},
        )
        return session.run(end_points["Predictions"])
