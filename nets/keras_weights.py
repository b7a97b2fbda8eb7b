"""Weights of keras.applications for the slim networks.

    values = keras_weights.read("resnet50.weights.h5", "resnet_v1_50")  # slim's name -> array

The two sides compute the same, except for these differences, which the weights take up or which
`keras_models.to_keras` takes out of the Keras model:

- ResNet V1 and VGG were trained on BGR photos in Keras: their first kernel is turned around, so
  that slim's takes RGB. The Keras model that `to_keras` gives takes BGR, as
  `keras.applications.resnet.preprocess_input` makes it. The others take RGB in [-1, 1].
- ResNet V1 has biases before batch norm in Keras, which go into the moving means, and both
  ResNets have 1.001e-5 where slim adds 1e-5 to the variances.
- Keras pads with zeros before some strided layers where slim pads by "SAME". In the ResNets (before
  the first pooling) and MobileNet V1 the two shift the grid by a pixel against each other at some
  image sizes: they agree where the layer's grid is odd (ResNet: 225 px) and even (MobileNet: 224
  px). Before pooling, zeros count besides where activations may be negative: ResNet V2, NASNet.
  The weights load all the same, and are used as slim pads: NASNet, for one, gives other logits
  than Keras's (with random weights apart by 0.8 % of the largest at 224 px, by 12 % at 64 px).
"""

import re
from pathlib import Path

import numpy as np

from bad_input import BadInput
from nets.keras_files import eager_keras, load, wrong_network
from nets.keras_layers import find_application, identify


def read(source, model_name):
    """The weights of a Keras model or file as the slim network `model_name` has them.

    Args:
      source: the path of a `.keras`, `.weights.h5` or `.h5` file (weights, as keras.applications
        publishes them, or a whole model), or a Keras model. The network may be a layer of it, as
        in a model that was fine-tuned. Of a `.h5` file nothing but the weights is read.
      model_name: a key of `keras_layers.APPLICATIONS`.

    Returns:
      A dict from the name of a variable (without `:0`) to a float32 array of slim's shape. A source
      without a head (`include_top=False`), or with one of another making, gives none for slim's.

    Raises:
      BadInput: there is no such network in keras.applications; the file is broken or none of
        Keras's; the source is of another network; or a model has no values, because it was built
        while eager mode was off.
    """
    application = find_application(model_name)
    with eager_keras() as keras:
        if isinstance(source, str | Path):
            named, model = str(source), load(keras, Path(source), model_name)
        elif hasattr(source, "layers"):
            named, model = f"the model {source.name}", source
        else:
            raise BadInput(
                f"source: expected a path or a Keras model, got a {type(source).__name__}"
            )
        weights = _weights(model, named)
    _check_network(model_name, application, weights, named)
    return _as_slim(application, weights)


def _layers(model):
    """The layers of `model`, and of the models in it, that have weights."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _layers(layer)
        elif layer.weights:
            yield layer


def layers_by_name(model):
    """A Keras model's layers that have weights, by name, those of models inside it among them.

    Layers that Keras numbered (`conv2d_203`) are numbered anew, in the order of making.
    """
    named, numbered = {}, {}
    for layer in _layers(model):
        match = re.fullmatch(r"(conv2d|batch_normalization)(?:_(\d+))?", layer.name)
        if match:
            numbered.setdefault(match[1], {})[int(match[2] or 0)] = layer
        else:
            named.setdefault(layer.name, layer)
    for kind, by_number in numbered.items():
        for rank, number in enumerate(sorted(by_number)):
            named[f"{kind}_{rank}" if rank else kind] = by_number[number]
    return named


def _weights(model, named):
    """Layer's name -> its float32 arrays, and its epsilon, which is None but in batch norm."""
    layers = layers_by_name(model)
    if any(_is_of_graph_mode(weight) for layer in layers.values() for weight in layer.weights):
        raise BadInput(
            f"{named} was built while eager mode was off, so that it has no weights; build or load "
            "it in nets.keras_files.eager_keras(), or before slim_on_tf2 is imported"
        )
    return {
        name: (
            [np.asarray(array, np.float32) for array in layer.get_weights()],
            getattr(layer, "epsilon", None),
        )
        for name, layer in layers.items()
    }


def _is_of_graph_mode(weight):
    """Whether a weight of Keras 3 or 2 is a variable of a graph, which has no value by itself."""
    import tensorflow as tf

    variable = weight if isinstance(weight, tf.Variable) else weight.value
    return tf.is_symbolic_tensor(variable.handle)


def _check_network(model_name, application, weights, named):
    """Raises BadInput where `weights` are not those of the network `model_name`."""
    arrays = _arrays(application, weights, in_head=False)
    if arrays:
        first = arrays[0]  # the one array that depends on the channels of the images
        of_colour = first.size * 3 // first.shape[2] - first.size
        if sum(array.size for array in arrays) + of_colour == application.parameters:
            return
    every = [array for layer_arrays, _ in weights.values() for array in layer_arrays]
    counts = len(every), sum(array.size for array in every)
    raise wrong_network(named, model_name, identify(*counts), *counts)


def _arrays(application, weights, in_head):
    """The arrays of the body or of the head; none where not all are there."""
    layers = [layer for layer in application.layers() if layer.in_head == in_head]
    arrays = [array for layer in layers for array in weights.get(layer.name, ((), None))[0]]
    expected = sum(len(layer.variables) + bool(layer.folded_bias) for layer in layers)
    return arrays if len(arrays) == expected else []


def _has_head(application, weights):
    """Whether the head is that of keras.applications, for any number of classes."""
    arrays = _arrays(application, weights, in_head=True)
    classifier = sum(array.size for array in arrays) - application.head_parameters
    return classifier > 0 and classifier % (application.features + 1) == 0


def _as_slim(application, weights):
    """slim's name of a variable -> its value, of weights as `_weights` gives them."""
    values, biases = {}, {}
    has_head = _has_head(application, weights)
    for layer in application.layers():
        if layer.in_head and not has_head:
            continue
        (first, *others), epsilon = weights[layer.name]
        if layer.window:
            first = first.reshape(layer.window, layer.window, -1, first.shape[-1])
        values.update(zip(layer.variables, [first, *others]))
        if layer.folded_bias:
            biases[layer.folded_bias] = others[0]
        if epsilon is not None:
            values[layer.variables[-1]] = shift(others[-1], epsilon - application.epsilon)
    for moving_mean, bias in biases.items():
        values[moving_mean] = values[moving_mean] - bias
    if application.is_bgr:
        turn_colours(application, values)
    return values


def shift(variance, by):
    """float32 `variance` plus a number so small that the sum is made in float64."""
    return (variance.astype(np.float64) + by).astype(np.float32)


def turn_colours(application, values):
    """Turns the first kernel in `values`, a dict, from RGB to BGR or back."""
    kernel = next(application.layers()).variables[0]
    values[kernel] = np.ascontiguousarray(values[kernel][:, :, ::-1])
