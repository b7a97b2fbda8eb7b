"""MobileNet V3, large and small, each with two depth multipliers and in a minimalistic variant.

Howard et al., "Searching for MobileNetV3", 2019, https://arxiv.org/abs/1905.02244. The minimalistic
variants were published with the checkpoints, for hardware that does not support squeeze-and-excite,
hard swish or 5x5 kernels.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from nets.dropout import dropout
from nets.inverted_residual import add_logits, build_layers, inverted_residual, scaled_depth
from nets.mobilenet_v1 import mobilenet_v1_arg_scope
from slim_on_tf2 import slim, tf


def hard_swish(net):
    """Swish with a piecewise linear sigmoid, net * relu6(net + 3) / 6 (Section 5.2)."""
    return net * tf.nn.relu6(net + 3) / 6


def _hard_sigmoid(net):
    """relu6(net + 3) / 6, with 1 / 6 rounded as in the training of the checkpoints."""
    return tf.nn.relu6(net + 3) * 0.16667


class Block(NamedTuple):
    """An inverted residual block, a row of the paper's tables.

    Attributes:
      kernel_size: kernel size of the depthwise convolution.
      expanded_depth: channels of the expansion.
      depth: channels of the output.
      use_squeeze_excite: whether the block has squeeze-and-excite.
      activation_fn: activation of the expansion and the depthwise convolution.
      stride: stride of the depthwise convolution.
    """

    kernel_size: int
    expanded_depth: int
    depth: int
    use_squeeze_excite: bool
    activation_fn: Callable
    stride: int


class Architecture(NamedTuple):
    """One of the paper's tables.

    Attributes:
      activation_fn: activation of the convolutions outside the blocks.
      blocks: the blocks in order.
      last_depth: channels of the last layer, the input of the classifier.
    """

    activation_fn: Callable
    blocks: tuple[Block, ...]
    last_depth: int


# Table 1.
LARGE = Architecture(
    activation_fn=hard_swish,
    blocks=(
        Block(3, 16, 16, False, tf.nn.relu, 1),
        Block(3, 64, 24, False, tf.nn.relu, 2),
        Block(3, 72, 24, False, tf.nn.relu, 1),
        Block(5, 72, 40, True, tf.nn.relu, 2),
        Block(5, 120, 40, True, tf.nn.relu, 1),
        Block(5, 120, 40, True, tf.nn.relu, 1),
        Block(3, 240, 80, False, hard_swish, 2),
        Block(3, 200, 80, False, hard_swish, 1),
        Block(3, 184, 80, False, hard_swish, 1),
        Block(3, 184, 80, False, hard_swish, 1),
        Block(3, 480, 112, True, hard_swish, 1),
        Block(3, 672, 112, True, hard_swish, 1),
        Block(5, 672, 160, True, hard_swish, 2),
        Block(5, 960, 160, True, hard_swish, 1),
        Block(5, 960, 160, True, hard_swish, 1),
    ),
    last_depth=1280,
)
# Table 2.
SMALL = Architecture(
    activation_fn=hard_swish,
    blocks=(
        Block(3, 16, 16, True, tf.nn.relu, 2),
        Block(3, 72, 24, False, tf.nn.relu, 2),
        Block(3, 88, 24, False, tf.nn.relu, 1),
        Block(5, 96, 40, True, hard_swish, 2),
        Block(5, 240, 40, True, hard_swish, 1),
        Block(5, 240, 40, True, hard_swish, 1),
        Block(5, 120, 48, True, hard_swish, 1),
        Block(5, 144, 48, True, hard_swish, 1),
        Block(5, 288, 96, True, hard_swish, 2),
        Block(5, 576, 96, True, hard_swish, 1),
        Block(5, 576, 96, True, hard_swish, 1),
    ),
    last_depth=1024,
)


def _minimalistic(architecture):
    """`architecture` with 3x3 kernels and ReLU, and without squeeze-and-excite."""
    plain = {"kernel_size": 3, "use_squeeze_excite": False, "activation_fn": tf.nn.relu}
    blocks = tuple(block._replace(**plain) for block in architecture.blocks)
    return architecture._replace(activation_fn=tf.nn.relu, blocks=blocks)


LARGE_MINIMALISTIC = _minimalistic(LARGE)
SMALL_MINIMALISTIC = _minimalistic(SMALL)


def squeeze_excite(net, scope="squeeze_excite"):
    """Scales each channel by a factor in [0, 1], computed from all channel means (Section 5.3).

    Args:
      net: float [batch, h, w, depth].
      scope: the variable scope.

    Returns:
      A tensor of the shape of `net`.
    """
    with tf.variable_scope(scope), slim.arg_scope([slim.conv2d], normalizer_fn=None):
        depth = net.shape[3]
        gate = tf.reduce_mean(net, [1, 2], keepdims=True)
        gate = slim.conv2d(
            gate, scaled_depth(depth, 1 / 4), 1, activation_fn=tf.nn.relu, scope="Conv"
        )
        gate = slim.conv2d(gate, depth, 1, activation_fn=_hard_sigmoid, scope="Conv_1")
    return net * gate


def _block(net, block, depth_before, depth_multiplier):
    """Builds `block`; `depth_before` is the unscaled depth of the row before it."""
    expansion = block.expanded_depth / depth_before
    convolutions = [slim.conv2d, slim.separable_conv2d]
    with slim.arg_scope(convolutions, activation_fn=block.activation_fn):
        return inverted_residual(
            net,
            scaled_depth(block.depth, depth_multiplier),
            scaled_depth(net.shape[3], expansion),
            block.kernel_size,
            block.stride,
            excite=squeeze_excite if block.use_squeeze_excite else None,
        )


def _layers(architecture, depth_multiplier):
    """The layers in order, functions of a tensor."""
    activation_fn, blocks, last_depth = architecture
    conv = partial(slim.conv2d, activation_fn=activation_fn)
    depths = [16, *(block.depth for block in blocks)]
    first = scaled_depth(depths[0], depth_multiplier)
    expanded = scaled_depth(blocks[-1].expanded_depth, depth_multiplier)
    # As in MobileNet V2, multipliers below 1 do not apply to the last layer.
    last = scaled_depth(last_depth, max(depth_multiplier, 1))
    return [
        partial(conv, num_outputs=first, kernel_size=3, stride=2, scope="Conv"),
        *[
            partial(_block, block=block, depth_before=depth, depth_multiplier=depth_multiplier)
            for block, depth in zip(blocks, depths)
        ],
        partial(conv, num_outputs=expanded, kernel_size=1, scope="Conv_1"),
        partial(tf.reduce_mean, axis=[1, 2], keepdims=True),
        partial(conv, num_outputs=last, kernel_size=1, normalizer_fn=None, scope="Conv_2"),
    ]


def mobilenet_v3_base(
    inputs, architecture=LARGE, final_endpoint=None, depth_multiplier=1.0, scope=None
):
    """MobileNet V3 up to `final_endpoint`, without its classifier.

    Args:
      inputs: float [batch, height, width, channels] in [-1, 1]; only the channels must be known.
      architecture: `LARGE`, `SMALL`, `LARGE_MINIMALISTIC` or `SMALL_MINIMALISTIC`.
      final_endpoint: name of the last layer to build, `layer_1` to `layer_19` (large) or `layer_15`
        (small); by default the last. The second last is global average pooling.
      depth_multiplier: positive factor of the depth of each layer.
      scope: the variable scope; by default `MobilenetV3`, made unique.

    Returns:
      The float tensor [batch, h, w, depth] of `final_endpoint`, and a dict from end point names to
      tensors: the layers up to it, and the outputs within their blocks, such as
      `layer_2/depthwise_output` (see `inverted_residual`).

    Raises:
      ValueError: there is no such layer, or `depth_multiplier` is not positive.
    """
    with tf.variable_scope(scope, "MobilenetV3", [inputs]):
        return build_layers(inputs, _layers(architecture, depth_multiplier), final_endpoint)


def mobilenet_v3(
    inputs,
    num_classes=1001,
    is_training=True,
    dropout_keep_prob=0.8,
    architecture=LARGE,
    depth_multiplier=1.0,
    reuse=None,
    scope="MobilenetV3",
):
    """MobileNet V3 as published; call it in `mobilenet_v3_arg_scope()`.

    Args:
      inputs: float [batch, height, width, channels] in [-1, 1]; only the channels must be known.
      num_classes: number of logits.
      is_training: a Python bool, the mode of dropout and batch norm.
      dropout_keep_prob: fraction of features that dropout keeps (Section 6.1.1).
      architecture: see `mobilenet_v3_base`.
      depth_multiplier: see `mobilenet_v3_base`.
      reuse: True reuses the variables of an earlier call.
      scope: the variable scope.

    Returns:
      Logits, float [batch, num_classes], and a dict from end point names to tensors: those of
      `mobilenet_v3_base`, `global_pool`, `Logits` and `Predictions` (probabilities).

    Raises:
      ValueError: `depth_multiplier` is not positive.
    """
    with (
        tf.variable_scope(scope, "MobilenetV3", [inputs], reuse=reuse) as network,
        slim.arg_scope([slim.batch_norm, dropout], is_training=is_training),
    ):
        net, end_points = mobilenet_v3_base(
            inputs, architecture, depth_multiplier=depth_multiplier, scope=network
        )
        add_logits(net, end_points, num_classes, dropout_keep_prob)
    return end_points["Logits"], end_points


mobilenet_v3_large = partial(mobilenet_v3, architecture=LARGE)
mobilenet_v3_large_075 = partial(mobilenet_v3_large, depth_multiplier=0.75)
mobilenet_v3_small = partial(mobilenet_v3, architecture=SMALL)
mobilenet_v3_small_075 = partial(mobilenet_v3_small, depth_multiplier=0.75)
mobilenet_v3_large_minimalistic = partial(mobilenet_v3, architecture=LARGE_MINIMALISTIC)
mobilenet_v3_large_minimalistic_075 = partial(
    mobilenet_v3_large_minimalistic, depth_multiplier=0.75
)
mobilenet_v3_small_minimalistic = partial(mobilenet_v3, architecture=SMALL_MINIMALISTIC)
mobilenet_v3_small_minimalistic_075 = partial(
    mobilenet_v3_small_minimalistic, depth_multiplier=0.75
)


def mobilenet_v3_arg_scope(weight_decay=0.00001, batch_norm_decay=0.99, batch_norm_epsilon=0.001):
    """Returns the published arg_scope (Section 6.1.1).

    It is that of MobileNet V1 with other values; the network sets its activations itself.

    Args:
      weight_decay: factor of the L2 regularization loss.
      batch_norm_decay: decay of the moving averages per step.
      batch_norm_epsilon: added to the variance in batch norm.

    Returns:
      A dict, the arg_scope to enter with `slim.arg_scope`.
    """
    return mobilenet_v1_arg_scope(weight_decay, batch_norm_decay, batch_norm_epsilon)
