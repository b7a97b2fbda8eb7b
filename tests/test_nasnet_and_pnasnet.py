"""NASNet and PNASNet; test_nas_cells.py covers their parts."""

import golden_fill
import golden_nets
import numpy as np
import pytest

from nets import nasnet, pnasnet
from nets.networks import NETWORKS
from slim_on_tf2 import slim, tf


def find(name):
    """Returns the network `name` and its arg_scope."""
    module = nasnet if name.startswith("nasnet") else pnasnet
    return getattr(module, name), getattr(module, f"{name}_arg_scope")


@pytest.mark.parametrize("name", ["nasnet_mobile", "pnasnet_mobile"])
def test_outputs_equal_published_mobile_network(name):
    golden = golden_nets.read(name)
    network, arg_scope = find(name)
    images = tf.placeholder(tf.float32, [None, 224, 224, 3])
    with slim.arg_scope(arg_scope()):
        outputs = network(images, 5, is_training=False)
    golden_nets.check_variables(golden)
    with tf.Session() as session:
        golden_nets.fill(session)
        outputs = session.run(outputs, {images: golden_fill.images(224)})
    golden_nets.check_outputs(golden, *outputs)


@pytest.mark.large
@pytest.mark.parametrize("name", ["nasnet_large", "pnasnet_large"])
def test_variables_and_shapes_equal_published_large_network(name):
    golden = golden_nets.read(name)
    network, arg_scope = find(name)
    with slim.arg_scope(arg_scope()):
        _, end_points = network(tf.zeros([2, 331, 331, 3]), 5, is_training=False)
    golden_nets.check_variables(golden)
    golden_nets.check_shapes(golden, end_points)


@pytest.mark.large
def test_logits_equal_published_large_nasnet():
    golden = golden_nets.read("nasnet_large")
    network, arg_scope = find("nasnet_large")
    with slim.arg_scope(arg_scope()):
        logits, _ = network(tf.constant(golden_fill.images(331)), 5, is_training=False)
    with tf.Session() as session:
        golden_nets.fill(session)
        of_first_image = session.run(logits)[0]
    golden_nets.check_logits(of_first_image[:3], golden["logits_first_three"])


def test_number_of_parameters_of_mobile_nasnet_equals_that_of_keras():
    """With moving averages and 1,000 classes."""
    body = [
        np.prod(shape, dtype=int)
        for name, shape, _ in golden_nets.read("nasnet_mobile")["variables"]
        if not name.startswith("final_layer/FC")
    ]
    assert sum(body) + (1056 + 1) * 1000 == 5_326_716


@pytest.mark.large
@pytest.mark.parametrize(
    ("name", "scope", "pooled"),
    [
        ("nasnet_mobile", "aux_7", 4),
        ("nasnet_large", "aux_11", 6),
        ("pnasnet_mobile", "aux_5", 4),
        ("pnasnet_large", "aux_7", 6),
    ],
)
def test_auxiliary_head_is_on_last_cell_of_middle_stack(name, scope, pooled):
    network, _ = find(name)
    side = NETWORKS[name].image_size
    _, end_points = network(tf.placeholder(tf.float32, [None, side, side, 3]))
    (weights,) = slim.get_model_variables(f"{scope}/aux_logits/Conv/weights")
    assert weights.shape.as_list() == [pooled, pooled, 128, 768]
    assert end_points["AuxLogits"].shape.as_list() == [None, 1001]


@pytest.mark.parametrize(("name", "depth"), [("nasnet_mobile", 6 * 44), ("pnasnet_mobile", 5 * 54)])
@pytest.mark.parametrize(
    ("height", "width", "grid"), [(3, 3, (1, 1)), (97, 161, (12, 20)), (224, 100, (28, 13))]
)
def test_grids_of_grayscale_images_of_odd_size(name, depth, height, width, grid):
    """Computed by hand: a convolution without padding, then two cells with padding, of stride 2."""
    network, _ = find(name)
    images = tf.placeholder(tf.float32, [None, height, width, 1])
    net, end_points = network(images, final_endpoint="Cell_0")
    assert list(end_points) == ["Stem", "Cell_0"]
    assert net.shape.as_list() == [None, *grid, depth]
    (weights,) = slim.get_model_variables("conv0/weights")
    assert weights.shape.as_list() == [3, 3, 1, 32]


@pytest.mark.parametrize(
    ("name", "weight_decay"),
    [
        ("nasnet_mobile", 0.00004),
        ("nasnet_large", 0.00005),
        ("pnasnet_mobile", 0.00004),
        ("pnasnet_large", 0.00004),
    ],
)
def test_default_weight_decay_is_published_one(name, weight_decay):
    _, arg_scope = find(name)
    with slim.arg_scope(arg_scope()):
        slim.conv2d(tf.zeros([1, 1, 1, 3]), 2, 1)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        (weights,), loss = session.run(
            [slim.get_model_variables(), tf.losses.get_regularization_loss()]
        )
    np.testing.assert_allclose(
        loss, weight_decay / 2 * np.sum(np.square(weights)), rtol=golden_nets.ROUNDING
    )
