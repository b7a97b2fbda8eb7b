"""MobileNet V2, at six widths.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018,
https://arxiv.org/abs/1801.04381.
"""

from functools import partial

from nets.dropout import dropout
from nets.inverted_residual import add_logits, build_layers, inverted_residual, scaled_depth
from nets.mobilenet_v1 import mobilenet_v1_arg_scope
from slim_on_tf2 import slim, tf

# Expansion, depth, number and first stride of the blocks that follow each other (Table 2).
BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _block(net, expansion, depth, stride):
    return inverted_residual(net, depth, expansion * net.shape[3], stride=stride)


def _layers(depth_multiplier):
    """Functions that make each layer from the one before (Table 2)."""
    first = scaled_depth(32, depth_multiplier)
    # A narrow network classifies by as many features as one of full width (Section 4).
    last = scaled_depth(1280, max(depth_multiplier, 1))
    blocks = [
        partial(
            _block,
            expansion=expansion,
            depth=scaled_depth(depth, depth_multiplier),
            stride=1 if repetition else first_stride,
        )
        for expansion, depth, number, first_stride in BLOCKS
        for repetition in range(number)
    ]
    return [
        partial(slim.conv2d, num_outputs=first, kernel_size=3, stride=2, scope="Conv"),
        *blocks,
        partial(slim.conv2d, num_outputs=last, kernel_size=1, scope="Conv_1"),
    ]


def mobilenet_v2_base(inputs, final_endpoint="layer_19", depth_multiplier=1.0, scope=None):
    """The network up to `final_endpoint`, without its head.

    Args:
      inputs: float [batch, height, width, channels] in [-1, 1]; all but the channels may be
        unknown.
      final_endpoint: the last layer to build, `layer_1` to `layer_19`.
      depth_multiplier: a positive number that scales the depth of each layer (Section 4).
      scope: the variable scope; by default `MobilenetV2`, made unique.

    Returns:
      The float tensor [batch, h, w, depth] of `final_endpoint`, and a dict from the name of each
      end point to its tensor: each layer up to it and, as `layer_2/depthwise_output` for one, the
      outputs within the blocks (see `inverted_residual`).

    Raises:
      ValueError: there is no such layer, or `depth_multiplier` is not positive.
    """
    layers = _layers(depth_multiplier)
    with tf.variable_scope(scope, "MobilenetV2", [inputs]):
        return build_layers(inputs, layers, final_endpoint)


def mobilenet_v2(
    inputs,
    num_classes=1001,
    is_training=True,
    dropout_keep_prob=0.8,
    depth_multiplier=1.0,
    reuse=None,
    scope="MobilenetV2",
):
    """MobileNet V2 as published; call it in `mobilenet_v2_arg_scope()`.

    Args:
      inputs: float [batch, height, width, channels] in [-1, 1]; all but the channels may be
        unknown.
      num_classes: how many logits.
      is_training: a Python bool; steers dropout and batch norm.
      dropout_keep_prob: the share of features that dropout keeps.
      depth_multiplier: see `mobilenet_v2_base`.
      reuse: True takes the variables that an earlier call made.
      scope: the variable scope.

    Returns:
      Logits, float [batch, num_classes], and a dict from the name of each end point to its
      tensor: those of `mobilenet_v2_base`, `global_pool`, `Logits` and `Predictions`
      (probabilities).

    Raises:
      ValueError: `depth_multiplier` is not positive.
    """
    with (
        tf.variable_scope(scope, "MobilenetV2", [inputs], reuse=reuse) as network,
        slim.arg_scope([slim.batch_norm, dropout], is_training=is_training),
    ):
        net, end_points = mobilenet_v2_base(
            inputs, depth_multiplier=depth_multiplier, scope=network
        )
        add_logits(net, end_points, num_classes, dropout_keep_prob)
    return end_points["Logits"], end_points


mobilenet_v2.default_image_size = 224


def _scaled(depth_multiplier):
    """`mobilenet_v2` of another width."""
    network = partial(mobilenet_v2, depth_multiplier=depth_multiplier)
    network.default_image_size = mobilenet_v2.default_image_size
    return network


mobilenet_v2_140 = _scaled(1.40)
mobilenet_v2_130 = _scaled(1.30)
mobilenet_v2_075 = _scaled(0.75)
mobilenet_v2_050 = _scaled(0.50)
mobilenet_v2_035 = _scaled(0.35)


def mobilenet_v2_arg_scope(
    weight_decay=0.00004,
    stddev=0.09,
    regularize_depthwise=False,
    batch_norm_decay=0.997,
    batch_norm_epsilon=0.001,
):
    """The arg_scope that the checkpoints were trained in: that of MobileNet V1, ReLU6 included.

    Args:
      weight_decay: the factor of the L2 loss (Section 6.1).
      stddev: the standard deviation of the weights before training.
      regularize_depthwise: whether the L2 loss holds for depthwise weights too.
      batch_norm_decay: the decay of the moving averages, a step.
      batch_norm_epsilon: what batch norm adds to the variance.

    Returns:
      A dict to enter with `slim.arg_scope`.
    """
    return mobilenet_v1_arg_scope(
        weight_decay, stddev, regularize_depthwise, batch_norm_decay, batch_norm_epsilon
    )
