import golden_fill
import golden_nets
import numpy as np
import pytest

from nets import networks
from nets.nas_cells import (
    CURRENT,
    PREVIOUS,
    Architecture,
    Cell,
    Wiring,
    auxiliary_logits,
    build_cell,
    cell_network,
    cell_network_arg_scope,
    factorized_reduction,
    identity,
    max_pool_3x3,
    normalize,
    scheduled_keep_prob,
    separable_3x3,
)
from nets.nets_factory import get_network_fn
from slim_on_tf2 import slim, tf

EPSILON = float(np.finfo(np.float32).eps)
# A network with all parts, built in a second.
WIRING = Wiring(
    blocks=(
        ((separable_3x3, PREVIOUS), (identity, CURRENT)),
        ((max_pool_3x3, PREVIOUS), (identity, 0)),
    ),
    outputs=(0, 1),
)
TINY = Architecture(
    stem_depth=5,
    cells=(
        Cell("cell_stem_0", WIRING, 4, stride=2),
        Cell("cell_stem_1", WIRING, 6, stride=2, end_point="Stem"),
        Cell("cell_0", WIRING, 6, end_point="Cell_0"),
        Cell("cell_1", WIRING, 6, end_point="Cell_1"),
    ),
    auxiliary_cell=0,
)


def tiny(
    inputs, num_classes, is_training=True, dropout_keep_prob=0.5, create_aux_logits=True, **options
):
    return cell_network(
        inputs,
        num_classes,
        is_training,
        dropout_keep_prob,
        create_aux_logits=create_aux_logits,
        architecture=TINY,
        **options,
    )


def tiny_arg_scope(weight_decay=0.00004):
    return cell_network_arg_scope(weight_decay)


@pytest.fixture
def tiny_network_fn(monkeypatch):
    """`get_network_fn` for the tiny network."""
    row = networks.Network(
        module=__name__,
        function="tiny",
        arg_scope="tiny_arg_scope",
        image_size=32,
        smallest_image_size=3,
        preprocessing="inception",
        head_scopes=("final_layer", "aux_0"),
    )
    monkeypatch.setitem(networks.NETWORKS, "tiny", row)
    return lambda **options: get_network_fn("tiny", 5, **options)


def values(session):
    """Name -> value of the model variables."""
    return session.run({v.op.name: v for v in slim.get_model_variables()})


@pytest.mark.parametrize(("height", "width"), [(4, 6), (5, 3), (1, 1)])
def test_factorized_reduction_in_numpy(height, width):
    grid = np.random.RandomState(0).uniform(-1, 1, [2, height, width, 3]).astype(np.float32)
    with (
        slim.arg_scope([slim.conv2d], activation_fn=None, biases_initializer=None),
        slim.arg_scope([normalize], normalizer_fn=lambda net, scope: net + 10),
    ):
        outputs = factorized_reduction(tf.constant(grid), 5)
    with tf.Session() as session:
        golden_nets.fill(session)
        result = session.run(outputs)
        value = values(session)

    even, odd = grid[:, ::2, ::2], np.zeros_like(grid[:, ::2, ::2])
    inside = grid[:, 1::2, 1::2]
    odd[:, : inside.shape[1], : inside.shape[2]] = inside
    even = even @ value["path1_conv/weights"][0, 0]
    odd = odd @ value["path2_conv/weights"][0, 0]
    assert (even.shape[3], odd.shape[3]) == (2, 3)
    golden_nets.check_logits(result, np.concatenate([even, odd], 3) + 10)


def test_batch_norm_in_numpy():
    grid = np.random.RandomState(0).uniform(-1, 1, [2, 3, 4, 5]).astype(np.float32)
    with slim.arg_scope(cell_network_arg_scope(0.0, batch_norm_decay=0.7, batch_norm_epsilon=0.1)):
        outputs = normalize(tf.constant(grid), scope="some_bn")
    with tf.Session() as session:
        golden_nets.fill(session)
        before = values(session)
        result = session.run(outputs)
        session.run(tf.get_collection(tf.GraphKeys.UPDATE_OPS))
        after = values(session)

    mean, variance = grid.mean((0, 1, 2)), grid.var((0, 1, 2))
    expected = (grid - mean) / np.sqrt(variance + 0.1)
    expected = expected * before["some_bn/gamma"] + before["some_bn/beta"]
    golden_nets.check_logits(result, expected)
    expected = 0.7 * before["some_bn/moving_mean"] + 0.3 * mean
    golden_nets.check_logits(after["some_bn/moving_mean"], expected)


