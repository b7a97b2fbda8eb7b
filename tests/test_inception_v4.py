from types import SimpleNamespace

import golden_fill
import golden_nets
import numpy as np
import pytest

from nets import inception_v4 as module
from nets.inception_v4 import inception_v4, inception_v4_arg_scope, inception_v4_base
from slim_on_tf2 import slim, tf

GOLDEN = golden_nets.read("inception_v4")


def count_parameters(variables):
    return sum(np.prod(variable.shape.as_list(), dtype=int) for variable in variables)


@pytest.fixture(scope="module")
def published():
    """The graph of the network in evaluation mode."""
    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.float32, [None, 299, 299, 3])
        with slim.arg_scope(inception_v4_arg_scope()):
            outputs = inception_v4(images, 5, is_training=False)
    return SimpleNamespace(graph=graph, images=images, outputs=outputs)


def test_outputs_equal_published_network(published):
    with published.graph.as_default():
        golden_nets.check_variables(GOLDEN)
    with tf.Session(graph=published.graph) as session:
        golden_nets.fill(session)
        feed = {published.images: golden_fill.images(299)}
        golden_nets.check_outputs(GOLDEN, *session.run(published.outputs, feed))


def test_number_of_parameters_equals_that_of_pytorch_port(published):
    """The port has no auxiliary head, but a gamma for each beta, and 1,000 classes."""
    with published.graph.as_default():
        body = [v for v in tf.trainable_variables() if "/AuxLogits/" not in v.op.name]
    gammas = count_parameters(v for v in body if v.op.name.endswith("/beta"))
    more_classes = (1000 - 5) * (1536 + 1)
    assert count_parameters(body) + gammas + more_classes == 42_679_816


@pytest.fixture
def shallow(monkeypatch):
    """Replaces the 14 Inception blocks by the identity: same shapes, built ten times faster."""
    for block in ("inception_a", "inception_b", "inception_c"):
        monkeypatch.setattr(module, block, lambda net, scope: net)


def test_network_can_be_reused_for_images_of_any_size(shallow):
    """The grids are computed by hand from the 3x3 windows along the network."""
    anything = tf.placeholder(tf.float32, [None, None, None, 3])
    with slim.arg_scope(inception_v4_arg_scope()):
        fixed, _ = inception_v4(tf.zeros([1, 97, 160, 3]), 5, is_training=False)
        variables = slim.get_model_variables()
        logits, end_points = inception_v4(anything, 5, is_training=False, reuse=True)
    assert slim.get_model_variables() == variables
    assert logits.shape.as_list() == [None, 5]
    assert "AuxLogits" not in end_points  # the shape of its weights would be unknown

    names = ["Mixed_3a", "Mixed_4a", "Mixed_5a", "Mixed_6a", "Mixed_7a"]
    fetches = [logits, [end_points[name] for name in names]]
    with tf.Session() as session:
        golden_nets.fill(session)
        of_small, small = session.run(fetches, {anything: np.zeros([3, 75, 75, 3])})
        of_large, large = session.run(fetches, {anything: np.zeros([1, 97, 160, 3])})
        golden_nets.check_logits(of_large, session.run(fixed))
    assert of_small.shape == (3, 5)
    assert [v.shape[1:3] for v in small] == [(17, 17), (15, 15), (7, 7), (3, 3), (1, 1)]
    assert [v.shape[1:3] for v in large] == [(22, 38), (20, 36), (9, 17), (4, 8), (1, 3)]


def test_image_below_75_pixels_is_too_small(shallow):
    with pytest.raises(ValueError, match="Negative dimension"):
        inception_v4_base(tf.zeros([1, 74, 74, 3]))


@pytest.mark.parametrize("size", [75, 160])
def test_both_heads_train_on_small_images(shallow, size):
    images = tf.constant(golden_fill.images(size, batch=4))
    with slim.arg_scope(inception_v4_arg_scope()):
        _, end_points = inception_v4(images, 5, is_training=True)
    loss = tf.add_n(
        tf.losses.sparse_softmax_cross_entropy([0, 1, 2, 3], end_points[head])
        for head in ("Logits", "AuxLogits")
    )
    weights = [
        slim.get_model_variables(f"InceptionV4/{layer}/weights")[0]
        for layer in ("Logits/Logits", "AuxLogits/Aux_logits", "Conv2d_1a_3x3")
    ]
    gradients = tf.gradients(loss, weights)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for gradient in session.run(gradients):
            assert np.abs(gradient).max() > 0


def test_dropout_is_applied_only_in_training(shallow):
    images = tf.constant(golden_fill.images(75))
    with slim.arg_scope(inception_v4_arg_scope()):
        _, trained = inception_v4(images, 5, is_training=True, dropout_keep_prob=0.6)
        _, evaluated = inception_v4(images, 5, is_training=False, reuse=True)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for end_points, keep_prob in [(trained, 0.6), (evaluated, 1.0)]:
            pooled, dropped = session.run(
                [end_points["global_pool"], end_points["PreLogitsFlatten"]]
            )
            kept = dropped[pooled[:, 0, 0] > 0] > 0
            np.testing.assert_allclose(kept.mean(), keep_prob, atol=0.05)


def test_auxiliary_head_is_optional(shallow):
    _, end_points = inception_v4(tf.zeros([1, 75, 75, 3]), 5, create_aux_logits=False)
    assert "AuxLogits" not in end_points
    assert not slim.get_model_variables("InceptionV4/AuxLogits")


@pytest.mark.parametrize("last", ["Conv2d_1a_3x3", "Mixed_4a", "Mixed_5c", "Mixed_6h", "Mixed_7a"])
def test_base_ends_at_any_end_point(shallow, last):
    names = list(GOLDEN["end_points"])
    net, end_points = inception_v4_base(tf.zeros([1, 75, 75, 3]), final_endpoint=last)
    assert list(end_points) == names[: names.index(last) + 1]
    assert net is end_points[last]


def test_unknown_end_point_is_rejected():
    with pytest.raises(
        ValueError, match="final_endpoint: expected one of Conv2d_1a_3x3.*got 'Mixed_9z'"
    ):
        inception_v4_base(tf.zeros([1, 75, 75, 3]), final_endpoint="Mixed_9z")
