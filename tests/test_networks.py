"""The table of networks, and the functions that build a network by its name."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import golden_fill
import golden_nets
import numpy as np
import pytest

from checkpointing.published import CHECKPOINTS
from nets import networks
from nets.nets_factory import get_arg_scope, get_network, get_network_fn
from nets.networks import NETWORKS, Network, check_image_size, find_network
from preprocessing.schemes import PREPROCESSING
from slim_on_tf2 import slim, tf
from system.errors import BadInput

EPSILON = float(np.finfo(np.float32).eps)
CLASSES = 17  # no layer has this depth
SLOW_TO_BUILD = {
    *("inception_resnet_v2", "inception_v4"),
    *(f"{family}_{size}" for family in ("nasnet", "pnasnet") for size in ("mobile", "large")),
}
NEW_NETWORK = """
from nets.dropout import dropout
from slim_on_tf2 import slim, tf


def tiny(inputs, num_classes, is_training=True, dropout_keep_prob=0.5, scope="Tiny"):
    with (
        tf.variable_scope(scope),
        slim.arg_scope([slim.batch_norm, dropout], is_training=is_training),
    ):
        net = slim.conv2d(inputs, 8, 3, normalizer_fn=slim.batch_norm, scope="conv")
        net = dropout(tf.reduce_mean(net, [1, 2]), dropout_keep_prob)
        return slim.fully_connected(net, num_classes, activation_fn=None, scope="logits"), {}


def tiny_arg_scope(weight_decay=0.0001):
    with slim.arg_scope(
        [slim.conv2d], weights_regularizer=slim.l2_regularizer(weight_decay)
    ) as arg_scope:
        return arg_scope