def test_cell_applies_operations_of_its_wiring():
    """Operations that multiply by a factor and by the stride reveal their arguments."""

    def times(factor):
        return lambda net, depth, stride: factor * stride * net

    wiring = Wiring(
        blocks=(
            ((times(1), CURRENT), (times(10), PREVIOUS)),
            ((times(100), 0), (times(1000), CURRENT)),
        ),
        outputs=(PREVIOUS, 1),
    )
    current, previous = np.random.RandomState(0).uniform(1, 2, [2, 3, 2, 2, 4]).astype(np.float32)
    identity_weights = np.eye(4, dtype=np.float32)[None, None]
    with (
        slim.arg_scope(
            [slim.conv2d],
            activation_fn=None,
            biases_initializer=None,
            weights_initializer=tf.constant_initializer(identity_weights),
        ),
        slim.arg_scope([normalize], normalizer_fn=lambda net, scope: net),
    ):
        outputs = build_cell(Cell("cell_9", wiring, 4, stride=2), current, previous, False)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        result = session.run(outputs)
    first = 1 * 2 * current + 10 * 2 * previous
    second = 100 * 1 * first + 1000 * 2 * current
    np.testing.assert_allclose(result, np.concatenate([previous, second], 3), rtol=8 * EPSILON)
    assert [v.op.name for v in slim.get_model_variables()] == ["cell_9/1x1/weights"]


@pytest.mark.parametrize(
    ("step", "keep_prob", "relative_depth", "expected"),
    [
        (0, 0.6, 1.0, 1.0),
        (50, 0.6, 1.0, 0.8),
        (100, 0.6, 1.0, 0.6),
        (1000, 0.6, 1.0, 0.6),
        (100, 0.6, 0.25, 0.9),
        (50, 0.6, 0.25, 0.95),
        (100, 1.0, 1.0, 1.0),
    ],
)
def test_drop_rate_increases_with_step_and_depth(step, keep_prob, relative_depth, expected):
    global_step = tf.train.create_global_step()
    scheduled = tf.convert_to_tensor(scheduled_keep_prob(keep_prob, relative_depth, 100))
    with tf.Session() as session:
        global_step.load(step, session)
        np.testing.assert_allclose(session.run(scheduled), expected, rtol=4 * EPSILON)


def test_no_path_is_dropped_without_global_step():
    assert scheduled_keep_prob(0.5, 1.0, 100) == 1.0


@pytest.mark.parametrize("keep_prob", [0, -1, 1.1])
def test_invalid_drop_path_keep_prob_is_rejected(keep_prob):
    with pytest.raises(ValueError, match=r"drop_path_keep_prob: expected a number in \(0, 1\]"):
        tiny(tf.zeros([1, 8, 8, 3]), 5, drop_path_keep_prob=keep_prob)


def test_training_drops_paths_of_single_examples():
    def nothing(net, depth, stride):
        return tf.zeros_like(net)

    wiring = Wiring(blocks=(((separable_3x3, CURRENT), (nothing, CURRENT)),), outputs=(0,))
    one_cell = Architecture(5, (Cell("cell_0", wiring, 4, end_point="Cell_0"),), auxiliary_cell=0)
    images = tf.constant(np.tile(golden_fill.images(9, batch=1), [1000, 1, 1, 1]))
    step = tf.train.create_global_step()
    with slim.arg_scope(tiny_arg_scope()):
        path, _ = cell_network(
            images,
            final_endpoint="Cell_0",
            drop_path_keep_prob=0.6,
            total_training_steps=10,
            architecture=one_cell,
        )
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        step.load(0, session)
        undropped = session.run(path)
        step.load(10, session)
        dropped = session.run(path)
    assert np.all(np.any(undropped, (1, 2, 3)))
    kept = np.any(dropped, (1, 2, 3))
    np.testing.assert_allclose(kept.mean(), 0.6, atol=0.05)
    golden_nets.check_logits(dropped[kept], undropped[kept] / 0.6)


