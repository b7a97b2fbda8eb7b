import golden_fill
import golden_nets
import numpy as np
import pytest

from nets.cifarnet import cifarnet, cifarnet_arg_scope, cifarnet_base
from slim_on_tf2 import slim, tf

GOLDEN = golden_nets.read("cifarnet")


def test_equals_the_published_network():
    images = tf.constant(golden_fill.images(32))
    with slim.arg_scope(cifarnet_arg_scope()):
        outputs = cifarnet(images, is_training=False)
    golden_nets.check_variables(GOLDEN)
    assert cifarnet.default_image_size == 32
    with tf.Session() as session:
        golden_nets.fill(session)
        golden_nets.check_outputs(GOLDEN, *session.run(outputs))


def test_normalizes_each_place_by_its_neighbours_in_depth():
    """Section 3.3 of the paper, in numpy: nine channels, or as many of them as there are."""
    images = tf.constant(golden_fill.images(32))
    _, end_points = cifarnet(images, is_training=False)
    weights, biases = slim.get_model_variables("CifarNet/conv2")
    with tf.Session() as session:
        golden_nets.fill(session)
        pooled = session.run(end_points["pool1"])
        normalized = np.empty_like(pooled)
        for channel in range(64):
            near = pooled[..., max(0, channel - 4) : channel + 5]
            scale = 1 + 0.001 / 9 * np.square(near).sum(-1)
            normalized[..., channel] = pooled[..., channel] / scale**0.75
        convolved = session.run(tf.nn.conv2d(normalized, weights, 1, "SAME") + biases)
        result = session.run(end_points["conv2"])
    np.testing.assert_allclose(result, np.maximum(convolved, 0), rtol=1e-4, atol=1e-5)


def test_the_body_alone_takes_images_of_any_size():
    with pytest.raises(ValueError, match="last dimension"):
        cifarnet(tf.placeholder(tf.float32, [2, None, None, 3]), 7)
    net, _ = cifarnet_base(tf.placeholder(tf.float32, [None, None, None, 3]))
    assert net.shape.as_list() == [None, None, None, 64]


def test_training_mode_drops_features_and_evaluation_does_not():
    images = tf.constant(golden_fill.images(32))
    with slim.arg_scope(cifarnet_arg_scope()):
        _, trained = cifarnet(images, is_training=True)
        _, whole = cifarnet(images, is_training=True, dropout_keep_prob=1.0, reuse=True)
        _, evaluated = cifarnet(images, is_training=False, reuse=True)
    with tf.Session() as session:
        golden_nets.fill(session)
        fc3, dropped, kept, expected = session.run(
            [trained["fc3"], trained["fc4"], whole["fc4"], evaluated["fc4"]]
        )
        np.testing.assert_array_equal(kept, expected)
        assert np.abs(dropped - expected).max() > 0.1
        np.testing.assert_array_equal(fc3, session.run(evaluated["fc3"]))


def test_begins_with_the_published_deviations_and_biases():
    with slim.arg_scope(cifarnet_arg_scope()):
        cifarnet(tf.zeros([1, 32, 32, 3]))
    deviations = {"conv1": 0.05, "conv2": 0.05, "fc3": 0.04, "fc4": 0.04, "logits": 1 / 192}
    biases = {"conv1": 0, "conv2": 0, "fc3": 0.1, "fc4": 0.1, "logits": 0}
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for layer, deviation in deviations.items():
            (weights,), (bias,) = (
                session.run(slim.get_model_variables(f"CifarNet/{layer}/{leaf}"))
                for leaf in ("weights", "biases")
            )
            # Cut at two standard deviations, a normal keeps 0.88 of one.
            np.testing.assert_allclose(weights.std(), 0.88 * deviation, rtol=0.05)
            np.testing.assert_allclose(bias, biases[layer])


@pytest.mark.parametrize("last", ["conv1", "pool1", "conv2", "pool2"])
def test_ends_at_any_end_point(last):
    names = list(GOLDEN["end_points"])
    net, end_points = cifarnet_base(tf.zeros([1, 32, 32, 3]), final_endpoint=last)
    assert list(end_points) == names[: names.index(last) + 1]
    assert net is end_points[last]
