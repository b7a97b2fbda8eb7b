"""Properties of every network of the table, built by `nets_factory.get_network_fn`.

Each network is built in training mode, then with the same variables in evaluation mode and in
training mode with frozen batch norm. Its images have the smallest height, a larger, odd width, and
the number of channels that it was not published for; `golden_nets` covers the published one.

A new network needs no change here. Its name can be added to `HEAVY`, and to `GRIDS`.
"""

import importlib
import re
from types import SimpleNamespace

import golden_nets
import numpy as np
import pytest

from nets.nets_factory import get_network_fn
from nets.networks import NETWORKS
from slim_on_tf2 import slim, tf

EPSILON = float(np.finfo(np.float32).eps)
CLASSES = 17  # no layer has this depth
WEIGHT_DECAY = 0.01
BATCH_NORM_DECAY = 0.25

# Networks that take more than six seconds, or differ from another only in width or depth.
HEAVY = {
    *("inception_resnet_v2", "inception_v4", "inception_v3"),
    *("mobilenet_v1", "mobilenet_v1_075", "mobilenet_v1_050", "mobilenet_v2"),
    *(f"mobilenet_v2_{width}" for width in ("140", "130", "075", "050")),
    *("mobilenet_v3_large", "mobilenet_v3_large_075", "mobilenet_v3_small_075"),
    *("mobilenet_v3_large_minimalistic", "mobilenet_v3_large_minimalistic_075"),
    "mobilenet_v3_small_minimalistic_075",
    *(f"{family}_{size}" for family in ("nasnet", "pnasnet") for size in ("mobile", "large")),
    *(f"resnet_v{version}_{layers}" for version in (1, 2) for layers in (101, 152)),
    *("vgg_16", "vgg_19", "overfeat"),
}

