"""Networks with random weights in slim and Keras, and their comparison."""

import functools
import zlib

import golden_fill
import golden_nets
import numpy as np
import pytest
from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig

from keras_conversion.files import eager_keras
from keras_conversion.layers import APPLICATIONS
from keras_conversion.models import pad_like_slim, to_keras
from keras_conversion.weights import read_keras_weights
from nets import nets_factory
from slim_on_tf2 import slim, tf

CLASSES = 5  # as in the golden files
SMALL = "mobilenet_v1_025"

# float32 epsilon times 500, more layers than any path through NASNet has: the rounding error of a
# network's output relative to the largest.
ROUNDING = 500 * 2.0**-23


def large(cases):
    """Marks cases, tuples of a test's parameters, for `make test-nets`."""
    return [pytest.param(*case, marks=pytest.mark.large) for case in cases]


class SlimNetwork:
    """A slim network in evaluation mode, for one image size."""

    def __init__(self, name, size):
        self.name, self.size = name, size
        with tf.Graph().as_default() as graph:
            self.images = tf.placeholder(tf.float32, [None, size, size, 3])
            _, self.end_points = nets_factory.get_network_fn(name, CLASSES)(self.images)
            self.variables = slim.get_model_variables()
        # Optimizing the graph takes longer than the few runs.
        not_optimized = tf.GraphOptions(rewrite_options=RewriterConfig(disable_meta_optimizer=True))
        self.session = tf.Session(graph=graph, config=tf.ConfigProto(graph_options=not_optimized))

    def run(self, values, images, end_point="Logits"):
        """Runs the network; `values` needs only the variables that `end_point` depends on."""
        variables = [v for v in self.variables if v.op.name in values]
        feeds = {v.initializer.inputs[1]: values[v.op.name] for v in variables}
        self.session.run([v.initializer for v in variables], feeds)
        return self.session.run(self.end_points[end_point], {self.images: images})


def random_model(name, num_classes=CLASSES, size=None):
    """Builds a network of keras.applications with random weights, which returns logits."""
    application = APPLICATIONS[name]
    size = size or application.smallest_image_size
    head = {"classes": num_classes, "classifier_activation": None} if num_classes else {}
    with eager_keras() as keras:
        model = getattr(keras.applications, application.function)(
            weights=None,
            include_top=num_classes is not None,
            input_shape=(size, size, 3),
            **head,
            **application.options,
        )
        randomize(model)
    return model


def randomize(model):
    """Sets each weight of a Keras model to a random value."""
    for number, layer in enumerate(model.layers):
        layer.set_weights(
            [
                random_value(f"{number}/{weight.name.partition(':')[0]}", tuple(weight.shape))
                for weight in layer.weights
            ]
        )


def random_value(name, shape):
    """Returns a float32 array; `name` ends like the name of the weight in Keras and slim."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith(("gamma", "moving_variance")):
        return rng.uniform(0.7, 1.3, shape).astype(np.float32)
    if len(shape) < 2:
        return 0.1 * rng.standard_normal(shape, np.float32)
    is_depthwise = shape[-1] == 1
    fan_in = np.prod(shape[:2] if is_depthwise else shape[:-1])
    return rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / fan_in))


@functools.cache
def small():
    """Returns a Keras model of `SMALL` and its weights for slim; do not change them."""
    model = random_model(SMALL)
    return model, read_keras_weights(model, SMALL)


def small_values():
    """Returns a value for each variable of the small slim network."""
    variables = golden_nets.read(SMALL)["variables"]
    return {name: random_value(name, shape) for name, shape, _ in variables}


def run_keras(model, name, images):
    """Runs a Keras model of the network `name` on RGB images."""
    if name.startswith(("resnet_v1", "vgg")):
        images = images[..., ::-1]
    with eager_keras():
        return np.array(model(images, training=False))


def assert_close(actual, expected):
    """Checks equality up to rounding, and that the output depends on the images."""
    assert np.abs(expected[0] - expected[1]).max() > 0.003 * np.abs(expected).max()
    np.testing.assert_allclose(actual, expected, rtol=0, atol=ROUNDING * np.abs(expected).max())


def assert_same(actual, expected):
    """Checks equal names and values, up to the rounding of a variance plus an epsilon."""
    np.testing.assert_equal(sorted(actual), sorted(expected))
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, rtol=1e-6, atol=1e-8, err_msg=name)
        assert actual[name].dtype == np.float32, name


def check_from_keras(network):
    """Checks that a `SlimNetwork` with Keras's weights computes what Keras computes."""
    model = random_model(network.name, size=network.size)
    if network.name.startswith("resnet_v2"):
        with eager_keras():  # positive before pooling, so that Keras's zero padding has no effect
            model.get_layer("conv1_conv").bias.assign(np.full(64, 10, np.float32))
    values = read_keras_weights(model, network.name)
    if network.name.startswith("nasnet"):  # where zero padding has an effect at every size
        padded = pad_like_slim(network.name, model)
        with eager_keras():
            padded.set_weights(model.get_weights())
        model = padded
    images = golden_fill.images(network.size)
    assert_close(network.run(values, images), run_keras(model, network.name, images))


def check_to_keras(network):
    """Checks that the Keras model of a `SlimNetwork` computes the same, with the same weights."""
    values = {v.op.name: random_value(v.op.name, v.shape.as_list()) for v in network.variables}
    images = golden_fill.images(network.size)
    model = to_keras(network.name, values, network.size, classifier_activation=None)
    assert_close(run_keras(model, network.name, images), network.run(values, images))
    assert_same(read_keras_weights(model, network.name), values)
