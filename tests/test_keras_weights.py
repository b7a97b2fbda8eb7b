import importlib
import subprocess
import sys

import golden_fill
import numpy as np
import pytest
from random_keras import (
    SMALL,
    SlimNetwork,
    assert_close,
    assert_same,
    check_from_keras,
    check_to_keras,
    large,
    random_model,
    run_keras,
    small,
)

from keras_conversion.files import eager_keras
from keras_conversion.weights import read_keras_weights
from slim_on_tf2 import tf
from system.errors import BadInput

# One network per family, at an image size at which Keras pads as slim does. The two whose graphs
# take longest to build, Inception-ResNet-V2 and NASNet, are in test_keras_models.py.
BOTH_WAYS = [
    ("inception_v3", 75),
    (SMALL, 64),
    ("mobilenet_v2_035", 50),
    ("resnet_v2_50", 65),
]
BOTH_WAYS_LARGE = [
    ("nasnet_mobile", 64),
    ("nasnet_large", 64),
    ("inception_resnet_v2", 75),
    ("mobilenet_v1", 96),
    ("mobilenet_v1_075", 32),
    ("mobilenet_v1_050", 32),
    ("mobilenet_v2", 97),
    ("mobilenet_v2_140", 32),
    ("mobilenet_v2_130", 32),
    ("mobilenet_v2_075", 32),
    ("mobilenet_v2_050", 32),
    ("resnet_v1_101", 33),
    ("resnet_v1_152", 33),
    ("resnet_v2_101", 33),
    ("resnet_v2_152", 33),
    ("vgg_16", 224),
    ("vgg_19", 255),
]


@pytest.mark.parametrize(("name", "size"), BOTH_WAYS + large(BOTH_WAYS_LARGE))
def test_slim_and_keras_compute_the_same(name, size):
    network = SlimNetwork(name, size)
    check_from_keras(network)
    check_to_keras(network)


def test_moving_means_absorb_the_biases_before_batch_norm():
    check_from_keras(SlimNetwork("resnet_v1_50", 65))


def test_vgg_without_head():
    model = random_model("vgg_16", num_classes=None, size=224)
    values = read_keras_weights(model, "vgg_16")
    assert len(values) == 2 * 13
    images = golden_fill.images(224)
    grid = SlimNetwork("vgg_16", 224).run(values, images, "vgg_16/pool5")
    assert_close(grid, run_keras(model, "vgg_16", images))


def test_custom_head_is_left_out():
    body = random_model("vgg_16", num_classes=None)
    with eager_keras() as keras:
        head = [
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dense(8, name="fc1"),
            keras.layers.Dense(8, name="fc2"),
            keras.layers.Dense(3, name="predictions"),
        ]
        model = keras.Sequential([body, *head])
    assert_same(read_keras_weights(model, "vgg_16"), read_keras_weights(body, "vgg_16"))


def test_custom_epsilon_is_added_to_the_variance():
    model, expected = small()
    with eager_keras() as keras:
        other = keras.models.clone_model(model)
        other.set_weights(model.get_weights())
        other.get_layer("conv1_bn").epsilon = 0.1
    values = read_keras_weights(other, SMALL)
    name = "MobilenetV1/Conv2d_0/BatchNorm/moving_variance"
    np.testing.assert_allclose(values[name], expected[name] + 0.1 - 0.001, rtol=1e-6)


def test_model_of_another_network_is_refused_with_its_name():
    with pytest.raises(BadInput, match="does not fit resnet_v1_50: .* those of mobilenet_v1_025"):
        read_keras_weights(small()[0], "resnet_v1_50")
    with pytest.raises(BadInput, match="does not fit mobilenet_v1: .* those of mobilenet_v1_025"):
        read_keras_weights(small()[0], "mobilenet_v1")


def test_source_must_be_a_path_or_a_model():
    with pytest.raises(BadInput, match="expected a path or a Keras model, got a dict"):
        read_keras_weights({}, SMALL)


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
def test_model_built_in_graph_mode_is_refused(package):
    applications = importlib.import_module(package).applications
    model = applications.MobileNet((32, 32, 3), 0.25, weights=None, classes=2)
    with pytest.raises(BadInput, match="built while eager mode was off"):
        read_keras_weights(model, SMALL)


@pytest.mark.large
def test_reads_a_model_from_before_eager_mode_was_turned_off():
    code = (
        "import keras; m = keras.applications.MobileNet((32, 32, 3), 0.25, weights=None);"
        "kernel = m.layers[1].kernel.numpy();"
        "import slim_on_tf2; from keras_conversion.weights import read_keras_weights;"
        "values = read_keras_weights(m, 'mobilenet_v1_025');"
        "print((values['MobilenetV1/Conv2d_0/weights'] == kernel).all())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout == "True\n", found.stderr


def test_graph_mode_is_restored():
    assert not tf.executing_eagerly()
    assert tf.global_variables() == []
    read_keras_weights(small()[0], SMALL)
    assert not tf.executing_eagerly()
    assert tf.global_variables() == []
