import golden_fill
import golden_nets
import numpy as np
import pytest

from nets.lenet import lenet, lenet_arg_scope, lenet_base
from slim_on_tf2 import slim, tf

GOLDEN = golden_nets.read("lenet")


def test_equals_the_published_network():
    images = tf.constant(golden_fill.images(28, channels=1))
    with slim.arg_scope(lenet_arg_scope()):
        outputs = lenet(images, is_training=False)
    golden_nets.check_variables(GOLDEN)
    assert lenet.default_image_size == 28
    assert not tf.losses.get_regularization_losses()
    with tf.Session() as session:
        golden_nets.fill(session)
        golden_nets.check_outputs(GOLDEN, *session.run(outputs))


def test_the_body_alone_takes_images_of_any_size():
    with pytest.raises(ValueError, match="last dimension"):
        lenet(tf.placeholder(tf.float32, [2, None, None, 1]), 7)
    net, _ = lenet_base(tf.placeholder(tf.float32, [None, None, None, 1]))
    assert net.shape.as_list() == [None, None, None, 64]


def test_training_mode_drops_features_and_evaluation_does_not():
    images = tf.constant(golden_fill.images(28, channels=1))
    with slim.arg_scope(lenet_arg_scope()):
        _, trained = lenet(images, is_training=True)
        _, evaluated = lenet(images, is_training=False, reuse=True)
    with tf.Session() as session:
        golden_nets.fill(session)
        for end_points, share in [(trained, 0.5), (evaluated, 1.0)]:
            features, dropped = session.run([end_points["fc3"], end_points["dropout3"]])
            np.testing.assert_allclose((dropped[features > 0] > 0).mean(), share, atol=0.05)
            kept = dropped > 0
            np.testing.assert_allclose(dropped[kept], features[kept] / share, rtol=1e-5)


def test_begins_with_small_weights_and_no_biases():
    with slim.arg_scope(lenet_arg_scope()):
        lenet(tf.zeros([1, 28, 28, 1]))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for variable in slim.get_model_variables():
            value = session.run(variable)
            if variable.op.name.endswith("/biases"):
                assert not value.any()
            else:  # cut at two standard deviations, a normal keeps 0.88 of one
                assert np.abs(value).max() <= 0.2
                np.testing.assert_allclose(value.std(), 0.088, rtol=0.1)


@pytest.mark.parametrize("last", ["conv1", "pool1", "conv2", "pool2"])
def test_ends_at_any_end_point(last):
    names = list(GOLDEN["end_points"])
    net, end_points = lenet_base(tf.zeros([1, 28, 28, 1]), final_endpoint=last)
    assert list(end_points) == names[: names.index(last) + 1]
    assert net is end_points[last]
