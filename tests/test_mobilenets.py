"""Properties that the three versions of MobileNet share."""

import importlib
from functools import partial

import golden_fill
import golden_nets
import numpy as np
import pytest

from nets.mobilenet_v1 import mobilenet_v1_arg_scope, mobilenet_v1_base
from nets.mobilenet_v2 import mobilenet_v2_arg_scope, mobilenet_v2_base
from nets.mobilenet_v3 import (
    LARGE,
    LARGE_MINIMALISTIC,
    SMALL,
    SMALL_MINIMALISTIC,
    mobilenet_v3_arg_scope,
    mobilenet_v3_base,
)
from slim_on_tf2 import slim, tf

BASES = {
    "mobilenet_v1": mobilenet_v1_base,
    "mobilenet_v2": mobilenet_v2_base,
    "mobilenet_v3_large": partial(mobilenet_v3_base, architecture=LARGE),
    "mobilenet_v3_large_minimalistic": partial(mobilenet_v3_base, architecture=LARGE_MINIMALISTIC),
    "mobilenet_v3_small": partial(mobilenet_v3_base, architecture=SMALL),
    "mobilenet_v3_small_minimalistic": partial(mobilenet_v3_base, architecture=SMALL_MINIMALISTIC),
}


def build(name, images, **options):
    """Builds a network in its arg_scope, in evaluation mode; returns logits and end points."""
    version = name[: len("mobilenet_v1")]
    module = importlib.import_module(f"nets.{version}")
    with slim.arg_scope(getattr(module, f"{version}_arg_scope")()):
        return getattr(module, name)(images, is_training=False, **options)


@pytest.mark.parametrize(
    "name", [*BASES, *(f"mobilenet_v1_{n}" for n in ("075", "050", "025")), "mobilenet_v2_140"]
)
def test_outputs_equal_published_network(name):
    golden = golden_nets.read(name)
    images = tf.placeholder(tf.float32, [None, None, None, 3])
    outputs = build(name, images, num_classes=golden["num_classes"])
    assert outputs[0].shape.as_list() == [None, golden["num_classes"]]

    golden_nets.check_variables(golden)
    with tf.Session() as session:
        golden_nets.fill(session)
        batch = golden_fill.images(golden["image_size"])
        golden_nets.check_outputs(golden, *session.run(outputs, {images: batch}))


@pytest.mark.parametrize(
    ("name", "multiply_adds", "parameters", "tolerance"),
    [
        # From the table of checkpoints.
        ("mobilenet_v2_140", 582, 6.06, 0.005),
        ("mobilenet_v2_130", 509, 5.34, 0.005),
        ("mobilenet_v2", 300, 3.47, 0.005),
        ("mobilenet_v2_075", 209, 2.61, 0.005),
        ("mobilenet_v2_050", 97, 1.95, 0.005),
        ("mobilenet_v2_035", 59, 1.66, 0.005),
        # From Table 3 of the paper, which does not define exactly what it counts.
        ("mobilenet_v3_large", 219, 5.4, 0.02),
        ("mobilenet_v3_large_075", 155, 4.0, 0.02),
        ("mobilenet_v3_small", 56, 2.5, 0.02),
        ("mobilenet_v3_small_075", 44, 2.0, 0.02),
    ],
)
def test_cost_equals_published_one(name, multiply_adds, parameters, tolerance):
    """In millions, without batch norm."""
    build(name, tf.zeros([1, 224, 224, 3]))
    kernels = [v for v in slim.get_model_variables() if v.shape.rank == 4]
    operations = tf.get_default_graph().get_operations()
    convolutions = [op for op in operations if op.type in ("Conv2D", "DepthwiseConv2dNative")]
    assert len(kernels) == len(convolutions)

    total = sum(np.prod(kernel.shape.as_list()) for kernel in kernels)
    np.testing.assert_allclose(total / 1e6, parameters, rtol=tolerance)
    total = sum(
        np.prod(op.outputs[0].shape.as_list()[1:3]) * np.prod(op.inputs[1].shape.as_list())
        for op in convolutions
    )
    np.testing.assert_allclose(total / 1e6, multiply_adds, rtol=tolerance)


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("mobilenet_v2", "layer_1"),
        ("mobilenet_v2", "layer_2"),
        ("mobilenet_v2", "layer_5"),
        ("mobilenet_v3_large", "layer_1"),
        ("mobilenet_v3_large_minimalistic", "layer_5"),
        ("mobilenet_v3_small", "layer_3"),
        ("mobilenet_v3_small_minimalistic", "layer_15"),
    ],
)
def test_base_ends_at_any_layer(name, last):
    names = list(golden_nets.read(name)["end_points"])
    layers = [f"layer_{number}" for number in range(1, int(last[6:]) + 1)]
    net, end_points = BASES[name](tf.zeros([2, 64, 64, 3]), final_endpoint=last)
    assert set(end_points) == {name for name in names if name.split("/")[0] in layers}
    assert net is end_points[last]


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large"])
@pytest.mark.parametrize(
    "wrong", [{"final_endpoint": "layer_20"}, {"depth_multiplier": 0}, {"depth_multiplier": -1}]
)
def test_invalid_arguments_are_rejected(name, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        BASES[name](tf.zeros([1, 32, 32, 3]), **wrong)


@pytest.mark.parametrize(
    ("name", "arg_scope", "last", "num_weights"),
    [
        ("mobilenet_v1", mobilenet_v1_arg_scope, "Conv2d_4_pointwise", 1 + 4),
        ("mobilenet_v2", mobilenet_v2_arg_scope, "layer_4", 1 + 2 + 3),
        # The first convolution, two of squeeze-and-excite, one expansion, two projections.
        ("mobilenet_v3_small", mobilenet_v3_arg_scope, "layer_3", 1 + 2 + 1 + 2),
    ],
)
def test_weight_decay_excludes_biases_and_depthwise_weights(name, arg_scope, last, num_weights):
    with slim.arg_scope(arg_scope(0.02)):
        BASES[name](tf.zeros([1, 32, 32, 3]), final_endpoint=last)
    losses = tf.losses.get_regularization_losses()
    weights = [v for v in slim.get_model_variables() if v.op.name.endswith("/weights")]
    assert len(losses) == len(weights) == num_weights

    with tf.Session() as session:
        golden_nets.fill(session)
        squares = sum(np.sum(np.square(w, dtype=np.float64)) for w in session.run(weights))
        total = session.run(tf.add_n(losses))
    np.testing.assert_allclose(total, 0.02 / 2 * squares, rtol=golden_nets.ROUNDING)
