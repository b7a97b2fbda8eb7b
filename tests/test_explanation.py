import golden_fill
import golden_nets
import numpy as np
import pytest

from evaluation.explanation import explained_images, grad_cam
from nets.nets_factory import get_network_fn
from slim_on_tf2 import slim, tf

# Sums of 27 products (convolution), 36 gradients (mean) and 4 channels have a relative error of at
# most their number of terms * epsilon; cancellation between the channels multiplies it by about 4.
EPSILON = np.finfo(np.float32).eps
TOLERANCE = 4 * (27 + 36 + 4) * EPSILON


def tiny_network(images, classes=3):
    """A convolution, the spatial mean, a fully connected layer: the networks CAM is defined for."""
    features = slim.conv2d(images, 4, 3, scope="conv")
    pooled = tf.reduce_mean(features, [1, 2])
    return slim.fully_connected(pooled, classes, activation_fn=None, scope="logits"), features


def class_activation_map(features, weights):
    """CAM (Zhou et al. 2016) of features [h, w, channels] and the weights of a class [channels]."""
    evidence = np.maximum(features @ weights, 0)
    return evidence / evidence.max() if evidence.any() else evidence


@pytest.fixture
def images():
    return golden_fill.images(6, batch=8)


@pytest.mark.parametrize("classes", [None, [0, 1, 2, 0, 1, 2, 0, 1]])
def test_grad_cam_equals_cam_for_global_average_pooling(images, classes):
    logits, features = tiny_network(tf.constant(images))
    heat_maps = grad_cam(logits, classes)
    assert heat_maps.dtype == tf.float32 and heat_maps.shape.as_list() == [8, 6, 6]
    (weights,) = tf.trainable_variables("logits/weights")
    with tf.Session() as session:
        golden_nets.fill(session)
        logits, features, weights, heat_maps = session.run([logits, features, weights, heat_maps])
    explained = logits.argmax(axis=1) if classes is None else classes
    expected = [class_activation_map(f, weights[:, c]) for f, c in zip(features, explained)]
    np.testing.assert_allclose(heat_maps, expected, atol=TOLERANCE)
    maxima = set(heat_maps.max(axis=(1, 2)).round(6))
    assert heat_maps.min() == 0 and sorted(maxima) in ([1], [0, 1])


def test_heat_map_does_not_depend_on_the_rest_of_the_batch(images):
    batch = tf.placeholder(tf.float32, [None, 6, 6, 3])
    heat_maps = grad_cam(tiny_network(batch)[0])
    with tf.Session() as session:
        golden_nets.fill(session)
        together = session.run(heat_maps, {batch: images})
        alone = [session.run(heat_maps, {batch: image[np.newaxis]})[0] for image in images]
    np.testing.assert_allclose(together, alone, atol=TOLERANCE)


def test_negative_evidence_is_clipped():
    """One channel, whose weight is positive for one class and negative for the other."""
    image = np.zeros((1, 2, 2, 1), np.float32)
    image[0, 0, 1] = 4
    image[0, 1, 0] = 1
    kernel = tf.ones_initializer()
    features = slim.conv2d(tf.constant(image), 1, 1, weights_initializer=kernel)
    signs = tf.constant_initializer([[1.0, -1.0]])
    logits = slim.fully_connected(
        tf.reduce_mean(features, [1, 2]), 2, activation_fn=None, weights_initializer=signs
    )
    positive, negative = grad_cam(logits, [0]), grad_cam(logits, [1])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        positive, negative = session.run([positive, negative])
    np.testing.assert_allclose(positive, [[[0, 1], [0.25, 0]]], rtol=4 * EPSILON)
    assert not negative.any()


def test_heat_lies_on_the_only_object_of_an_image():
    image = np.zeros((1, 32, 32, 1), np.float32)
    image[0, 20:30, 20:30] = 1
    logits, _ = get_network_fn("lenet", 5)(tf.constant(image))
    heat_maps = grad_cam(logits)
    with tf.Session() as session:
        golden_nets.fill(session)
        biases = tf.trainable_variables("LeNet/conv./biases")
        session.run([bias.assign(tf.zeros_like(bias)) for bias in biases])
        (heat_map,) = session.run(heat_maps)
    assert heat_map.shape == (8, 8)
    # The object covers cells 5 to 7; two convolutions reach 2 + 4 pixels further, two cells.
    assert heat_map.max() == 1 and not heat_map[:3].any() and not heat_map[:, :3].any()


@pytest.mark.parametrize("channels", [1, 3])
def test_preprocessed_images_are_shown_beside_their_heat_maps(channels):
    """The inception scheme maps pixels of 0 and 255 to -1 and 1."""
    inputs = np.full((2, 4, 4, channels), -1, np.float32)
    inputs[1] = 1
    pairs = explained_images(inputs, np.zeros((2, 3, 3), np.float32), "inception")
    assert pairs.dtype == np.uint8 and pairs.shape == (2, 4, 8, 3)
    assert (pairs[0, :, :4] == 0).all() and (pairs[1, :, :4] == 255).all()
    violet = np.array([68, 1, 84])  # viridis at 0, as published
    np.testing.assert_allclose(pairs[0, 0, 4], 0.55 * violet, atol=1)
    np.testing.assert_allclose(pairs[1, 0, 4], 0.55 * violet + 0.45 * 255, atol=1)
