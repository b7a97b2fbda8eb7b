import golden_fill
import golden_nets
import numpy as np
import pytest

from nets.lenet import lenet, lenet_arg_scope
from slim_on_tf2 import slim, tf

EPSILON = float(np.finfo(np.float32).eps)
GOLDEN = golden_nets.read("lenet")


def test_outputs_equal_published_network():
    images = tf.constant(golden_fill.images(28, channels=1))
    with slim.arg_scope(lenet_arg_scope()):
        outputs = lenet(images, is_training=False)
    golden_nets.check_variables(GOLDEN)
    assert not tf.losses.get_regularization_losses()
    with tf.Session() as session:
        golden_nets.fill(session)
        golden_nets.check_outputs(GOLDEN, *session.run(outputs))


def test_unknown_image_size_is_rejected():
    with pytest.raises(ValueError, match="last dimension"):
        lenet(tf.placeholder(tf.float32, [2, None, None, 1]), 7)


def test_dropout_is_applied_only_in_training():
    images = tf.constant(golden_fill.images(28, channels=1))
    with slim.arg_scope(lenet_arg_scope()):
        _, trained = lenet(images, is_training=True)
        _, evaluated = lenet(images, is_training=False, reuse=True)
    with tf.Session() as session:
        golden_nets.fill(session)
        for end_points, keep_prob in [(trained, 0.5), (evaluated, 1.0)]:
            features, dropped = session.run([end_points["fc3"], end_points["dropout3"]])
            np.testing.assert_allclose((dropped[features > 0] > 0).mean(), keep_prob, atol=0.05)
            kept = dropped > 0
            np.testing.assert_allclose(dropped[kept], features[kept] / keep_prob, rtol=4 * EPSILON)


def test_initial_values():
    with slim.arg_scope(lenet_arg_scope()):
        lenet(tf.zeros([1, 28, 28, 1]))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for variable in slim.get_model_variables():
            value = session.run(variable)
            if variable.op.name.endswith("/biases"):
                assert not value.any()
            else:  # truncation at 2 standard deviations leaves 0.88 of one
                assert np.abs(value).max() <= 0.2
                np.testing.assert_allclose(value.std(), 0.088, rtol=0.1)
