"""Reads weights of keras.applications for slim's networks.

    values = read_keras_weights("resnet50.weights.h5", "resnet_v1_50")  # slim's name -> array

Both sides compute the same, with these differences:

- Keras trained ResNet V1 and VGG on BGR images. The first kernel is reversed, so that slim's takes
  RGB. The Keras model that `models.to_keras` builds takes BGR, as
  `keras.applications.resnet.preprocess_input` produces it. The other networks take RGB in [-1, 1].
- In Keras, ResNet V1 has biases before batch norm, which are subtracted from the moving means; and
  both ResNets add 1.001e-5 to the variances, slim adds 1e-5.
- Keras pads with zeros before some strided layers where slim uses SAME padding. In the ResNets
  (first pooling) and in MobileNet V1 the two grids are shifted by one pixel at some image sizes;
  they agree if the layer's input is odd (ResNet: 225 px) or even (MobileNet: 224 px). In ResNet V2
  and NASNet, zeros before pooling also matter because activations may be negative. slim pads in its
  own way, so NASNet's logits differ from Keras's: with random weights by 0.8 % of the largest at
  224 px, and by 12 % at 64 px. `models.to_keras` changes the padding of the Keras model.
"""

import re
from pathlib import Path

import numpy as np

from keras_conversion.files import eager_keras, load_keras_model, wrong_network
from keras_conversion.layers import find_application, identify_application
from slim_on_tf2 import tf
from system.errors import BadInput


def read_keras_weights(source, model_name):
    """Reads the weights of a Keras file or model for a slim network.

    Args:
      source: the path of a `.keras`, `.weights.h5` or `.h5` file (weights as published by
        keras.applications, or a saved model), or a Keras model. The network may be a layer of it,
        as in a fine-tuned model.
      model_name: a key of `layers.APPLICATIONS`.

    Returns:
      A dict from the name of a variable (without `:0`) to a float32 array of slim's shape. It has
      no head if the source has none (`include_top=False`) or another one.

    Raises:
      BadInput: keras.applications has no such network; the file is broken or not a Keras file; the
        source is another network; or a model was built while eager mode was off.
    """
    application = find_application(model_name)
    with eager_keras():
        if isinstance(source, str | Path):
            label, model = str(source), load_keras_model(Path(source), model_name)
        elif hasattr(source, "layers"):
            label, model = f"the model {source.name}", source
        else:
            raise BadInput(
                f"source: expected a path or a Keras model, got a {type(source).__name__}"
            )
        weights = _read_layers(model, label)
    _check_network(model_name, application, weights, label)
    return _to_slim(application, weights)


def layers_by_name(model):
    """Returns name -> layer for the layers that have weights, including those of nested models.

    Layers that Keras numbered (`conv2d_203`) are renumbered from 0, in the order of their creation.
    """
    named, numbered = {}, {}
    for layer in _layers_with_weights(model):
        match = re.fullmatch(r"(conv2d|batch_normalization)(?:_(\d+))?", layer.name)
        if match:
            numbered.setdefault(match[1], {})[int(match[2] or 0)] = layer
        else:
            named.setdefault(layer.name, layer)
    for kind, by_number in numbered.items():
        for rank, number in enumerate(sorted(by_number)):
            named[f"{kind}_{rank}" if rank else kind] = by_number[number]
    return named


def _layers_with_weights(model):
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _layers_with_weights(layer)
        elif layer.weights:
            yield layer


def _read_layers(model, label):
    """Returns layer name -> its float32 arrays, and its epsilon (None unless it is batch norm)."""
    layers = layers_by_name(model)
    # A variable that was created in graph mode has no value of its own.
    if any(tf.is_symbolic_tensor(w.handle) for layer in layers.values() for w in layer.weights):
        raise BadInput(
            f"{label} was built while eager mode was off, so it has no weights; build or load it "
            "in keras_conversion.files.eager_keras(), or before slim_on_tf2 is imported"
        )
    return {
        name: (
            [np.asarray(array, np.float32) for array in layer.get_weights()],
            getattr(layer, "epsilon", None),
        )
        for name, layer in layers.items()
    }


def _check_network(model_name, application, weights, label):
    """Raises BadInput if `weights` are not those of the network `model_name`."""
    arrays = _arrays(application, weights, in_head=False)
    if arrays:
        kernel = arrays[0]  # the only array whose size depends on the images' channels
        extra_if_rgb = kernel.size * 3 // kernel.shape[2] - kernel.size
        if sum(array.size for array in arrays) + extra_if_rgb == application.parameters:
            return
    every = [array for layer_arrays, _ in weights.values() for array in layer_arrays]
    counts = len(every), sum(array.size for array in every)
    raise wrong_network(label, model_name, identify_application(*counts), *counts)


def _arrays(application, weights, in_head):
    """Returns the arrays of the body or of the head; none if any is missing."""
    layers = [layer for layer in application.layers() if layer.in_head == in_head]
    arrays = [array for layer in layers for array in weights.get(layer.name, ((), None))[0]]
    return arrays if len(arrays) == sum(layer.num_arrays for layer in layers) else []


def _to_slim(application, weights):
    """Converts the result of `_read_layers`; returns slim's name of a variable -> its value."""
    head_size = sum(array.size for array in _arrays(application, weights, in_head=True))
    classifier_size = head_size - application.head_parameters
    # Any number of classes; a head of another architecture is left out.
    has_head = classifier_size > 0 and classifier_size % (application.features + 1) == 0
    values, biases = {}, {}
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
            values[layer.variables[-1]] = add_exactly(others[-1], epsilon - application.epsilon)
    for moving_mean, bias in biases.items():
        values[moving_mean] = values[moving_mean] - bias
    if application.is_bgr:
        reverse_first_kernel(application, values)
    return values


def add_exactly(variance, difference):
    """Returns float32 `variance` plus a tiny difference, added in float64."""
    return (variance.astype(np.float64) + difference).astype(np.float32)


def reverse_first_kernel(application, values):
    """Converts the first kernel in the dict `values` from RGB to BGR, or back."""
    kernel = next(application.layers()).variables[0]
    values[kernel] = np.ascontiguousarray(values[kernel][:, :, ::-1])
