"""A trained slim network as a Keras model.

    model = keras_models.to_keras("resnet_v1_50", values)  # values: slim's name -> array

    python -m nets.keras_models --model_name inception_v3 \\
        --checkpoint_path runs/flowers/best/model.ckpt-1000 --output flowers.keras

The model is that of keras.applications, with the differences taken out that `nets.keras_weights`
tells of; what it gives is compared with the slim network before it is written.
"""

import json
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from bad_input import BadInput
from files import written_aside
from flags import Parser, one_of, path, run, whole_number
from nets.checkpoint_files import check_whole, checkpoint_at, read_checkpoint
from nets.factory import find_network, get_network_fn
from nets.keras_files import build, eager_keras
from nets.keras_layers import APPLICATIONS, find_application
from nets.keras_weights import layers_by_name, shift, turn_colours

_MOST_APART = 1e-4  # the largest difference, of the largest figure, that rounding explains
_LEAST = 1e-30  # the least probability whose logarithm is compared; float32 ends at 1e-38


def to_keras(model_name, values, image_size=None, classifier_activation="softmax"):
    """A Keras model that computes what the slim network computes in evaluation.

    It is the network of keras.applications with the paddings of slim, made of Keras's own layers:
    `keras.models.load_model` needs nothing of this project to load it.

    Args:
      model_name: a key of `keras_layers.APPLICATIONS`.
      values: a dict from the name of a variable (without `:0`) to a float array, at least the
        network's without its auxiliary head; others are left alone.
      image_size: the side of the images that the model takes, in pixels; by default the size that
        the network was published for.
      classifier_activation: `softmax` for probabilities, None for logits.

    Returns:
      A keras.Model of float [batch, image_size, image_size, channels], preprocessed as for the slim
      network, but in BGR for ResNet V1 and VGG, to float [batch, classes]. While eager mode is off,
      call and save it in `eager_keras()`.

    Raises:
      BadInput: there is no such network in keras.applications, it takes no such images, or a value
        is missing or of another shape.
    """
    application = find_application(model_name)
    layers = list(application.layers())
    _check_complete(model_name, layers, values)
    size = image_size or find_network(model_name).image_size
    _check_image_size(application, size)
    if application.is_bgr:
        values = dict(values)
        turn_colours(application, values)
    channels = values[layers[0].variables[0]].shape[2]
    num_classes = values[layers[-1].variables[0]].shape[-1]
    with eager_keras() as keras:
        model = build(keras, model_name, num_classes, size, channels, classifier_activation)
        model = padded_like_slim(model_name, model)
        by_name = layers_by_name(model)
        for layer in layers:
            _set_weights(application, values, layer, by_name[layer.name])
    return model


def _check_complete(model_name, layers, values):
    """Raises BadInput where `values` lacks a variable of `layers`."""
    missing = [name for layer in layers for name in layer.variables if name not in values]
    if missing:
        raise BadInput(
            f"{len(missing)} variables of {model_name} are missing, such as {missing[0]}; give a "
            f"checkpoint of {model_name}"
        )


def _check_image_size(application, size):
    """Raises BadInput where Keras's network takes no images of `size` pixels a side."""
    smallest, largest = application.smallest_image_size, application.largest_image_size
    if size < smallest or size > (largest or size):
        expected = f"{smallest} to {largest}" if largest else f"at least {smallest}"
        raise BadInput(
            f"--image_size: {application.function} of Keras takes {expected} pixels a side, "
            f"got {size}"
        )


def padded_like_slim(model_name, model):
    """A network of keras.applications that pads and averages as slim does.

    Args:
      model_name: a key of `keras_layers.APPLICATIONS`.
      model: the Keras model of it.

    Returns:
      A copy of `model` with random weights, or `model` itself where the two sides pad alike.
    """
    application = find_application(model_name)
    if not (application.zero_padding or application.last_window):
        return model
    with eager_keras() as keras:
        like_slim = partial(_layer_like_slim, keras, application)
        return keras.models.clone_model(model, clone_function=like_slim)


def _layer_like_slim(keras, application, layer):
    """A new layer in the place of `layer`, of the same name."""
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
    """Sets the weights of `keras_layer` to slim's `values`."""
    arrays = _as_keras(application, values, layer, getattr(keras_layer, "epsilon", None))
    for name, array, weight in zip(layer.variables, arrays, keras_layer.weights):
        if array.shape != tuple(weight.shape):
            raise BadInput(
                f"{name} has shape {list(values[name].shape)}, which is not that of "
                f"{application.function} of Keras; give --model_name the network it is of"
            )
    keras_layer.set_weights(arrays)


def _as_keras(application, values, layer, epsilon):
    """The arrays of a Keras `layer`, whose batch norm adds `epsilon`, of slim's `values`."""
    first, *others = (values[name] for name in layer.variables)
    if layer.window:
        first = first.reshape(-1, first.shape[-1])
    if layer.folded_bias:
        others = [np.zeros(first.shape[-1], np.float32)]
    if epsilon is not None:
        others[-1] = shift(others[-1], application.epsilon - epsilon)
    return [first, *others]