# Prefix of network names -> (width of the images, {end point: (height, width)}), computed along the
# layers by hand: a side n becomes ceil(n / stride) with padding, and else floor((n - kernel) /
# stride) + 1. The last end point is before any dropout. (The pools of VGG, AlexNet and OverFeat are
# left out: tf_slim gives them other names when the network is reused.)
GRIDS = {
    "inception_v1": (
        229,
        {
            "Conv2d_1a_7x7": (97, 115),
            "MaxPool_2a_3x3": (49, 58),
            "MaxPool_3a_3x3": (25, 29),
            "MaxPool_4a_3x3": (13, 15),
            "Mixed_5c": (7, 8),
        },
    ),
    "inception_v2": (
        97,
        {
            "Conv2d_1a_7x7": (1, 49),
            "MaxPool_2a_3x3": (1, 25),
            "MaxPool_3a_3x3": (1, 13),
            "Mixed_4a": (1, 7),
            "Mixed_5c": (1, 4),
        },
    ),
    "inception_v3": (
        139,
        {
            "Conv2d_1a_3x3": (53, 69),
            "Conv2d_2a_3x3": (51, 67),
            "Conv2d_2b_3x3": (51, 67),
            "MaxPool_3a_3x3": (25, 33),
            "Conv2d_4a_3x3": (23, 31),
            "MaxPool_5a_3x3": (11, 15),
            "Mixed_6a": (5, 7),
            "Mixed_7c": (2, 3),
        },
    ),
    "inception_v4": (
        113,
        {
            "Conv2d_1a_3x3": (37, 56),
            "Conv2d_2a_3x3": (35, 54),
            "Conv2d_2b_3x3": (35, 54),
            "Mixed_3a": (17, 26),
            "Mixed_4a": (15, 24),
            "Mixed_5a": (7, 11),
            "Mixed_6a": (3, 5),
            "Mixed_7d": (1, 2),
        },
    ),
    "inception_resnet_v2": (
        113,
        {
            "Conv2d_1a_3x3": (37, 56),
            "Conv2d_2a_3x3": (35, 54),
            "Conv2d_2b_3x3": (35, 54),
            "MaxPool_3a_3x3": (17, 26),
            "Conv2d_4a_3x3": (15, 24),
            "MaxPool_5a_3x3": (7, 11),
            "Mixed_6a": (3, 5),
            "Conv2d_7b_1x1": (1, 2),
        },
    ),
    "mobilenet_v1": (
        97,
        {
            "Conv2d_0": (1, 49),
            "Conv2d_1_pointwise": (1, 49),
            "Conv2d_2_depthwise": (1, 25),
            "Conv2d_4_depthwise": (1, 13),
            "Conv2d_6_depthwise": (1, 7),
            "Conv2d_12_depthwise": (1, 4),
            "Conv2d_13_pointwise": (1, 4),
        },
    ),
    "mobilenet_v2": (
        97,
        {
            "layer_2": (1, 49),
            "layer_3/expansion_output": (1, 49),
            "layer_3": (1, 25),
            "layer_5": (1, 13),
            "layer_8": (1, 7),
            "layer_15": (1, 4),
            "layer_19": (1, 4),
        },
    ),
    "mobilenet_v3_large": (
        97,
        {
            "layer_2": (1, 49),
            "layer_3": (1, 25),
            "layer_5": (1, 13),
            "layer_8": (1, 7),
            "layer_14/expansion_output": (1, 7),
            "layer_14": (1, 4),
            "layer_17": (1, 4),
        },
    ),
    "mobilenet_v3_small": (
        97,
        {
            "layer_1": (1, 49),
            "layer_2": (1, 25),
            "layer_3": (1, 13),
            "layer_5": (1, 7),
            "layer_10/expansion_output": (1, 7),
            "layer_10": (1, 4),
            "layer_13": (1, 4),
        },
    ),
    "nasnet": (
        99,
        {"Stem": (1, 13), "Reduction_Cell_0": (1, 7), "Reduction_Cell_1": (1, 4)},
    ),
    "pnasnet_mobile": (99, {"Stem": (1, 13), "Cell_3": (1, 7), "Cell_6": (1, 4)}),
    "pnasnet_large": (99, {"Stem": (1, 13), "Cell_4": (1, 7), "Cell_8": (1, 4)}),
    "resnet": (
        97,
        {
            "{name}/conv1": (1, 49),
            "{name}/block1": (1, 13),
            "{name}/block2": (1, 7),
            "{name}/block3": (1, 4),
            "{name}/block4": (1, 4),
        },
    ),
    "vgg": (
        257,
        {
            "{name}/conv1/conv1_1": (224, 257),
            "{name}/conv2/conv2_1": (112, 128),
            "{name}/conv3/conv3_1": (56, 64),
            "{name}/conv4/conv4_1": (28, 32),
            "{name}/conv5/conv5_1": (14, 16),
            "{name}/fc6": (1, 2),
        },
    ),
    "alexnet": (
        231,
        {
            "{name}/conv1": (47, 56),
            "{name}/conv2": (23, 27),
            "{name}/conv3": (11, 13),
            "{name}/fc6": (1, 2),
        },
    ),
    "overfeat": (
        263,
        {
            "{name}/conv1": (56, 64),
            "{name}/conv2": (24, 28),
            "{name}/conv3": (12, 14),
            "{name}/fc6": (1, 2),
        },
    ),
    "cifarnet": (51, {"pool1": (2, 25), "pool2": (1, 12)}),
    "lenet": (39, {"pool1": (2, 19), "pool2": (1, 9)}),
}
FAMILY = {name: family for family in GRIDS for name in NETWORKS if name.startswith(family)}

# Regular expression of the variables with an L2 loss, if these are not all `weights`.
DECAYED = {
    "cifarnet": "/fc[34]/weights$",
    "inception_resnet_v2": "/(weights|biases)$",
    "nasnet": "weights$",
    "pnasnet_mobile": "weights$",
    "pnasnet_large": "weights$",
}


def graph_contents():
    """Model variables, updates and regularization losses of the default graph."""
    return SimpleNamespace(
        variables=slim.get_model_variables(),
        updates=tf.get_collection(tf.GraphKeys.UPDATE_OPS),
        losses=tf.losses.get_regularization_losses(),
    )


