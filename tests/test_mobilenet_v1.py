import golden_fill
import golden_nets
import numpy as np
import pytest

from nets import mobilenet_v1
from nets.mobilenet_v1 import mobilenet_v1_025, mobilenet_v1_arg_scope, mobilenet_v1_base
from slim_on_tf2 import slim, tf


@pytest.mark.parametrize(
    "name", ["mobilenet_v1", "mobilenet_v1_075", "mobilenet_v1_050", "mobilenet_v1_025"]
)
def test_equals_the_published_network(name):
    golden = golden_nets.read(name)
    images = tf.constant(golden_fill.images(golden["image_size"]))
    with slim.arg_scope(mobilenet_v1_arg_scope()):
        outputs = getattr(mobilenet_v1, name)(images, golden["num_classes"], is_training=False)

    golden_nets.check_variables(golden)
    with tf.Session() as session:
        golden_nets.fill(session)
        golden_nets.check_outputs(golden, *session.run(outputs))


def test_has_as_many_parameters_as_kerass_mobilenet():
    mobilenet_v1.mobilenet_v1(tf.zeros([1, 224, 224, 3]), 1000)  # without batch norm: biases
    with_biases = sum(np.prod(v.shape.as_list(), dtype=int) for v in slim.get_model_variables())
    normalized = 32 + sum(  # channels behind a batch norm, counted along Table 1 of the paper
        depth_in + depth_out
        for depth_in, depth_out in zip(
            [32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024],
            [64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024],
        )
    )
    # Batch norm has gamma, beta and two averages where a plain convolution has one bias.
    assert with_biases + 3 * normalized == 4_253_864


def test_takes_any_shape_and_reuses_its_variables():
    anything = tf.placeholder(tf.float32, [None, None, None, 3])
    fixed = tf.placeholder(tf.float32, [None, 33, 50, 3])
    with slim.arg_scope(mobilenet_v1_arg_scope()):
        first, _ = mobilenet_v1_025(fixed, 7, is_training=False)
        count = len(slim.get_model_variables())
        second, end_points = mobilenet_v1_025(anything, 7, is_training=False, reuse=True)
    assert len(slim.get_model_variables()) == count
    assert first.shape.as_list() == second.shape.as_list() == [None, 7]

    photos = np.random.RandomState(0).uniform(-1, 1, [3, 33, 50, 3])
    with tf.Session() as session:
        golden_nets.fill(session)
        by_first = session.run(first, {fixed: photos})
        by_second, grid = session.run(
            [second, end_points["Conv2d_13_pointwise"]], {anything: photos}
        )
        dot = session.run(second, {anything: photos[:1, :1, :1]})
    np.testing.assert_allclose(by_first, by_second, rtol=1e-5)
    assert grid.shape == (3, 2, 2, 256)  # ceil(33 / 32), ceil(50 / 32)
    assert dot.shape == (1, 7)


def test_without_reuse_a_second_network_is_an_error():
    images = tf.zeros([1, 32, 32, 3])
    mobilenet_v1_025(images, 5)
    with pytest.raises(ValueError, match="already exists"):
        mobilenet_v1_025(images, 5)


def test_takes_greyscale():
    mobilenet_v1_025(tf.zeros([1, 32, 32, 1]), 5)
    assert slim.get_model_variables("MobilenetV1/Conv2d_0/weights")[0].shape == [3, 3, 1, 8]


@pytest.mark.parametrize("last", ["Conv2d_0", "Conv2d_1_depthwise", "Conv2d_7_pointwise"])
def test_ends_at_any_end_point(last):
    names = list(golden_nets.read("mobilenet_v1")["end_points"])
    net, end_points = mobilenet_v1_base(tf.zeros([2, 64, 64, 3]), final_endpoint=last)
    assert list(end_points) == names[: names.index(last) + 1]
    assert net is end_points[last]


def test_depths_scale_down_to_the_least_depth():
    _, end_points = mobilenet_v1_base(tf.zeros([1, 32, 32, 3]), depth_multiplier=0.06, min_depth=5)
    depths = [end_points[f"Conv2d_{n}_pointwise"].shape[3] for n in range(1, 14)]
    assert depths == [5, 7, 7, 15, 15, 30, 30, 30, 30, 30, 30, 61, 61]


@pytest.mark.parametrize(
    "wrong", [{"final_endpoint": "Conv2d_14"}, {"depth_multiplier": 0}, {"depth_multiplier": -1}]
)
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        mobilenet_v1_base(tf.zeros([1, 32, 32, 3]), **wrong)


@pytest.mark.parametrize(("regularize_depthwise", "count"), [(False, 15), (True, 28)])
def test_weight_decay_spares_biases_and_depthwise_weights(regularize_depthwise, count):
    arg_scope = mobilenet_v1_arg_scope(0.02, regularize_depthwise=regularize_depthwise)
    with slim.arg_scope(arg_scope):
        mobilenet_v1_025(tf.zeros([1, 32, 32, 3]), 5)
    losses = tf.losses.get_regularization_losses()
    assert len(losses) == count

    leaves = ("weights", "depthwise_weights") if regularize_depthwise else ("weights",)
    weights = [v for v in slim.get_model_variables() if v.op.name.rsplit("/", 1)[1] in leaves]
    with tf.Session() as session:
        golden_nets.fill(session)
        squares = sum(np.sum(np.square(w, dtype=np.float64)) for w in session.run(weights))
        np.testing.assert_allclose(session.run(tf.add_n(losses)), 0.02 / 2 * squares, rtol=1e-4)


def test_training_mode_uses_the_batch_and_updates_the_averages():
    images = tf.constant(golden_fill.images(64, batch=4))
    with slim.arg_scope(mobilenet_v1_arg_scope(batch_norm_decay=0.9)):
        _, in_training = mobilenet_v1_025(images, 5, is_training=True)
        updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
        _, in_evaluation = mobilenet_v1_025(images, 5, is_training=False, reuse=True)
    assert len(updates) == 2 * 27  # mean and variance of each convolution but the last
    assert tf.get_collection(tf.GraphKeys.UPDATE_OPS) == updates

    grid = "Conv2d_5_pointwise"  # deeper ones hold too few values for a variance without bias
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        trained, before = session.run([in_training[grid], in_evaluation[grid]])
        for _ in range(100):
            session.run(updates)
        after = session.run(in_evaluation[grid])
    assert np.abs(after - trained).mean() < 0.05 * np.abs(before - trained).mean()