@pytest.mark.parametrize(("side", "pooled"), [(1, 1), (4, 1), (5, 1), (8, 2), (14, 4), (21, 6)])
def test_auxiliary_kernel_has_size_of_pooled_grid(side, pooled):
    with slim.arg_scope(tiny_arg_scope()):
        logits = auxiliary_logits(tf.zeros([2, side, side, 9]), 7, "aux_3")
    assert logits.shape.as_list() == [2, 7]
    (weights,) = slim.get_model_variables("aux_3/aux_logits/Conv/weights")
    assert weights.shape.as_list() == [pooled, pooled, 128, 768]


def test_auxiliary_head_of_small_grid_in_numpy():
    grid = np.random.RandomState(0).uniform(-1, 1, [2, 4, 4, 9]).astype(np.float32)
    with (
        slim.arg_scope(tiny_arg_scope()),
        slim.arg_scope([slim.batch_norm], is_training=False),
    ):
        logits = auxiliary_logits(tf.constant(grid), 7, "aux_3")
    with tf.Session() as session:
        golden_nets.fill(session)
        result = session.run(logits)
        value = {name.removeprefix("aux_3/aux_logits/"): v for name, v in values(session).items()}

    expected = np.maximum(grid, 0).mean((1, 2))
    for conv, norm in [("proj", "aux_bn0"), ("Conv", "aux_bn1")]:
        expected = expected @ value[f"{conv}/weights"][0, 0] - value[f"{norm}/moving_mean"]
        expected *= value[f"{norm}/gamma"] / np.sqrt(value[f"{norm}/moving_variance"] + 0.001)
        expected = np.maximum(expected + value[f"{norm}/beta"], 0)
    expected = expected @ value["FC/weights"] + value["FC/biases"]
    golden_nets.check_logits(result, expected)


def test_network_can_be_reused_for_images_of_any_size():
    anything = tf.placeholder(tf.float32, [None, None, None, 3])
    fixed = tf.placeholder(tf.float32, [None, 33, 50, 3])
    with slim.arg_scope(tiny_arg_scope()):
        first, _ = tiny(fixed, 7, is_training=False)
        variables = slim.get_model_variables()
        second, end_points = tiny(anything, 7, is_training=False, reuse=True)
        _, in_training = tiny(anything, 7, is_training=True, reuse=True)
    assert slim.get_model_variables() == variables
    assert first.shape.as_list() == second.shape.as_list() == [None, 7]
    assert "AuxLogits" not in in_training  # the shape of its weights would be unknown

    batch = np.random.RandomState(0).uniform(-1, 1, [3, 33, 50, 3])
    with tf.Session() as session:
        golden_nets.fill(session)
        by_first = session.run(first, {fixed: batch})
        by_second, grid = session.run([second, end_points["Cell_1"]], {anything: batch})
        smallest = session.run(second, {anything: batch[:1, :3, :3]})
    golden_nets.check_logits(by_first, by_second)
    assert grid.shape == (3, 4, 6, 12)  # (33 - 1) / 2 / 4, (50 - 2) / 2 / 4
    assert smallest.shape == (1, 7)


def test_image_size_affects_only_variables_of_auxiliary_head():
    shapes = []
    for side in (3, 100):
        with tf.Graph().as_default(), slim.arg_scope(tiny_arg_scope()):
            tiny(tf.zeros([1, side, side, 3]), 7)
            variables = slim.get_model_variables()
            shapes.append({v.op.name: v.shape.as_list() for v in variables})
    different = {name for name in shapes[1] if shapes[0][name] != shapes[1][name]}
    assert different == {"aux_0/aux_logits/Conv/weights"}


def test_image_below_3_pixels_is_too_small():
    with pytest.raises(ValueError, match="Negative dimension"):
        tiny(tf.zeros([1, 2, 2, 3]), 5)


