"""What holds for each row of the table, asked of the network that `factory.get_network_fn` gives.

A network is built once in training, then with the same variables in evaluation and in training
with frozen batch norm. Its images have the height that is the least the network admits, an odd
width beyond it, and the channels that it was not published for: `golden_nets` has the others.
"""

import importlib
import re
from types import SimpleNamespace

import golden_nets
import numpy as np
import pytest

from nets.factory import NETWORKS, get_network_fn
from slim_on_tf2 import slim, tf

CLASSES = 17  # as deep as no layer
WEIGHT_DECAY = 0.01
BATCH_NORM_DECAY = 0.25

# These take more than six seconds each, or differ from another in width or depth alone.
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

# The beginning of a network's name -> the width of its images; and of end points, height and width,
# counted by hand along the layers: a side n becomes ceil(n / stride) with padding, and without it
# floor((n - kernel) / stride) + 1. The last is of the body, ahead of what training may drop. (The
# pools of VGG, AlexNet and OverFeat are not among them: tf_slim names those of a reuse anew.)
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

# What has an L2 loss where that is not all weights but the depthwise and pointwise ones of a
# separable convolution: a pattern of the names of variables.
DECAYED = {
    "cifarnet": "/fc[34]/weights$",
    "inception_resnet_v2": "/(weights|biases)$",
    "nasnet": "weights$",
    "pnasnet_mobile": "weights$",
    "pnasnet_large": "weights$",
}


def tally():
    """What building has added to the default graph."""
    return SimpleNamespace(
        variables=slim.get_model_variables(),
        updates=tf.get_collection(tf.GraphKeys.UPDATE_OPS),
        losses=tf.losses.get_regularization_losses(),
    )


def build(name, images):
    """Mode -> end points; the tally after training, the first mode, and after all."""
    network_fn = get_network_fn(name, CLASSES, WEIGHT_DECAY, True, BATCH_NORM_DECAY)
    assert network_fn.default_image_size == NETWORKS[name].image_size
    logits, training = network_fn(images)
    assert training["Logits"] is logits
    first = tally()
    _, evaluation = get_network_fn(name, CLASSES, WEIGHT_DECAY)(images, reuse=True)
    freezing_fn = get_network_fn(name, CLASSES, WEIGHT_DECAY, True, freeze_batch_norm=True)
    _, frozen = freezing_fn(images, reuse=True)
    return {"training": training, "evaluation": evaluation, "frozen": frozen}, first, tally()


def update_twice(session, built, feed):
    """The moving averages at first, after one update with `feed` and after another."""
    averages = [v for v in built.variables if "/moving_" in v.op.name]
    values = [session.run(averages)]
    for _ in range(2):
        session.run(built.updates, feed)
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
    # A network that is new here is of no family yet, and has no grids counted by hand.
    width, grids = GRIDS.get(FAMILY.get(name), (row.smallest_image_size + 13, {}))
    grids = {end_point.format(name=name): grid for end_point, grid in grids.items()}
    shape = (row.smallest_image_size, width, 4 - row.channels)
    photos = np.random.RandomState(0).uniform(-1, 1, [3, *shape])
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(0)
        images = tf.placeholder(tf.float32, [None, *shape])
        modes, built, in_the_end = build(name, images)
        initialize = tf.global_variables_initializer()
    with tf.Session(graph=graph) as session:
        session.run(initialize)
        averages = update_twice(session, built, {images: photos})
        values = session.run(modes, {images: photos})
        yield SimpleNamespace(**locals())


def test_reuse_adds_no_variable_no_update_and_no_loss(network):
    assert network.in_the_end == network.built


def test_without_reuse_a_second_network_is_an_error(network):
    with network.graph.as_default(), pytest.raises(ValueError, match="already exists"):
        get_network_fn(network.name, CLASSES)(network.images)


def test_every_end_point_has_the_shape_that_the_graph_says(network):
    for mode, end_points in network.modes.items():
        for name, end_point in end_points.items():
            batch, *rest = end_point.shape.as_list()
            assert batch is None, name
            assert network.values[mode][name].shape == (3, *rest), name


def test_grids_by_hand(network):
    for values in network.values.values():
        assert {name: values[name].shape[1:3] for name in network.grids} == network.grids


def test_the_first_kernel_has_the_channels_of_the_images(network):
    assert network.built.variables[0].shape[2] == network.shape[-1] != network.row.channels


