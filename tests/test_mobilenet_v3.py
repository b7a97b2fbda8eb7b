from types import SimpleNamespace

import golden_fill
import golden_nets
import numpy as np
import pytest

from nets import mobilenet_v3
from nets.mobilenet_v3 import (
    LARGE,
    LARGE_MINIMALISTIC,
    SMALL,
    SMALL_MINIMALISTIC,
    hard_swish,
    mobilenet_v3_arg_scope,
    mobilenet_v3_base,
    mobilenet_v3_small,
    squeeze_excite,
)
from slim_on_tf2 import slim, tf


@pytest.mark.parametrize(
    "name",
    [
        "mobilenet_v3_large",
        "mobilenet_v3_small",
        "mobilenet_v3_large_minimalistic",
        "mobilenet_v3_small_minimalistic",
    ],
)
def test_equals_the_published_network(name):
    golden = golden_nets.read(name)
    images = tf.constant(golden_fill.images(golden["image_size"]))
    with slim.arg_scope(mobilenet_v3_arg_scope()):
        outputs = getattr(mobilenet_v3, name)(images, golden["num_classes"], is_training=False)

    golden_nets.check_variables(golden)
    with tf.Session() as session:
        golden_nets.fill(session)
        golden_nets.check_outputs(golden, *session.run(outputs))


@pytest.mark.parametrize(
    ("name", "multiply_adds", "parameters"),
    [
        ("mobilenet_v3_large", 219, 5.4),
        ("mobilenet_v3_large_075", 155, 4.0),
        ("mobilenet_v3_small", 56, 2.5),
        ("mobilenet_v3_small_075", 44, 2.0),
    ],
)
def test_has_the_published_cost(name, multiply_adds, parameters):
    """In millions, as Table 3 of the paper has them; it does not say what it counts to the last."""
    getattr(mobilenet_v3, name)(tf.zeros([1, 224, 224, 3]), is_training=False)
    total = sum(np.prod(v.shape.as_list()) for v in slim.get_model_variables())
    np.testing.assert_allclose(total / 1e6, parameters, rtol=0.02)

    operations = tf.get_default_graph().get_operations()
    total = sum(
        np.prod(op.outputs[0].shape.as_list()[1:3]) * np.prod(op.inputs[1].shape.as_list())
        for op in operations
        if op.type in ("Conv2D", "DepthwiseConv2dNative")
    )
    np.testing.assert_allclose(total / 1e6, multiply_adds, rtol=0.02)


def test_takes_greyscale_and_without_reuse_a_second_network_is_an_error():
    images = tf.zeros([1, 32, 32, 1])
    logits, _ = mobilenet_v3_small(images, 5)
    assert logits.shape == [1, 5]
    assert slim.get_model_variables("MobilenetV3/Conv/weights")[0].shape == [3, 3, 1, 16]
    with pytest.raises(ValueError, match="already exists"):
        mobilenet_v3_small(images, 5)


@pytest.mark.parametrize(
    ("name", "architecture", "last"),
    [
        ("mobilenet_v3_large", LARGE, "layer_1"),
        ("mobilenet_v3_large_minimalistic", LARGE_MINIMALISTIC, "layer_5"),
        ("mobilenet_v3_small", SMALL, "layer_3"),
        ("mobilenet_v3_small_minimalistic", SMALL_MINIMALISTIC, "layer_15"),
    ],
)
def test_ends_at_any_layer(name, architecture, last):
    names = list(golden_nets.read(name)["end_points"])
    layers = [f"layer_{number}" for number in range(1, int(last[6:]) + 1)]
    net, end_points = mobilenet_v3_base(tf.zeros([2, 64, 64, 3]), architecture, last)
    assert set(end_points) == {name for name in names if name.split("/")[0] in layers}
    assert net is end_points[last]


@pytest.mark.parametrize(
    "wrong", [{"final_endpoint": "layer_20"}, {"depth_multiplier": 0}, {"depth_multiplier": -1}]
)
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        mobilenet_v3_base(tf.zeros([1, 32, 32, 3]), **wrong)


@pytest.mark.parametrize("regularize_depthwise", [False, True])
def test_weight_decay_spares_biases_and_depthwise_weights(regularize_depthwise):
    arg_scope = mobilenet_v3_arg_scope(0.02, regularize_depthwise=regularize_depthwise)
    with slim.arg_scope(arg_scope):
        mobilenet_v3_base(tf.zeros([1, 32, 32, 3]), SMALL, "layer_3")
    losses = tf.losses.get_regularization_losses()
    leaves = ("weights", "depthwise_weights") if regularize_depthwise else ("weights",)
    weights = [v for v in slim.get_model_variables() if v.op.name.rsplit("/", 1)[1] in leaves]
    # The first convolution, two of squeeze-and-excite, one expansion and two projections.
    assert len(losses) == len(weights) == 6 + 2 * regularize_depthwise

    with tf.Session() as session:
        golden_nets.fill(session)
        squares = sum(np.sum(np.square(w, dtype=np.float64)) for w in session.run(weights))
        np.testing.assert_allclose(session.run(tf.add_n(losses)), 0.02 / 2 * squares, rtol=1e-4)


