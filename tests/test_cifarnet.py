import golden_fill
import golden_nets
import numpy as np
import pytest

from nets.cifarnet import cifarnet, cifarnet_arg_scope
from slim_on_tf2 import slim, tf

GOLDEN = golden_nets.read("cifarnet")


def test_outputs_equal_published_network():
    images = tf.constant(golden_fill.images(32))
    with slim.arg_scope(cifarnet_arg_scope()):
        outputs = cifarnet(images, is_training=False)
    golden_nets.check_variables(GOLDEN)
    with tf.Session() as session:
        golden_nets.fill(session)
        golden_nets.check_outputs(GOLDEN, *session.run(outputs))


def test_local_response_normalization():
    """Section 3.3 of the paper, in NumPy: over up to nine neighboring channels."""
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
    golden_nets.check_logits(result, np.maximum(convolved, 0))


def test_unknown_image_size_is_rejected():
    with pytest.raises(ValueError, match="last dimension"):
        cifarnet(tf.placeholder(tf.float32, [2, None, None, 3]), 7)


def test_dropout_is_applied_only_in_training():
    images = tf.constant(golden_fill.images(32))
    with slim.arg_scope(cifarnet_arg_scope()):
        _, trained = cifarnet(images, is_training=True)
        _, kept_all = cifarnet(images, is_training=True, dropout_keep_prob=1.0, reuse=True)
        _, evaluated = cifarnet(images, is_training=False, reuse=True)
    with tf.Session() as session:
        golden_nets.fill(session)
        fc3, dropped, kept, expected = session.run(
            [trained["fc3"], trained["fc4"], kept_all["fc4"], evaluated["fc4"]]
        )
        np.testing.assert_array_equal(kept, expected)
        assert np.abs(dropped - expected).max() > 0.1
        np.testing.assert_array_equal(fc3, session.run(evaluated["fc3"]))


def test_initial_values_are_published_ones():
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
            # Truncation at 2 standard deviations leaves 0.88 of one.
            np.testing.assert_allclose(weights.std(), 0.88 * deviation, rtol=0.05)
            np.testing.assert_allclose(bias, biases[layer])
