"""MobileNet V2 with six depth multipliers.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018,
https://arxiv.org/abs/1801.04381.
"""

from functools import partial

from nets.dropout import dropout
from nets.inverted_residual import add_logits, build_layers, inverted_residual, scaled_depth
from nets.mobilenet_v1 import mobilenet_v1_arg_scope
from slim_on_tf2 import slim, tf

# (expansion, depth, number, first stride) of each sequence of blocks (Table 2).
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
    """The layers in order, functions of a tensor (Table 2)."""
    first = scaled_depth(32, depth_multiplier)
    # Multipliers below 1 do not apply to the last layer (Section 4).
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
    """MobileNet V2 up to `final_endpoint`, without its head.

    Args:
      inputs: float [batch, height, width, channels] in [-1, 1]; only the channels must be known.
      final_endpoint: name of the last layer to build, `layer_1` to `layer_19`.
      depth_multiplier: positive factor of the depth of each layer (Section 4).
      scope: the variable scope; by default `MobilenetV2`, made unique.

    Returns:
      The float tensor [batch, h, w, depth] of `final_endpoint`, and a dict from end point names to
      tensors: the layers up to it, and the outputs within their blocks, such as
      `layer_2/depthwise_output` (see `inverted_residual`).

    Raises:
      ValueError: there is no such layer, or `depth_multiplier` is not positive.
    """
    with tf.variable_scope(scope, "MobilenetV2", [inputs]):
        return build_layers(inputs, _layers(depth_multiplier), final_endpoint)


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
      inputs: float [batch, height, width, channels] in [-1, 1]; only the channels must be known.
      num_classes: number of logits.
      is_training: a Python bool, the mode of dropout and batch norm.
      dropout_keep_prob: fraction of features that dropout keeps.
      depth_multiplier: see `mobilenet_v2_base`.
      reuse: True reuses the variables of an earlier call.
      scope: the variable scope.

    Returns:
      Logits, float [batch, num_classes], and a dict from end point names to tensors: those of
      `mobilenet_v2_base`, `global_pool`, `Logits` and `Predictions` (probabilities).

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


mobilenet_v2_140 = partial(mobilenet_v2, depth_multiplier=1.40)
mobilenet_v2_130 = partial(mobilenet_v2, depth_multiplier=1.30)
mobilenet_v2_075 = partial(mobilenet_v2, depth_multiplier=0.75)
mobilenet_v2_050 = partial(mobilenet_v2, depth_multiplier=0.50)
mobilenet_v2_035 = partial(mobilenet_v2, depth_multiplier=0.35)


def mobilenet_v2_arg_scope(weight_decay=0.00004, batch_norm_decay=0.997, batch_norm_epsilon=0.001):
    """Returns the published arg_scope: that of MobileNet V1 with another batch norm decay.

    Args:
      weight_decay: factor of the L2 regularization loss (Section 6.1).
      batch_norm_decay: decay of the moving averages per step.
      batch_norm_epsilon: added to the variance in batch norm.

    Returns:
      A dict, the arg_scope to enter with `slim.arg_scope`.
    """
    return mobilenet_v1_arg_scope(weight_decay, batch_norm_decay, batch_norm_epsilon)