def test_hard_swish_by_hand():
    points = tf.constant([-9.0, -3.0, -1.0, 0.0, 1.0, 3.0, 9.0])
    with tf.Session() as session:
        values = session.run(hard_swish(points))
    np.testing.assert_allclose(values, [0, 0, -1 / 3, 0, 2 / 3, 3, 9], rtol=1e-6)


def test_squeeze_and_excite_by_hand():
    net = np.random.RandomState(0).normal(size=[2, 5, 7, 96]).astype(np.float32)
    with slim.arg_scope(mobilenet_v3_arg_scope()):
        result = squeeze_excite(tf.constant(net))
    with tf.Session() as session:
        golden_nets.fill(session)
        value = session.run(result)
        weight = {v.op.name[15:]: session.run(v) for v in slim.get_model_variables()}
    assert weight["Conv/weights"].shape == (1, 1, 96, 24)

    gate = net.mean((1, 2)) @ weight["Conv/weights"][0, 0] + weight["Conv/biases"]
    gate = np.maximum(gate, 0) @ weight["Conv_1/weights"][0, 0] + weight["Conv_1/biases"]
    gate = np.clip((gate + 3) / 6, 0, 1)
    np.testing.assert_allclose(value, net * gate[:, None, None], rtol=1e-4)


@pytest.fixture(scope="module")
def trained():
    """The network in training at 65x97, and its variables reused in evaluation at any size."""
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(0)
        images = tf.placeholder(tf.float32, [None, 65, 97, 3])
        anything = tf.placeholder(tf.float32, [None, None, None, 3])
        with slim.arg_scope(mobilenet_v3_arg_scope(batch_norm_decay=0.7)):
            _, in_training = mobilenet_v3_small(images, 7, is_training=True)
            _, in_evaluation = mobilenet_v3_small(anything, 7, is_training=False, reuse=True)
    with tf.Session(graph=graph) as session:
        yield SimpleNamespace(**locals())


def test_an_odd_size_is_halved_upwards(trained):
    """From 65 to 33, 17, 9, 5 and 3, and from 97 to 49, 25, 13, 7 and 4."""
    grids = [[33, 49], [17, 25], *[[9, 13]] * 2, *[[5, 7]] * 5, *[[3, 4]] * 4, *[[1, 1]] * 2]
    layers = [trained.in_training[f"layer_{number}"] for number in range(1, 16)]
    assert [layer.shape[1:3] for layer in layers] == grids


def test_reuse_adds_no_variable_no_update_and_no_loss(trained):
    with trained.graph.as_default():
        # 34 convolutions with batch norm, 11 of them depthwise; without it 18 of squeeze-and-excite
        # and 2 behind the pooling.
        assert len(slim.get_model_variables()) == 5 * 34 + 2 * 20
        assert len(tf.get_collection(tf.GraphKeys.UPDATE_OPS)) == 2 * 34
        assert len(tf.losses.get_regularization_losses()) == 34 - 11 + 20


@pytest.mark.parametrize("size", [(1, 1), (31, 2), (97, 160)])
def test_takes_any_batch_of_any_size(trained, size):
    with trained.graph.as_default():
        golden_nets.fill(trained.session)
    logits = trained.in_evaluation["Logits"]
    assert logits.shape.as_list() == trained.in_training["Logits"].shape.as_list() == [None, 7]
    values = trained.session.run(logits, {trained.anything: np.ones([3, *size, 3])})
    assert values.shape == (3, 7)
    assert np.isfinite(values).all()


def test_training_mode_uses_the_batch_updates_the_averages_and_drops(trained):
    photos = golden_fill.images(97, batch=4)[:, :65]
    inputs = {trained.images: photos, trained.anything: photos}
    modes = [trained.in_training, trained.in_evaluation]
    grids = [end_points["layer_2"] for end_points in modes]  # deeper ones have too few values
    with trained.graph.as_default():
        initialize = tf.global_variables_initializer()
        updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    run = trained.session.run
    run(initialize)
    by_batch, before = run(grids, inputs)
    for _ in range(30):
        run(updates, inputs)
    by_batch, after = run(grids, inputs)
    assert np.abs(after - by_batch).mean() < 0.05 * np.abs(before - by_batch).mean()

    for end_points, share in zip(modes, [0.8, 1.0]):
        pooled, kept = run([end_points["global_pool"], _classified(end_points)], inputs)
        np.testing.assert_allclose((kept[pooled != 0] != 0).mean(), share, atol=0.05)


def _classified(end_points):
    """What the convolution of the classifier takes: back from the squeezing and the biases."""
    biased = end_points["Logits"].op.inputs[0].op
    return biased.inputs[0].op.inputs[0]
