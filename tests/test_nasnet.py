from types import SimpleNamespace

import golden_fill
import golden_nets
import numpy as np
import pytest

from nets.nasnet import (
    nasnet_large,
    nasnet_large_arg_scope,
    nasnet_mobile,
    nasnet_mobile_arg_scope,
)
from slim_on_tf2 import slim, tf


def numbers(variables):
    return sum(np.prod(variable.shape.as_list(), dtype=int) for variable in variables)


@pytest.fixture(scope="module")
def mobile():
    """The small network in evaluation, for any batch of 224 px."""
    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.float32, [None, 224, 224, 3])
        with slim.arg_scope(nasnet_mobile_arg_scope()):
            outputs = nasnet_mobile(images, 5, is_training=False)
    return SimpleNamespace(**locals())


def test_equals_the_published_small_network(mobile):
    golden = golden_nets.read("nasnet_mobile")
    with mobile.graph.as_default():
        golden_nets.check_variables(golden)
    with tf.Session(graph=mobile.graph) as session:
        golden_nets.fill(session)
        outputs = session.run(mobile.outputs, {mobile.images: golden_fill.images(224)})
    golden_nets.check_outputs(golden, *outputs)
    assert nasnet_mobile.default_image_size == golden["image_size"]


def test_the_small_network_has_as_many_parameters_as_kerass(mobile):
    with mobile.graph.as_default():
        variables = slim.get_model_variables()
    body = [v for v in variables if not v.op.name.startswith("final_layer/FC")]
    assert numbers(body) + (1056 + 1) * 1000 == 5_326_716


@pytest.mark.large
def test_equals_the_published_large_network():
    golden = golden_nets.read("nasnet_large")
    assert nasnet_large.default_image_size == golden["image_size"]
    images = tf.constant(golden_fill.images(331))
    with slim.arg_scope(nasnet_large_arg_scope()):
        logits, end_points = nasnet_large(images, 5, is_training=False)
    golden_nets.check_variables(golden)
    assert {name: {"shape": value.shape.as_list()} for name, value in end_points.items()} == (
        golden["end_points"]
    )
    with tf.Session() as session:
        golden_nets.fill(session)
        of_first_image = session.run(logits)[0]
    np.testing.assert_allclose(of_first_image[:3], golden["logits_first_three"], rtol=1e-3)


@pytest.mark.large
def test_the_auxiliary_head_is_on_the_last_cell_of_the_middle_stack():
    for network, names, shape in [
        (nasnet_mobile, "aux_7/aux_logits", [4, 4, 128, 768]),
        (nasnet_large, "aux_11/aux_logits", [6, 6, 128, 768]),
    ]:
        side = network.default_image_size
        with tf.Graph().as_default():
            _, end_points = network(tf.placeholder(tf.float32, [None, side, side, 3]))
            (weights,) = slim.get_model_variables(f"{names}/Conv/weights")
        assert weights.shape.as_list() == shape
        assert end_points["AuxLogits"].shape.as_list() == [None, 1001]


@pytest.mark.parametrize(
    ("height", "width", "grid"), [(3, 3, (1, 1)), (97, 161, (12, 20)), (224, 100, (28, 13))]
)
def test_grids_of_odd_sizes_in_grey(height, width, grid):
    """A convolution without padding and two cells with padding, each of stride 2, by hand."""
    net, end_points = nasnet_mobile(
        tf.placeholder(tf.float32, [None, height, width, 1]), final_endpoint="Cell_0"
    )
    assert list(end_points) == ["Stem", "Cell_0"]
    assert net.shape.as_list() == [None, *grid, 6 * 44]
    (weights,) = slim.get_model_variables("conv0/weights")
    assert weights.shape.as_list() == [3, 3, 1, 32]


@pytest.mark.parametrize(
    ("arg_scope", "weight_decay"),
    [(nasnet_mobile_arg_scope, 0.00004), (nasnet_large_arg_scope, 0.00005)],
)
def test_weights_decay_as_published(arg_scope, weight_decay):
    with slim.arg_scope(arg_scope()):
        slim.conv2d(tf.zeros([1, 1, 1, 3]), 2, 1)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        (weights,), loss = session.run(
            [slim.get_model_variables(), tf.losses.get_regularization_loss()]
        )
    np.testing.assert_allclose(loss, weight_decay / 2 * np.sum(np.square(weights)), rtol=1e-5)