def save(model_name, values, output, image_size=None):
    """Writes the Keras model of `to_keras`, after it was loaded and compared with slim's network.

    Args:
      model_name: see `to_keras`.
      values: see `to_keras`.
      output: the `.keras` file to write; it is there whole or not at all.
      image_size: see `to_keras`.

    Returns:
      The largest difference of the logarithms of two probabilities on a few random images, as a
      share of the largest of them.

    Raises:
      BadInput: as `to_keras`; the file cannot be written; or the two networks differ.
    """
    model = to_keras(model_name, values, image_size)
    images = _random_images(model_name, model.input_shape)
    expected = _log(_slim_probabilities(model_name, values, images, model.output_shape[-1]))
    if find_application(model_name).is_bgr:
        images = images[..., ::-1]
    with (
        written_aside(output) as aside,
        tempfile.TemporaryDirectory(dir=aside.parent) as folder,
        eager_keras() as keras,
    ):
        written = Path(folder, "model.keras")
        model.save(written)
        loaded = keras.models.load_model(written, compile=False)
        apart = np.abs(_log(np.asarray(loaded(images, training=False))) - expected)
        difference = float(apart.max() / np.abs(expected).max())
        if not difference <= _MOST_APART:  # NaN is no better
            raise BadInput(
                f"{output} was not written: its log probabilities differ from {model_name}'s by "
                f"{difference:.0e} of the largest; is each number of the checkpoint finite?"
            )
        written.replace(aside)
    return difference


def _log(probabilities):
    return np.log(np.maximum(probabilities, _LEAST))


def _random_images(model_name, input_shape):
    """float32 [4, size, size, channels], in the range of photos preprocessed for the network."""
    most = 128 if find_network(model_name).preprocessing == "vgg" else 1
    shape = (4, *input_shape[1:])
    return np.random.RandomState(0).uniform(-most, most, shape).astype(np.float32)


def _slim_probabilities(model_name, values, images, num_classes):
    """float32 [batch, num_classes]: what the slim network makes of `images` in evaluation."""
    from slim_on_tf2 import slim, tf

    # A GPU rounds to fewer digits; what is compared here is the weights' way over.
    with tf.Graph().as_default(), tf.device("CPU:0"), tf.Session() as session:
        network_fn = get_network_fn(model_name, num_classes)
        _, end_points = network_fn(tf.constant(images))
        variables = slim.get_model_variables()
        session.run(
            [variable.initializer for variable in variables],
            {variable.initializer.inputs[1]: values[variable.op.name] for variable in variables},
        )
        return session.run(end_points["Predictions"])


def _read_checkpoint(checkpoint, model_name):
    """The variables of `model_name` in a TensorFlow checkpoint, as far as it has them."""
    from slim_on_tf2 import tf, without_start_up_chatter

    with without_start_up_chatter():
        tf.config.list_physical_devices()  # which wakes the GPU's driver, who may have much to say
    check_whole(checkpoint)
    reader = read_checkpoint(checkpoint)
    names = [name for layer in find_application(model_name).layers() for name in layer.variables]
    return {name: reader.get_tensor(name) for name in names if reader.has_tensor(name)}


def parse_flags(argv=None):
    """The flags, each checked.

    Raises:
      BadInput: one but --image_size is missing, or --output ends otherwise than in `.keras`.
    """
    parser = Parser("Writes a trained slim network as a Keras model.")
    flag = parser.flag
    flag("model_name", "NAME", one_of(tuple(APPLICATIONS)), None, "the network of the checkpoint")
    flag("checkpoint_path", "PATH", path, None, "TensorFlow checkpoint: file, prefix or folder")
    flag("output", "FILE", path, None, "the Keras model to write; its name ends in .keras")
    flag("image_size", "PX", whole_number(1), None, "side of its images (default as published)")
    flags = parser.parse_args(argv)
    if None in (flags.model_name, flags.checkpoint_path, flags.output):
        raise BadInput(
            "--model_name, --checkpoint_path and --output are needed, such as --model_name "
            "inception_v3 --checkpoint_path log_dir/model.ckpt-1000 --output flowers.keras"
        )
    if Path(flags.output).suffix != ".keras":
        raise BadInput(f"--output: expected a name that ends in .keras, got {flags.output!r}")
    return flags


def main(argv=None):
    """Converts, compares and says how far the two are apart; the last line is JSON."""
    flags = parse_flags(argv)
    checkpoint = checkpoint_at(flags.checkpoint_path)
    values = _read_checkpoint(checkpoint, flags.model_name)
    difference = save(flags.model_name, values, flags.output, flags.image_size)
    print(
        f"Wrote {flags.output}: its log probabilities differ from {flags.model_name}'s by at most "
        f"{difference:.0e} of the largest"
    )
    size = flags.image_size or find_network(flags.model_name).image_size
    takes_bgr = find_application(flags.model_name).is_bgr
    colours = "BGR less ImageNet's mean" if takes_bgr else "RGB in [-1, 1]"
    print(
        f"It takes float images of {size} px, as preprocessed in training (published: {colours}), "
        "and gives a probability for each class, in the order of labels.txt"
    )
    result = {
        "output": flags.output,
        "model_name": flags.model_name,
        "checkpoint": checkpoint,
        "largest_difference": difference,
    }
    print("\n" + json.dumps(result))
    return 0


if __name__ == "__main__":
    run(main)
