"""Networks with random weights on the sides of slim and Keras, and how the two are compared."""

import functools
import zlib

import golden_fill
import golden_nets
import numpy as np
import pytest
from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig

from nets import factory
from nets.keras_files import eager_keras
from nets.keras_layers import APPLICATIONS
from nets.keras_models import padded_like_slim, to_keras
from nets.keras_weights import read
from slim_on_tf2 import slim, tf

CLASSES = 5  # as in the golden files
SMALL = "mobilenet_v1_025"


def large(cases):
    """Cases, tuples of a test's parameters, for `make test-nets` alone."""
    return [pytest.param(*case, marks=pytest.mark.large) for case in cases]


class SlimNetwork:
    """A slim network in evaluation mode, at one size."""

    def __init__(self, name, size):
        self.name, self.size = name, size
        with tf.Graph().as_default() as graph:
            self.images = tf.placeholder(tf.float32, [None, size, size, 3])
            _, self.end_points = factory.get_network_fn(name, CLASSES)(self.images)
            self.variables = slim.get_model_variables()
        # To make the graph faster takes longer than the few times that it is run.
        as_it_is = tf.GraphOptions(rewrite_options=RewriterConfig(disable_meta_optimizer=True))
        self.session = tf.Session(graph=graph, config=tf.ConfigProto(graph_options=as_it_is))

    def run(self, values, images, end_point="Logits"):
        """What the network computes with `values`, of which it needs those of `end_point`."""
        variables = [v for v in self.variables if v.op.name in values]
        feeds = {v.initializer.inputs[1]: values[v.op.name] for v in variables}
        self.session.run([v.initializer for v in variables], feeds)
        return self.session.run(self.end_points[end_point], {self.images: images})


def random_model(name, num_classes=CLASSES, size=None):
    """A network of keras.applications that gives logits, or features; all its weights random."""
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
    """Gives each weight of a Keras model a random value."""
    for number, layer in enumerate(model.layers):
        layer.set_weights(
            [
                random_value(f"{number}/{weight.name.partition(':')[0]}", tuple(weight.shape))
                for weight in layer.weights
            ]
        )


def random_value(name, shape):
    """float32 value for a weight whose name ends as Keras and slim both call it."""
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
    """A Keras model of `SMALL` and what is to be read of it; no test may change the two."""
    model = random_model(SMALL)
    return model, read(model, SMALL)


def small_values():
    """A value for each variable of the small slim network."""
    variables = golden_nets.read(SMALL)["variables"]
    return {name: random_value(name, shape) for name, shape, _ in variables}


def run_keras(model, name, images):
    """What a Keras model of the network `name` makes of RGB images."""
    if name.startswith(("resnet_v1", "vgg")):
        images = images[..., ::-1]
    with eager_keras():
        return np.array(model(images, training=False))


def assert_close(actual, expected):
    """Equal but for rounding, and of a network that looks at its images."""
    assert np.abs(expected[0] - expected[1]).max() > 0.003 * np.abs(expected).max()
    np.testing.assert_allclose(actual, expected, atol=2e-5 * np.abs(expected).max())


def assert_same(actual, expected):
    """Equal names, and values but for the rounding of a variance that has taken up an epsilon."""
    np.testing.assert_equal(sorted(actual), sorted(expected))
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, rtol=1e-6, atol=1e-8, err_msg=name)
        assert actual[name].dtype == np.float32, name


def check_from_keras(network):
    """`network`, a SlimNetwork, computes what Keras's computes whose weights it has."""
    model = random_model(network.name, size=network.size)
    if network.name.startswith("resnet_v2"):
        with eager_keras():  # positive before pooling, where Keras's zeros then do not count
            model.get_layer("conv1_conv").bias.assign(np.full(64, 10, np.float32))
    values = read(model, network.name)
    if network.name.startswith("nasnet"):  # where they count at any size
        padded = padded_like_slim(network.name, model)
        with eager_keras():
            padded.set_weights(model.get_weights())
        model = padded
    images = golden_fill.images(network.size)
    assert_close(network.run(values, images), run_keras(model, network.name, images))


def check_to_keras(network):
    """The Keras model made of `network`, a SlimNetwork, computes the same and holds the same."""
    values = {v.op.name: random_value(v.op.name, v.shape.as_list()) for v in network.variables}
    images = golden_fill.images(network.size)
    model = to_keras(network.name, values, network.size, classifier_activation=None)
    assert_close(run_keras(model, network.name, images), network.run(values, images))
    assert_same(read(model, network.name), values)
