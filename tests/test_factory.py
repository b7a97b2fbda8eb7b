import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import golden_fill
import golden_nets
import numpy as np
import pytest

from bad_input import BadInput
from nets import factory
from nets.checkpoints import CHECKPOINTS
from nets.factory import NETWORKS, check_image_size, find_network, get_network_fn
from preprocessing.factory import PREPROCESSING
from slim_on_tf2 import slim, tf

# Built elsewhere, or with the layers of one that is built here, and slow.
SLOW = {
    *(f"resnet_v{version}_{layers}" for version in (1, 2) for layers in (101, 152)),
    *("inception_resnet_v2", "inception_v4"),
    *(f"{family}_{size}" for family in ("nasnet", "pnasnet") for size in ("mobile", "large")),
    *("mobilenet_v1", "mobilenet_v1_075", "mobilenet_v1_050"),
    *(f"mobilenet_v2_{width}" for width in ("140", "130", "075", "050")),
    *(f"mobilenet_v3_{size}_075" for size in ("large", "large_minimalistic", "small")),
}
CLASSES = 17  # as no layer has


def module_of(row):
    return importlib.import_module(row.module)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_row_names_what_exists(name):
    row = NETWORKS[name]
    function = getattr(module_of(row), row.function)
    assert "weight_decay" in inspect.signature(getattr(module_of(row), row.arg_scope)).parameters

    scope = inspect.signature(function).parameters["scope"].default
    if scope:  # else its variables have no scope in common
        assert all(head.split("/")[0] == scope for head in row.head_scopes)
    assert row.has_dropout == ("dropout_keep_prob" in inspect.signature(function).parameters)
    assert 1 <= row.smallest_image_size <= row.image_size
    assert row.preprocessing in PREPROCESSING
    assert row.channels in (1, 3) and row.labels_offset in (0, 1)
    if hasattr(function, "default_image_size") and not name.startswith("resnet_v2"):
        assert row.image_size == function.default_image_size


@pytest.mark.parametrize("name", NETWORKS)
def test_a_row_names_its_own_checkpoint(name):
    row = NETWORKS[name]
    if row.checkpoint is None:
        assert row.published is None
    else:
        assert row.published == CHECKPOINTS[row.checkpoint]
        assert row.published.network == name
        assert row.published.image_size == row.image_size
        assert row.published.top_1 > 40


def test_the_rows_are_the_published_facts():
    for name, row in NETWORKS.items():
        if row.checkpoint:
            of_caffe = name.startswith(("vgg", "resnet_v1"))
            expected = ("vgg", 1000) if of_caffe else ("inception", 1001)
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
        assert row.published is None
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
        pytest.param(name, marks=pytest.mark.large) if name in SLOW else name
        for name, row in NETWORKS.items()
        if row.smallest_image_size > 1
    ],
)
def test_one_pixel_less_than_the_smallest_does_not_build(name):
    row = NETWORKS[name]
    side = row.smallest_image_size - 1
    with pytest.raises(ValueError, match=r"(?i)negative dimension|must be positive|zero"):
        get_network_fn(name, CLASSES, is_training=True)(tf.zeros([1, side, side, row.channels]))


def test_logits_of_a_large_image_are_the_average_over_space():
    images = tf.constant(golden_fill.images(300))
    logits, end_points = get_network_fn("alexnet_v2", 5)(images)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        result, predictions, grid = session.run(
            [logits, end_points["Predictions"], end_points["alexnet_v2/fc8"]]
        )
    assert grid.shape == (2, 4, 4, 5)
    np.testing.assert_allclose(result, grid.mean((1, 2)), rtol=1e-4, atol=1e-6)
    softmax = np.exp(result) / np.exp(result).sum(1, keepdims=True)
    np.testing.assert_allclose(predictions, softmax, rtol=1e-4)


def test_evaluation_leaves_the_auxiliary_head_out(monkeypatch):
    module = module_of(NETWORKS["inception_resnet_v2"])
    for block in ("block35", "block17", "block8"):  # a shallow network is built sooner
        monkeypatch.setattr(module, block, lambda net, **options: net)
    _, end_points = get_network_fn("inception_resnet_v2", 5)(tf.zeros([1, 75, 75, 3]))
    assert "AuxLogits" not in end_points


def test_a_moving_mean_by_hand():
    photos = golden_fill.images(9, batch=2)
    get_network_fn("mobilenet_v1_025", 5, is_training=True, batch_norm_decay=0.7)(
        tf.constant(photos)
    )
    (weights,) = slim.get_model_variables("MobilenetV1/Conv2d_0/weights")
    (mean,) = slim.get_model_variables("MobilenetV1/Conv2d_0/BatchNorm/moving_mean")
    with tf.Session() as session:
        golden_nets.fill(session)
        kernel, before = session.run([weights, mean])
        session.run(tf.get_collection(tf.GraphKeys.UPDATE_OPS))
        after = session.run(mean)

    padded = np.pad(photos, [(0, 0), (1, 1), (1, 1), (0, 0)])  # 9 px, 3x3, stride 2
    windows = [padded[:, y : y + 3, x : x + 3] for y in range(0, 9, 2) for x in range(0, 9, 2)]
    batch_mean = np.tensordot(np.stack(windows), kernel, 3).mean((0, 1))
    np.testing.assert_allclose(after, 0.7 * before + 0.3 * batch_mean, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("name", "layers"), [("vgg_a", 11), ("alexnet_v2", 8)])
def test_weight_decay_reaches_each_layer(name, layers):
    side = NETWORKS[name].smallest_image_size
    get_network_fn(name, 5, weight_decay=0.01)(tf.zeros([1, side, side, 3]))
    assert len(tf.losses.get_regularization_losses()) == layers


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("inception_resnet_v3", "did you mean inception_resnet_v2"),
        ("mobilenet_v1_25", "mobilenet_v1_025"),
        ("qqq", "there are inception_resnet_v2, inception_v4,"),
    ],
)
def test_an_unknown_network_is_one_line_with_those_spelled_alike(name, hint):
    for find in (find_network, lambda name: check_image_size(name, 99)):
        with pytest.raises(BadInput) as error:
            find(name)
        message = str(error.value)
        assert message.startswith(f"--model_name: there is no network '{name}'; ")
        assert hint in message and "\n" not in message


def test_a_size_too_small_names_the_flag_the_network_and_its_minimum():
    check_image_size("inception_resnet_v2", 75)
    with pytest.raises(BadInput, match="--image_size: inception_resnet_v2 needs at least 75 pix"):
        check_image_size("inception_resnet_v2", 74)
    with pytest.raises(BadInput, match="got 0"):
        check_image_size("mobilenet_v1", 0)


def test_the_table_is_read_without_tensorflow():
    code = "import sys, nets.factory as f; f.check_image_size('vgg_16', 224); print(*sys.modules)"
    root = Path(factory.__file__).parents[1]
    loaded = subprocess.check_output([sys.executable, "-c", code], cwd=root, text=True).split()
    assert "nets.factory" in loaded
    assert not {"tensorflow", "tf_slim", "numpy"} & set(loaded)


def test_batch_norm_can_be_frozen_in_some_layers_alone():
    network_fn = factory.get_network_fn(
        "mobilenet_v1_025", 3, is_training=True, freeze_batch_norm=lambda scope: "13" not in scope
    )
    network_fn(tf.zeros([2, 32, 32, 3]))
    updated = {op.name for op in tf.get_collection(tf.GraphKeys.UPDATE_OPS)}
    assert updated
    assert all("Conv2d_13_" in name for name in updated)