def build(name, images):
    """Mode -> end points; the graph contents after building the first mode and all modes."""
    network_fn = get_network_fn(name, CLASSES, WEIGHT_DECAY, True, BATCH_NORM_DECAY)
    assert network_fn.default_image_size == NETWORKS[name].image_size
    logits, training = network_fn(images)
    assert training["Logits"] is logits
    first = graph_contents()
    _, evaluation = get_network_fn(name, CLASSES, WEIGHT_DECAY)(images, reuse=True)
    freezing_fn = get_network_fn(name, CLASSES, WEIGHT_DECAY, True, freeze_batch_norm=True)
    _, frozen = freezing_fn(images, reuse=True)
    return (
        {"training": training, "evaluation": evaluation, "frozen": frozen},
        first,
        graph_contents(),
    )


def update_twice(session, contents, feed):
    """(name, initial value, value after one update, after two) of each moving average."""
    averages = [v for v in contents.variables if "/moving_" in v.op.name]
    values = [session.run(averages)]
    for _ in range(2):
        session.run(contents.updates, feed)
        values.append(session.run(averages))
    return [(v.op.name, *steps) for v, *steps in zip(averages, *values)]


@pytest.fixture(
    scope="module",
    params=[pytest.param(n, marks=pytest.mark.large) if n in HEAVY else n for n in NETWORKS],
)
def network(request):
    """A network, its modes, and the values of their end points after two updates."""
    name = request.param
    row = NETWORKS[name]
    width, grids = GRIDS.get(FAMILY.get(name), (row.smallest_image_size + 13, {}))
    grids = {end_point.format(name=name): grid for end_point, grid in grids.items()}
    shape = (row.smallest_image_size, width, 4 - row.channels)
    batch = np.random.RandomState(0).uniform(-1, 1, [3, *shape])
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(0)
        images = tf.placeholder(tf.float32, [None, *shape])
        modes, contents, final_contents = build(name, images)
        initialize = tf.global_variables_initializer()
    with tf.Session(graph=graph) as session:
        session.run(initialize)
        averages = update_twice(session, contents, {images: batch})
        values = session.run(modes, {images: batch})
        yield SimpleNamespace(**locals())


def test_reuse_adds_no_variables_updates_or_losses(network):
    assert network.final_contents == network.contents


def test_second_network_without_reuse_is_rejected(network):
    with network.graph.as_default(), pytest.raises(ValueError, match="already exists"):
        get_network_fn(network.name, CLASSES)(network.images)


def test_end_points_have_their_static_shapes(network):
    for mode, end_points in network.modes.items():
        for name, end_point in end_points.items():
            batch, *rest = end_point.shape.as_list()
            assert batch is None, name
            assert network.values[mode][name].shape == (3, *rest), name


def test_end_points_have_expected_grids(network):
    for values in network.values.values():
        assert {name: values[name].shape[1:3] for name in network.grids} == network.grids


def test_first_kernel_has_channels_of_images(network):
    assert network.contents.variables[0].shape[2] == network.shape[-1] != network.row.channels


def test_heads_return_one_value_per_class(network):
    has_auxiliary_head = any("aux" in scope.lower() for scope in network.row.head_scopes)
    for mode, values in network.values.items():
        heads = {"Logits", "Predictions", "AuxLogits"} & set(values)
        assert ("AuxLogits" in heads) == (has_auxiliary_head and mode != "evaluation")
        for head in heads:
            assert values[head].shape == (3, CLASSES)
        exponentials = np.exp(values["Logits"] - values["Logits"].max(1, keepdims=True))
        softmax = exponentials / exponentials.sum(1, keepdims=True)
        # exp turns the rounding of a logit into a relative error.
        rounding = 8 * EPSILON * max(1, np.abs(values["Logits"]).max())
        np.testing.assert_allclose(values["Predictions"], softmax, rtol=rounding, atol=EPSILON)