def test_scope_can_be_set_and_second_network_needs_reuse():
    images = tf.zeros([1, 8, 8, 3])
    tiny(images, 5)
    tiny(images, 5, scope="Second")
    names = [variable.op.name for variable in slim.get_model_variables()]
    first = [name for name in names if not name.startswith("Second/")]
    assert names[len(first) :] == [f"Second/{name}" for name in first]
    with pytest.raises(ValueError, match="already exists"):
        tiny(images, 5)


@pytest.mark.parametrize("last", ["Stem", "Cell_0", "Cell_1"])
def test_network_ends_at_any_end_point(last):
    names = ["Stem", "Cell_0", "Cell_1"]
    net, end_points = tiny(tf.zeros([1, 8, 8, 3]), 5, final_endpoint=last)
    assert list(end_points) == names[: names.index(last) + 1]
    assert net is end_points[last]


def test_unknown_end_point_is_rejected():
    with pytest.raises(
        ValueError, match="final_endpoint: expected one of Stem, Cell_0, Cell_1, got 'Cell_2'"
    ):
        tiny(tf.zeros([1, 8, 8, 3]), 5, final_endpoint="Cell_2")


@pytest.mark.parametrize(
    "options", [{"is_training": False}, {"is_training": True, "create_aux_logits": False}]
)
def test_auxiliary_head_is_built_only_in_training_and_if_requested(options):
    _, end_points = tiny(tf.zeros([1, 8, 8, 3]), 5, **options)
    assert list(end_points) == ["Stem", "Cell_0", "Cell_1", "global_pool", "Logits", "Predictions"]
    assert not slim.get_model_variables("aux_0")


def test_weight_decay_excludes_biases_and_batch_norm():
    with slim.arg_scope(tiny_arg_scope(0.02)):
        tiny(tf.zeros([1, 8, 8, 3]), 5)
    weights = [v for v in slim.get_model_variables() if v.op.name.endswith("weights")]
    losses = tf.losses.get_regularization_losses()
    assert len(losses) == len(weights)
    with tf.Session() as session:
        golden_nets.fill(session)
        squares = sum(np.sum(np.square(w, dtype=np.float64)) for w in session.run(weights))
        np.testing.assert_allclose(
            session.run(tf.add_n(losses)), 0.02 / 2 * squares, rtol=golden_nets.ROUNDING
        )


def test_initial_loss_of_both_heads_is_moderate():
    images = tf.constant(golden_fill.images(32, batch=4))
    with slim.arg_scope(tiny_arg_scope()):
        _, end_points = tiny(images, 4, is_training=True)
    losses = [
        tf.losses.sparse_softmax_cross_entropy([0, 1, 2, 3], end_points[head])
        for head in ("Logits", "AuxLogits")
    ]
    gradients = [tf.gradients(loss, slim.get_model_variables("conv0/weights")) for loss in losses]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert max(session.run(losses)) < 3 * np.log(4)
        for (gradient,) in session.run(gradients):
            assert np.abs(gradient).max() > 0


def test_training_with_frozen_batch_norm_equals_evaluation(tiny_network_fn):
    images = tf.constant(golden_fill.images(32))
    _, trained = tiny_network_fn(is_training=True, freeze_batch_norm=True)(images)
    assert not tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    _, evaluated = tiny_network_fn()(images, reuse=True)
    ends = [[of["global_pool"], of["Logits"]] for of in (trained, evaluated)]
    with tf.Session() as session:
        golden_nets.fill(session)
        (frozen, with_dropout), (expected, without_dropout) = session.run(ends)
    np.testing.assert_array_equal(frozen, expected)
    assert np.all(with_dropout != without_dropout)
    assert trained["AuxLogits"].shape == [2, 5]


def test_batch_norm_can_be_frozen_in_single_layers(tiny_network_fn):
    trains = ("cell_1/comb_iter_0", "conv0_bn")
    tiny_network_fn(is_training=True, freeze_batch_norm=lambda scope: not scope.startswith(trains))(
        tf.zeros([2, 8, 8, 3])
    )
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    assert len(updates) == 2 * (1 + 2)  # averages of conv0_bn and of two separable convolutions
    assert all(update.name.startswith(trains) for update in updates)
