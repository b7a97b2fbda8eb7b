import numpy as np
import pytest

from nets.dropout import drop_path, dropout
from slim_on_tf2 import slim, tf

EPSILON = float(np.finfo(np.float32).eps)


def masks(steps, scope="Dropout", seed=0):
    """The masks that a new process draws: bool [1000] per step."""
    with tf.Graph().as_default():
        tf.set_random_seed(seed)
        step = tf.train.create_global_step()
        kept = dropout(tf.ones([1000]), 0.5, scope=scope) > 0
        with tf.Session() as session:
            return [draw(session, kept, step, value) for value in steps]


def draw(session, kept, step, value):
    step.load(value, session)
    return session.run(kept)


def test_resumed_run_draws_same_masks_as_uninterrupted_run():
    uninterrupted = masks([0, 1, 2, 3])
    resumed = masks([2, 3])
    np.testing.assert_array_equal(uninterrupted[2:], resumed)


def test_mask_depends_on_step_layer_and_seed():
    (mask,) = masks([5])
    for (other,) in [masks([6]), masks([5], scope="Other"), masks([5], seed=1)]:
        assert 0.4 < np.mean(mask == other) < 0.6  # like independent coin tosses


def test_graph_without_global_step_uses_mask_of_step_0():
    kept = dropout(tf.ones([1000]), 0.5, scope="Dropout") > 0
    with tf.Session() as session:
        np.testing.assert_array_equal(session.run(kept), *masks([0]))


def test_mask_uses_global_step_before_its_increment():
    step = tf.train.create_global_step()
    weights = tf.get_variable("weights", [1000], initializer=tf.ones_initializer())
    outputs = dropout(weights, 0.5, scope="Dropout")
    train = tf.train.GradientDescentOptimizer(0.0).minimize(tf.reduce_sum(outputs), step)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        drawn = [session.run([outputs, train])[0] > 0 for _ in range(3)]
    np.testing.assert_array_equal(drawn, masks([0, 1, 2]))


@pytest.mark.parametrize("keep_prob", [0.2, 0.8, 1.0])
def test_kept_elements_are_scaled_to_preserve_mean(keep_prob):
    inputs = np.random.RandomState(0).uniform(1, 2, [200, 500]).astype(np.float32)
    with tf.Session() as session:
        outputs = session.run(dropout(tf.constant(inputs), keep_prob))
    kept = outputs != 0
    np.testing.assert_allclose(outputs[kept], inputs[kept] / keep_prob, rtol=4 * EPSILON)
    np.testing.assert_allclose(kept.mean(), keep_prob, atol=0.01)
    np.testing.assert_allclose(outputs.mean(), inputs.mean(), rtol=0.02)


def test_dropout_is_identity_in_evaluation():
    inputs = tf.ones([3, 4])
    assert dropout(inputs, 0.1, is_training=False) is inputs


def test_dropout_respects_arg_scope_and_reuse():
    inputs = tf.ones([10, 100])
    with slim.arg_scope([dropout], is_training=False):
        assert dropout(inputs) is inputs
    with tf.variable_scope("network"):
        first = dropout(inputs, scope="Dropout")
    with tf.variable_scope("network", reuse=True):
        again = dropout(inputs, scope="Dropout")
    with tf.Session() as session:
        np.testing.assert_array_equal(*session.run([first, again]))


def test_dropout_supports_unknown_batch_size():
    inputs = tf.placeholder(tf.float32, [None, 7])
    outputs = dropout(inputs, 0.5)
    assert outputs.shape.as_list() == [None, 7]
    with tf.Session() as session:
        assert session.run(outputs, {inputs: np.ones([3, 7])}).shape == (3, 7)


@pytest.mark.parametrize("keep_prob", [0, -0.5, 1.5])
def test_dropout_rejects_invalid_keep_prob(keep_prob):
    with pytest.raises(ValueError, match=r"keep_prob: expected a number in \(0, 1\]"):
        dropout(tf.ones([1]), keep_prob)


@pytest.mark.parametrize("as_tensor", [False, True])
def test_drop_path_drops_entire_examples(as_tensor):
    inputs = np.random.RandomState(0).uniform(1, 2, [2000, 3, 4, 5]).astype(np.float32)
    images = tf.placeholder(tf.float32, [None, None, None, 5])
    outputs = drop_path(images, tf.constant(0.8) if as_tensor else 0.8)
    assert outputs.shape.as_list() == [None, None, None, 5]
    with tf.Session() as session:
        result = session.run(outputs, {images: inputs})
    kept = np.any(result, (1, 2, 3))
    np.testing.assert_allclose(kept.mean(), 0.8, atol=0.03)
    np.testing.assert_allclose(result, inputs * kept[:, None, None, None] / 0.8, rtol=4 * EPSILON)


def test_dropped_paths_depend_on_step_layer_and_seed():
    def kept_at(value, scope="DropPath", seed=0):
        with tf.Graph().as_default():
            tf.set_random_seed(seed)
            step = tf.train.create_global_step()
            kept = drop_path(tf.ones([1000, 1]), 0.5, scope=scope)[:, 0] > 0
            with tf.Session() as session:
                return draw(session, kept, step, value)

    mask = kept_at(5)
    np.testing.assert_array_equal(mask, kept_at(5))
    for other in [kept_at(6), kept_at(5, scope="Other"), kept_at(5, seed=1)]:
        assert 0.4 < np.mean(mask == other) < 0.6  # like independent coin tosses


def test_drop_path_is_identity_in_evaluation_or_with_keep_prob_1():
    inputs = tf.ones([50, 2])
    assert drop_path(inputs) is inputs
    with slim.arg_scope([drop_path], is_training=False):
        assert drop_path(inputs, 0.1) is inputs


@pytest.mark.parametrize("keep_prob", [0, -0.5, 1.5])
def test_drop_path_rejects_invalid_keep_prob(keep_prob):
    with pytest.raises(ValueError, match="rate"):
        drop_path(tf.ones([1, 1]), keep_prob)
