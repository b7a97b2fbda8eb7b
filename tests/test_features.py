import golden_fill
import golden_nets
import pytest

from nets.features import last_feature_map, penultimate
from nets.nets_factory import get_network_fn
from nets.networks import NETWORKS
from slim_on_tf2 import slim, tf

CLASSES = 7
# Network -> (image size, number of features, end point that is the last feature map, its shape,
# computed along the layers by hand). NASNet and ResNet V2 apply a ReLU to the end point.
SMALL = {
    "lenet": (28, 1024, "pool2", (7, 7, 64)),
    "cifarnet": (32, 192, "pool2", (8, 8, 64)),
    "mobilenet_v1_025": (65, 256, "Conv2d_13_pointwise", (3, 3, 256)),
    "mobilenet_v3_small": (65, 1024, "layer_13", (3, 3, 576)),
}
LARGE = {
    "mobilenet_v2_035": (65, 1280, "layer_19", (3, 3, 1280)),
    "resnet_v1_50": (65, 2048, "resnet_v1_50/block4", (3, 3, 2048)),
    "inception_v1": (224, 1024, "Mixed_5c", (7, 7, 1024)),
    "mobilenet_v3_large": (224, 1280, "layer_17", (7, 7, 960)),
    "inception_v2": (224, 1024, "Mixed_5c", (7, 7, 1024)),
    "inception_v3": (299, 2048, "Mixed_7c", (8, 8, 2048)),
    "inception_v4": (299, 1536, "Mixed_7d", (8, 8, 1536)),
    "inception_resnet_v2": (299, 1536, "Conv2d_7b_1x1", (8, 8, 1536)),
    "resnet_v2_50": (299, 2048, None, (10, 10, 2048)),
    "nasnet_mobile": (224, 1056, None, (7, 7, 1056)),
    "pnasnet_mobile": (224, 1080, None, (7, 7, 1080)),
    "vgg_16": (224, 4096, "vgg_16/pool5", (7, 7, 512)),
    "alexnet_v2": (224, 4096, "alexnet_v2/pool5", (5, 5, 256)),
    "overfeat": (231, 4096, "overfeat/pool5", (6, 6, 1024)),
}
NETS = [*SMALL, *(pytest.param(name, marks=pytest.mark.large) for name in LARGE)]


def build(network, side):
    """Logits and end points of two images, in evaluation mode."""
    images = golden_fill.images(side, NETWORKS[network].channels)
    return get_network_fn(network, CLASSES)(tf.constant(images))


def two_layers(images):
    """Logits of a convolution, the mean over space, and a fully connected layer."""
    return slim.fully_connected(
        tf.reduce_mean(slim.conv2d(images, 4, 3), [1, 2]), CLASSES, activation_fn=None
    )


@pytest.mark.parametrize("network", NETS)
def test_logits_are_last_layer_of_penultimate_features(network):
    side, depth, end_point, grid = (SMALL | LARGE)[network]
    logits, end_points = build(network, side)
    features, feature_map = penultimate(logits), last_feature_map(logits)
    assert features.shape.as_list() == [2, depth] and features.dtype == tf.float32
    assert tuple(feature_map.shape[1:]) == grid
    if end_point:
        assert feature_map is end_points[end_point]
    scope = NETWORKS[network].head_scopes[0]
    weights, biases = tf.trainable_variables(f"{scope}/")
    with tf.Session() as session:
        golden_nets.fill(session)
        expected, features, weights, biases = session.run([logits, features, weights, biases])
    actual = features @ weights.reshape(depth, CLASSES) + biases
    golden_nets.check_logits(actual, expected)


def test_features_of_large_image_are_averaged_over_space():
    """At 352 px, the grid of VGG's fully connected layers is 5x5."""
    logits, _ = get_network_fn("vgg_a", CLASSES)(tf.zeros([1, 352, 352, 3]))
    assert penultimate(logits).shape.as_list() == [1, 4096]
    assert last_feature_map(logits).shape.as_list() == [1, 5, 5, 4096]


def test_maps_with_1x1_grid_are_skipped():
    """At 16 px, the grid is 1x1 after four layers of stride 2."""
    logits, end_points = get_network_fn("mobilenet_v1_025", CLASSES)(tf.zeros([1, 16, 16, 3]))
    assert last_feature_map(logits) is end_points["Conv2d_5_pointwise"]
    assert end_points["Conv2d_5_pointwise"].shape.as_list() == [1, 2, 2, 64]
    assert penultimate(logits).shape.as_list() == [1, 256]


def test_batch_size_may_be_unknown_but_image_size_may_not():
    logits = two_layers(tf.placeholder(tf.float32, [None, 9, 9, 3]))
    assert last_feature_map(logits).shape.as_list() == [None, 9, 9, 4]
    assert penultimate(logits).shape.as_list() == [None, 4]
    with pytest.raises(ValueError, match="known size"):
        last_feature_map(two_layers(tf.placeholder(tf.float32, [2, None, None, 3])))


def test_1x1_image_has_no_feature_map():
    with pytest.raises(ValueError, match="above 1x1"):
        last_feature_map(two_layers(tf.placeholder(tf.float32, [2, 1, 1, 3])))


def test_logits_without_layer_are_rejected():
    with pytest.raises(ValueError, match="expected the output of Conv2D or MatMul"):
        penultimate(tf.nn.relu(tf.zeros([2, 5])))