def check_head_scopes(row, shapes):
    """They contain all variables that depend on the classes, and else only auxiliary ones."""

    def in_scopes(name, scopes):
        return any(name.startswith(f"{scope}/") for scope in scopes)

    dependent = {name for name, shape in shapes.items() if shape[-1] == CLASSES}
    excluded = {name for name in shapes if in_scopes(name, row.head_scopes)}
    assert dependent <= excluded
    assert all("aux" in name.lower() for name in excluded - dependent)
    for scope in row.head_scopes:
        assert any(in_scopes(name, [scope]) for name in dependent), scope


def test_head_scopes_contain_variables_that_depend_on_classes(network):
    shapes = {v.op.name: v.shape.as_list() for v in network.contents.variables}
    check_head_scopes(network.row, shapes)


def test_head_scopes_of_published_inception_resnet_v2():
    golden = golden_nets.read("inception_resnet_v2")  # only the heads have depth 5
    shapes = {
        name: [CLASSES if side == golden["num_classes"] else side for side in shape]
        for name, shape, _ in golden["variables"]
    }
    check_head_scopes(NETWORKS["inception_resnet_v2"], shapes)


def test_moving_averages_are_updated_with_batch_norm_decay(network):
    """With one batch, the second change of an average is `decay` times the first."""
    assert len(network.contents.updates) == len(network.averages)
    for name, start, once, twice in network.averages:
        largest = np.abs(once - start).max()
        assert largest > 0, name
        np.testing.assert_allclose(
            twice - once,
            BATCH_NORM_DECAY * (once - start),
            rtol=1e-2,
            atol=1e-3 * largest,
            err_msg=name,
        )


def test_batch_norm_uses_batch_statistics_only_in_training(network):
    body = [next(iter(network.modes["training"])), *network.grids][-1]
    others = network.batch.copy()
    others[1:] = others[1:] ** 2
    ends = {mode: end_points[body] for mode, end_points in network.modes.items()}
    values = network.session.run(ends, {network.images: others})
    for mode, value in values.items():
        in_other_batch = network.values[mode][body][0]
        largest = np.abs(in_other_batch).max()
        assert largest > 0
        differs = np.abs(value[0] - in_other_batch).max() > 1e-3 * largest
        assert differs == (mode == "training" and bool(network.averages))


def test_frozen_training_equals_evaluation_except_for_dropout(network):
    frozen, evaluation = network.values["frozen"], network.values["evaluation"]
    for name in network.grids:
        tolerance = golden_nets.ROUNDING * np.abs(evaluation[name]).max()
        np.testing.assert_allclose(frozen[name], evaluation[name], atol=tolerance, err_msg=name)
    is_dropped = np.abs(frozen["Logits"] - evaluation["Logits"]) > 1e-3 * np.abs(frozen["Logits"])
    assert np.any(is_dropped) == network.row.has_dropout


def test_regularization_losses_equal_l2_of_weights(network):
    rule = DECAYED.get(FAMILY.get(network.name), "/weights$")
    decayed = [v for v in network.contents.variables if re.search(rule, v.op.name)]
    losses, values = network.session.run([network.contents.losses, decayed])
    expected = [WEIGHT_DECAY / 2 * np.square(value).sum() for value in values]
    # A sum of up to 1e8 squares, whose rounding errors add up like a random walk.
    np.testing.assert_allclose(losses, expected, rtol=1e4 * EPSILON)


@pytest.mark.parametrize("name", NETWORKS)
def test_no_weight_decay_means_no_regularization_loss(name):
    row = NETWORKS[name]
    arg_scope = getattr(importlib.import_module(row.module), row.arg_scope)
    with slim.arg_scope(arg_scope(weight_decay=0.0)):
        slim.conv2d(tf.zeros([1, 1, 1, 2]), 2, 1)
        slim.fully_connected(tf.zeros([1, 2]), 2)
    assert not tf.losses.get_regularization_losses()
