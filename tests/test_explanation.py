import golden_fill
import golden_nets
import numpy as np
import pytest

from nets.factory import get_network_fn
from slim_on_tf2 import slim, tf
from training.explanation import explained_photos, heat_maps


def tiny_network(images, classes=3):
    """A convolution, the mean over space, a fully connected layer: what CAM is defined for."""
    features = slim.conv2d(images, 4, 3, scope="conv")
    pooled = tf.reduce_mean(features, [1, 2])
    return slim.fully_connected(pooled, classes, activation_fn=None, scope="logits"), features


def class_activation_map(features, weights):
    """CAM by hand, of features [h, w, channels] and a class's weights; Zhou et al. 2016."""
    evidence = np.maximum(features @ weights, 0)
    return evidence / evidence.max() if evidence.any() else evidence


@pytest.fixture
def pictures():
    return golden_fill.images(6, batch=8)


@pytest.mark.parametrize("given", [None, [0, 1, 2, 0, 1, 2, 0, 1]])
def test_grad_cam_is_cam_where_features_are_averaged(pictures, given):
    logits, features = tiny_network(tf.constant(pictures))
    maps = heat_maps(logits, given)
    assert maps.dtype == tf.float32 and maps.shape.as_list() == [8, 6, 6]
    (weights,) = tf.trainable_variables("logits/weights")
    with tf.Session() as session:
        golden_nets.fill(session)
        logits, features, weights, maps = session.run([logits, features, weights, maps])
    classes = logits.argmax(axis=1) if given is None else given
    expected = [class_activation_map(f, weights[:, c]) for f, c in zip(features, classes)]
    np.testing.assert_allclose(maps, expected, atol=1e-5)
    assert maps.min() == 0 and sorted(set(maps.max(axis=(1, 2)).round(6))) in ([1], [0, 1])


def test_a_picture_is_explained_by_itself(pictures):
    """Its neighbours in the batch change nothing."""
    images = tf.placeholder(tf.float32, [None, 6, 6, 3])
    maps = heat_maps(tiny_network(images)[0])
    with tf.Session() as session:
        golden_nets.fill(session)
        together = session.run(maps, {images: pictures})
        alone = [session.run(maps, {images: picture[np.newaxis]})[0] for picture in pictures]
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_what_speaks_against_a_class_is_cold():
    """One channel of light; a class that it speaks for, one that it speaks against."""
    light = np.zeros((1, 2, 2, 1), np.float32)
    light[0, 0, 1] = 4
    light[0, 1, 0] = 1
    kernel = tf.ones_initializer()
    features = slim.conv2d(tf.constant(light), 1, 1, weights_initializer=kernel)
    signs = tf.constant_initializer([[1.0, -1.0]])
    logits = slim.fully_connected(
        tf.reduce_mean(features, [1, 2]), 2, activation_fn=None, weights_initializer=signs
    )
    bright, dark = heat_maps(logits, [0]), heat_maps(logits, [1])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        bright, dark = session.run([bright, dark])
    np.testing.assert_allclose(bright, [[[0, 1], [0.25, 0]]], rtol=1e-6)
    assert not dark.any()


def test_heat_lies_where_the_only_thing_in_a_picture_is():
    """Of a picture that is grey but for a corner, only that corner's quarter has features."""
    picture = np.zeros((1, 32, 32, 1), np.float32)
    picture[0, 20:30, 20:30] = 1
    logits, _ = get_network_fn("lenet", 5)(tf.constant(picture))
    maps = heat_maps(logits)
    with tf.Session() as session:
        golden_nets.fill(session)
        biases = tf.trainable_variables("LeNet/conv./biases")
        session.run([bias.assign(tf.zeros_like(bias)) for bias in biases])
        (heat,) = session.run(maps)
    assert heat.shape == (8, 8)
    # The corner is cells 5 to 7 of eight; two convolutions reach 2 + 4 pixels further, two cells.
    assert heat.max() == 1 and not heat[:3].any() and not heat[:, :3].any()


@pytest.mark.parametrize("channels", [1, 3])
def test_photos_are_shown_as_the_network_sees_them_beside_their_heat(channels):
    """The scheme inception makes 1 of a pixel of 255, and -1 of one of 0."""
    inputs = np.full((2, 4, 4, channels), -1, np.float32)
    inputs[1] = 1
    maps = np.zeros((2, 3, 3), np.float32)
    pairs = explained_photos(inputs, maps, "inception")
    assert pairs.dtype == np.uint8 and pairs.shape == (2, 4, 8, 3)
    assert (pairs[0, :, :4] == 0).all() and (pairs[1, :, :4] == 255).all()
    coldest = np.array([68, 1, 84])  # viridis at 0, as published
    np.testing.assert_allclose(pairs[0, 0, 4], 0.55 * coldest, atol=1)
    np.testing.assert_allclose(pairs[1, 0, 4], 0.55 * coldest + 0.45 * 255, atol=1)
