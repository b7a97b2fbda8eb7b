import json
import os
import subprocess
import sys

import golden_nets
import numpy as np
import pytest

from nets import mobilenet_v2, mobilenet_v3
from nets.dropout import dropout
from nets.inverted_residual import add_logits, build_layers, inverted_residual, scaled_depth
from slim_on_tf2 import slim, tf

# Networks without golden figures -> (function, arguments) in keras.applications, an independent
# implementation.
KERAS_NETWORKS = {
    "mobilenet_v2_130": ("MobileNetV2", {"alpha": 1.3}),
    "mobilenet_v2_075": ("MobileNetV2", {"alpha": 0.75}),
    "mobilenet_v2_050": ("MobileNetV2", {"alpha": 0.5}),
    "mobilenet_v3_large_075": ("MobileNetV3Large", {"alpha": 0.75}),
    "mobilenet_v3_small_075": ("MobileNetV3Small", {"alpha": 0.75}),
    "mobilenet_v3_large_minimalistic_075": (
        "MobileNetV3Large",
        {"alpha": 0.75, "minimalistic": True},
    ),
    "mobilenet_v3_small_minimalistic_075": (
        "MobileNetV3Small",
        {"alpha": 0.75, "minimalistic": True},
    ),
}
PRINT_SHAPES = """
import json, sys
from keras import applications

shapes = {}
for name, (function, options) in json.loads(sys.argv[1]).items():
    weights = getattr(applications, function)(weights=None, classes=7, **options).weights
    shapes[name] = [list(weight.shape) for weight in weights if weight.name == "kernel"]
print(json.dumps(shapes))
"""


@pytest.fixture(scope="module")
def kernels_in_keras():
    """Network -> shapes of Keras's kernels, in order; from a process in eager mode."""
    command = [sys.executable, "-c", PRINT_SHAPES, json.dumps(KERAS_NETWORKS)]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", KERAS_NETWORKS)
def test_kernels_of_other_widths_equal_those_of_keras(kernels_in_keras, name):
    family = mobilenet_v2 if name.startswith("mobilenet_v2") else mobilenet_v3
    getattr(family, name)(tf.zeros([1, 224, 224, 3]), 7, is_training=False)
    kernels = [v.shape.as_list() for v in slim.get_model_variables() if v.shape.rank > 1]
    # In Keras, the classifier of MobileNet V2 is a dense layer, without the 1x1 of a convolution.
    in_keras = kernels_in_keras[name]
    assert [_without_ones(shape) for shape in kernels] == [
        _without_ones(shape) for shape in in_keras
    ]


def _without_ones(shape):
    return [side for side in shape if side > 1]


@pytest.mark.parametrize(
    ("depth", "depth_multiplier", "scaled"),
    [
        (32, 1, 32),
        (16, 0.75, 16),  # 12: half rounds up
        (64, 1.4, 88),  # 89.6
        (24, 0.75, 24),  # 18: 16 is more than 10 % too small
        (160, 0.35, 56),  # 56
        (64, 0.85, 56),  # 54.4
        (16, 0.35, 8),  # 5.6
        (16, 0.01, 8),  # 0.16: at least 8
    ],
)
def test_scaled_depth_is_rounded_to_multiple_of_8(depth, depth_multiplier, scaled):
    assert scaled_depth(depth, depth_multiplier) == scaled


@pytest.mark.parametrize("depth_multiplier", [0, -0.5])
def test_depth_multiplier_must_be_positive(depth_multiplier):
    with pytest.raises(ValueError, match="depth_multiplier: expected a positive number"):
        scaled_depth(32, depth_multiplier)


@pytest.mark.parametrize(
    ("depth", "stride", "is_added"), [(16, 1, True), (24, 1, False), (16, 2, False)]
)
def test_input_is_added_if_shapes_match(depth, stride, is_added):
    net = np.random.RandomState(0).normal(size=[2, 5, 7, 16]).astype(np.float32)
    convolutions = [slim.conv2d, slim.separable_conv2d]
    with slim.arg_scope(convolutions, weights_initializer=tf.zeros_initializer()):
        result, outputs = inverted_residual(tf.constant(net), depth, 64, stride=stride)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        value = session.run(result)
    grid = (5, 7) if stride == 1 else (3, 4)
    np.testing.assert_array_equal(value, net if is_added else np.zeros([2, *grid, depth]))
    assert list(outputs) == ["expansion_output", "depthwise_output", "output"]
    assert outputs["expansion_output"].shape == [2, 5, 7, 64]
    assert outputs["depthwise_output"].shape == [2, *grid, 64]


def test_block_in_numpy():
    """With a 1x1 kernel, all three convolutions are matrix products."""
    net = np.random.RandomState(0).normal(size=[2, 5, 7, 8]).astype(np.float32)
    result, _ = inverted_residual(
        tf.constant(net), 8, 24, kernel_size=1, excite=lambda inner: 2 * inner, scope="block"
    )
    with tf.Session() as session:
        golden_nets.fill(session)
        value = session.run(result)
        weight = {v.op.name: session.run(v) for v in slim.get_model_variables()}

    expected = net @ weight["block/expand/weights"][0, 0] + weight["block/expand/biases"]
    expected = np.maximum(expected, 0) * weight["block/depthwise/depthwise_weights"][0, 0, :, 0]
    expected = 2 * np.maximum(expected + weight["block/depthwise/biases"], 0)
    expected = expected @ weight["block/project/weights"][0, 0] + weight["block/project/biases"]
    golden_nets.check_logits(value, expected + net)


def test_block_without_expansion_has_no_expansion_weights():
    _, outputs = inverted_residual(tf.zeros([1, 4, 4, 16]), 16, 16)
    assert list(outputs) == ["depthwise_output", "output"]
    assert not slim.get_model_variables("expanded_conv/expand")


def test_layers_and_their_inner_outputs_become_end_points():
    layers = [
        lambda net: net + 1,
        lambda net: (net * 2, {"half": net}),
        lambda net: (net * 3, {"third": net}),
    ]
    net, end_points = build_layers(tf.constant(1.0), layers, "layer_2")
    with tf.Session() as session:
        assert session.run(end_points) == {"layer_1": 2, "layer_2": 4, "layer_2/half": 2}
    assert net is end_points["layer_2"]

    _, end_points = build_layers(tf.constant(1.0), layers)
    assert list(end_points)[:3] == ["layer_1", "layer_2", "layer_3"]


@pytest.mark.parametrize("is_training", [True, False])
def test_dropout_before_classifier_is_applied_only_in_training(is_training):
    end_points = {}
    ones = slim.arg_scope([slim.conv2d], weights_initializer=tf.ones_initializer())
    with ones, slim.arg_scope([dropout], is_training=is_training):
        add_logits(tf.ones([2, 3, 5, 10_000]), end_points, 4, dropout_keep_prob=0.8)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        values = session.run(end_points)
    kept = values["Logits"] * (
        0.8 if is_training else 1
    )  # a sum of ones, scaled by 1 / 0.8 if kept
    np.testing.assert_allclose(kept, 8_000 if is_training else 10_000, atol=200)
    np.testing.assert_allclose(values["global_pool"], np.ones([2, 1, 1, 10_000]))
    np.testing.assert_allclose(values["Predictions"], np.full([2, 4], 0.25))