def test_each_head_gives_a_value_to_each_class(network):
    has_auxiliary_head = any("aux" in scope.lower() for scope in network.row.head_scopes)
    for mode, values in network.values.items():
        heads = {"Logits", "Predictions", "AuxLogits"} & set(values)
        assert ("AuxLogits" in heads) == (has_auxiliary_head and mode != "evaluation")
        for head in heads:
            assert values[head].shape == (3, CLASSES)
        exponentials = np.exp(values["Logits"] - values["Logits"].max(1, keepdims=True))
        softmax = exponentials / exponentials.sum(1, keepdims=True)
        np.testing.assert_allclose(values["Predictions"], softmax, rtol=1e-4, atol=1e-6)


def check_head_scopes(row, shapes):
    """They hold what depends on the classes, and beside it only what leads to auxiliary logits."""

    def in_scopes(name, scopes):
        return any(name.startswith(f"{scope}/") for scope in scopes)

    dependent = {name for name, shape in shapes.items() if shape[-1] == CLASSES}
    excluded = {name for name in shapes if in_scopes(name, row.head_scopes)}
    assert dependent <= excluded
    assert all("aux" in name.lower() for name in excluded - dependent)
    for scope in row.head_scopes:
        assert any(in_scopes(name, [scope]) for name in dependent), scope


def test_the_head_scopes_hold_what_depends_on_the_classes(network):
    shapes = {v.op.name: v.shape.as_list() for v in network.built.variables}
    check_head_scopes(network.row, shapes)


def test_the_head_scopes_of_inception_resnet_v2():
    golden = golden_nets.read("inception_resnet_v2")  # no layer but the heads is 5 deep
    shapes = {
        name: [CLASSES if side == golden["num_classes"] else side for side in shape]
        for name, shape, _ in golden["variables"]
    }
    check_head_scopes(NETWORKS["inception_resnet_v2"], shapes)


def test_an_update_moves_each_average_of_batch_norm_by_the_decay(network):
    """With one batch, the second step of an average is `decay` of the first."""
    assert len(network.built.updates) == len(network.averages)
    for name, start, once, twice in network.averages:
        farthest = np.abs(once - start).max()
        assert farthest > 0, name
        np.testing.assert_allclose(
            twice - once,
            BATCH_NORM_DECAY * (once - start),
            rtol=1e-2,
            atol=1e-3 * farthest,
            err_msg=name,
        )


def test_an_example_depends_on_its_batch_in_training_with_batch_norm_alone(network):
    body = [next(iter(network.modes["training"])), *network.grids][-1]
    others = network.photos.copy()
    others[1:] = others[1:] ** 2
    ends = {mode: end_points[body] for mode, end_points in network.modes.items()}
    values = network.session.run(ends, {network.images: others})
    for mode, value in values.items():
        in_other_batch = network.values[mode][body][0]
        largest = np.abs(in_other_batch).max()
        assert largest > 0
        differs = np.abs(value[0] - in_other_batch).max() > 1e-3 * largest
        assert differs == (mode == "training" and bool(network.averages))


def test_frozen_batch_norm_trains_as_it_evaluates_but_for_what_is_dropped(network):
    frozen, evaluation = network.values["frozen"], network.values["evaluation"]
    for name in network.grids:
        np.testing.assert_allclose(frozen[name], evaluation[name], rtol=1e-5, err_msg=name)
    is_dropped = np.abs(frozen["Logits"] - evaluation["Logits"]) > 1e-3 * np.abs(frozen["Logits"])
    assert np.any(is_dropped) == network.row.has_dropout


def test_the_losses_are_weight_decay_times_half_the_squares_of_the_weights(network):
    rule = DECAYED.get(FAMILY.get(network.name), "/weights$")
    decayed = [v for v in network.built.variables if re.search(rule, v.op.name)]
    losses, values = network.session.run([network.built.losses, decayed])
    expected = [WEIGHT_DECAY / 2 * np.square(value).sum() for value in values]
    np.testing.assert_allclose(losses, expected, rtol=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_without_weight_decay_there_is_no_loss(name):
    row = NETWORKS[name]
    arg_scope = getattr(importlib.import_module(row.module), row.arg_scope)
    with slim.arg_scope(arg_scope(weight_decay=0.0)):
        slim.conv2d(tf.zeros([1, 1, 1, 2]), 2, 1)
        slim.fully_connected(tf.zeros([1, 2]), 2)
    assert not tf.losses.get_regularization_losses()