"""


def module_of(row):
    return importlib.import_module(row.module)


@pytest.mark.parametrize("name", NETWORKS)
def test_row_describes_its_function(name):
    row = NETWORKS[name]
    function = getattr(module_of(row), row.function)
    assert "weight_decay" in inspect.signature(getattr(module_of(row), row.arg_scope)).parameters

    scope = inspect.signature(function).parameters["scope"].default
    if scope:  # otherwise its variables have no common scope
        assert all(head.split("/")[0] == scope for head in row.head_scopes)
    assert row.has_dropout == ("dropout_keep_prob" in inspect.signature(function).parameters)
    assert 1 <= row.smallest_image_size <= row.image_size
    assert row.preprocessing in PREPROCESSING
    assert row.channels in (1, 3) and row.labels_offset in (0, 1)
    if hasattr(function, "default_image_size") and not name.startswith("resnet_v2"):
        assert row.image_size == function.default_image_size


def test_every_checkpoint_of_the_table_is_published_for_that_network_and_size():
    for name, row in NETWORKS.items():
        if row.checkpoint:
            published = CHECKPOINTS[row.checkpoint]
            assert (published.network, published.image_size) == (name, row.image_size)
            assert published.top_1 > 40


def test_rows_contain_published_facts():
    for name, row in NETWORKS.items():
        if row.checkpoint:
            from_caffe = name.startswith(("vgg", "resnet_v1"))
            expected = ("vgg", 1000) if from_caffe else ("inception", 1001)
            assert (row.preprocessing, row.published_classes, row.channels) == (*expected, 3), name
    for name, expected in [
        ("lenet", ("lenet", 28, 1)),
        ("cifarnet", ("cifarnet", 32, 3)),
        ("alexnet_v2", ("vgg", 224, 3)),
        ("overfeat", ("vgg", 231, 3)),
        ("vgg_a", ("vgg", 224, 3)),
    ]:
        row = NETWORKS[name]
        assert (row.preprocessing, row.image_size, row.channels) == expected
        assert row.checkpoint is None
    for name, checkpoint, image_size in [
        ("inception_resnet_v2", "inception_resnet_v2_2016_08_30", 299),
        ("inception_v4", "inception_v4_2016_09_09", 299),
        ("mobilenet_v1_050", "mobilenet_v1_0.5_224", 224),
        ("mobilenet_v2_140", "mobilenet_v2_1.4_224", 224),
        ("mobilenet_v3_small_minimalistic", "v3-small-minimalistic_224_1.0_float", 224),
        ("nasnet_large", "nasnet-a_large_04_10_2017", 331),
        ("pnasnet_mobile", "pnasnet-5_mobile_2017_12_13", 224),
        ("resnet_v2_152", "resnet_v2_152_2017_04_14", 299),
        ("vgg_19", "vgg_19_2016_08_28", 224),
    ]:
        row = NETWORKS[name]
        assert (row.checkpoint, row.image_size) == (checkpoint, image_size)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.large) if name in SLOW_TO_BUILD else name
        for name, row in NETWORKS.items()
        if row.smallest_image_size > 1
    ],
)
def test_one_pixel_below_smallest_image_size_cannot_be_built(name):
    row = NETWORKS[name]
    side = row.smallest_image_size - 1
    with pytest.raises(ValueError, match=r"(?i)negative dimension|must be positive|zero"):
        get_network_fn(name, CLASSES, is_training=True)(tf.zeros([1, side, side, row.channels]))


def test_logits_of_large_image_are_averaged_over_space():
    images = tf.constant(golden_fill.images(300))
    logits, end_points = get_network_fn("alexnet_v2", 5)(images)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        result, predictions, grid = session.run(
            [logits, end_points["Predictions"], end_points["alexnet_v2/fc8"]]
        )
    assert grid.shape == (2, 4, 4, 5)
    largest = np.abs(grid).max()
    # A mean of 16 values and a softmax round fewer than 32 times.
    np.testing.assert_allclose(result, grid.mean((1, 2)), atol=32 * EPSILON * largest)
    softmax = np.exp(result) / np.exp(result).sum(1, keepdims=True)
    np.testing.assert_allclose(predictions, softmax, rtol=32 * EPSILON * max(largest, 1))


def test_evaluation_has_no_auxiliary_head(monkeypatch):
    module = module_of(NETWORKS["inception_resnet_v2"])
    for block in ("block35", "block17", "block8"):  # a shallow network is built faster
        monkeypatch.setattr(module, block, lambda net, **options: net)
    _, end_points = get_network_fn("inception_resnet_v2", 5)(tf.zeros([1, 75, 75, 3]))
    assert "AuxLogits" not in end_points


def build_graph(build):
    """The graph that `build(images)` makes, its variables and its batch norm updates, by name."""
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(0)
        _, end_points = build(tf.zeros([2, 32, 32, 3]))
        updates = [op.name for op in tf.get_collection(tf.GraphKeys.UPDATE_OPS)]
        variables = [v.op.name for v in slim.get_model_variables()]
        return graph.as_graph_def(), variables, updates, list(end_points)


@pytest.mark.parametrize("freeze_batch_norm", [False, True, lambda scope: "13" not in scope])
def test_network_in_its_arg_scope_equals_network_fn(freeze_batch_norm):
    options = {"weight_decay": 0.01, "batch_norm_decay": 0.7}
    options["freeze_batch_norm"] = freeze_batch_norm

    def build_in_arg_scope(images):
        with slim.arg_scope(get_arg_scope("mobilenet_v1_025", **options)):
            network = get_network("mobilenet_v1_025")
            return network(images, num_classes=3, is_training=True)

    network_fn = get_network_fn("mobilenet_v1_025", 3, is_training=True, **options)
    in_arg_scope = build_graph(build_in_arg_scope)
    assert in_arg_scope == build_graph(network_fn)
    _, _, updates, _ = in_arg_scope
    assert bool(updates) == (freeze_batch_norm is not True)
    if callable(freeze_batch_norm):
        assert all("Conv2d_13_" in name for name in updates)


@pytest.mark.parametrize(
    ("freeze_batch_norm", "updates"),
    [(False, 2 * 49), (True, 0), (lambda scope: "block4" in scope, 0)],
)
def test_arg_scope_freezes_all_batch_norm_of_resnet(freeze_batch_norm, updates):
    """ResNet V2 50: 16 preactivations, 2 convolutions in each of 16 units, and the last one."""
    with slim.arg_scope(get_arg_scope("resnet_v2_50", freeze_batch_norm=freeze_batch_norm)):
        get_network("resnet_v2_50")(tf.zeros([1, 32, 32, 3]), 5, is_training=True)
    assert len(tf.get_collection(tf.GraphKeys.UPDATE_OPS)) == updates


def test_moving_mean_is_updated_by_batch_norm_decay():
    images = golden_fill.images(9, batch=2)
    get_network_fn("mobilenet_v1_025", 5, is_training=True, batch_norm_decay=0.7)(
        tf.constant(images)
    )
    (weights,) = slim.get_model_variables("MobilenetV1/Conv2d_0/weights")
    (mean,) = slim.get_model_variables("MobilenetV1/Conv2d_0/BatchNorm/moving_mean")
    with tf.Session() as session:
        golden_nets.fill(session)
        kernel, before = session.run([weights, mean])
        session.run(tf.get_collection(tf.GraphKeys.UPDATE_OPS))
        after = session.run(mean)

    padded = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)])  # 9 px, 3x3, stride 2
    windows = [padded[:, y : y + 3, x : x + 3] for y in range(0, 9, 2) for x in range(0, 9, 2)]
    batch_mean = np.tensordot(np.stack(windows), kernel, 3).mean((0, 1))
    # Each output sums 27 products, the mean 50 outputs; weights and outputs are of order 1.
    np.testing.assert_allclose(after, 0.7 * before + 0.3 * batch_mean, atol=(27 + 50) * EPSILON)


@pytest.mark.parametrize(("name", "layers"), [("vgg_a", 11), ("alexnet_v2", 8)])
def test_weight_decay_applies_to_each_layer(name, layers):
    side = NETWORKS[name].smallest_image_size
    get_network_fn(name, 5, weight_decay=0.01)(tf.zeros([1, side, side, 3]))
    assert len(tf.losses.get_regularization_losses()) == layers


def test_adding_a_network_takes_one_module_and_one_row(tmp_path, monkeypatch):
    (tmp_path / "tiny_network.py").write_text(NEW_NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    row = Network(
        module="tiny_network",
        function="tiny",
        arg_scope="tiny_arg_scope",
        image_size=16,
        smallest_image_size=1,
        preprocessing="none",
        head_scopes=("Tiny/logits",),
    )
    monkeypatch.setitem(NETWORKS, "tiny", row)

    images = tf.constant(golden_fill.images(16))
    network_fn = get_network_fn("tiny", 5, weight_decay=0.01, is_training=True)
    assert network_fn.default_image_size == 16
    logits, end_points = network_fn(images)
    assert logits.shape.as_list() == [2, 5]
    assert end_points["Predictions"].shape.as_list() == [2, 5]
    assert len(tf.losses.get_regularization_losses()) == 1
    assert len(tf.get_collection(tf.GraphKeys.UPDATE_OPS)) == 2
    in_evaluation, _ = get_network_fn("tiny", 5)(images, reuse=True)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        trained, evaluated = session.run([logits, in_evaluation])
    assert np.isfinite(trained).all() and not np.array_equal(trained, evaluated)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("inception_resnet_v3", "did you mean inception_resnet_v2"),
        ("mobilenet_v1_25", "mobilenet_v1_025"),
        ("qqq", "use one of inception_resnet_v2, inception_v4,"),
    ],
)
def test_unknown_network_is_rejected_with_similar_names(name, hint):
    for find in (find_network, get_arg_scope, get_network, lambda name: check_image_size(name, 99)):
        with pytest.raises(BadInput) as error:
            find(name)
        message = str(error.value)
        assert message.startswith(f"--model_name: there is no network '{name}'; ")
        assert hint in message and "\n" not in message


def test_image_size_below_minimum_is_rejected():
    check_image_size("inception_resnet_v2", 75)
    with pytest.raises(
        BadInput, match="--image_size: inception_resnet_v2 needs at least 75 pixels"
    ):
        check_image_size("inception_resnet_v2", 74)
    with pytest.raises(BadInput, match="got 0"):
        check_image_size("mobilenet_v1", 0)


def test_table_is_read_without_tensorflow():
    code = "import sys, nets.networks as f; f.check_image_size('vgg_16', 224); print(*sys.modules)"
    root = Path(networks.__file__).parents[1]
    loaded = subprocess.check_output([sys.executable, "-c", code], cwd=root, text=True).split()
    assert "nets.networks" in loaded
    assert not {"tensorflow", "tf_slim", "numpy"} & set(loaded)
