"""MobileNet V3, large and small, at two widths; each also minimalistic.

Howard et al., "Searching for MobileNetV3", 2019, https://arxiv.org/abs/1905.02244. The
minimalistic networks, for hardware that lacks the rest, were published with the checkpoints: no
squeeze-and-excite, no hard swish, no 5x5 kernel.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from nets.dropout import dropout
from nets.inverted_residual import add_logits, build_layers, inverted_residual, scaled_depth
from nets.mobilenet_v1 import mobilenet_v1_arg_scope
from slim_on_tf2 import slim, tf


def hard_swish(net):
    """Swish with its sigmoid as a line from 0 at -3 to 1 at 3 (Section 5.2)."""
    return net * tf.nn.relu6(net + 3) / 6


def _gate(net):
    """The sigmoid of `hard_swish`, with a sixth rounded as the checkpoints were trained with it."""
    return tf.nn.relu6(net + 3) * 0.16667


class Block(NamedTuple):
    """A row of the paper's tables that stands for an inverted residual block.

    Attributes:
      kernel_size: the side of the depthwise kernel.
      expanded_depth: how many channels it convolves.
      depth: how many channels it gives.
      is_excited: whether it has squeeze-and-excite.
      activation_fn: what follows its first two convolutions.
      stride: the stride of its depthwise convolution.
    """

    kernel_size: int
    expanded_depth: int
    depth: int
    is_excited: bool
    activation_fn: Callable
    stride: int


class Architecture(NamedTuple):
    """One of the paper's tables.

    Attributes:
      activation_fn: what follows the convolutions outside the blocks.
      blocks: the blocks in order.
      last_depth: how many features the last layer gives the classifier.
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
    """`architecture` of plain 3x3 convolutions and ReLU."""
    plain = {"kernel_size": 3, "is_excited": False, "activation_fn": tf.nn.relu}
    blocks = tuple(block._replace(**plain) for block in architecture.blocks)
    return architecture._replace(activation_fn=tf.nn.relu, blocks=blocks)


LARGE_MINIMALISTIC = _minimalistic(LARGE)
SMALL_MINIMALISTIC = _minimalistic(SMALL)


def squeeze_excite(net, scope="squeeze_excite"):
    """Scales each channel by a number in [0, 1] that follows from the means of all (Section 5.3).

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
        gate = slim.conv2d(gate, depth, 1, activation_fn=_gate, scope="Conv_1")
    return net * gate


def _block(net, block, depth_before, depth_multiplier):
    """The inverted residual of `block`, a row behind one of `depth_before` channels."""
    expansion = block.expanded_depth / depth_before
    convolutions = [slim.conv2d, slim.separable_conv2d]
    with slim.arg_scope(convolutions, activation_fn=block.activation_fn):
        return inverted_residual(
            net,
            scaled_depth(block.depth, depth_multiplier),
            scaled_depth(net.shape[3], expansion),
            block.kernel_size,
            block.stride,
            excite=squeeze_excite if block.is_excited else None,
        )


def _layers(architecture, depth_multiplier):
    """Functions that make each layer from the one before."""
    activation_fn, blocks, last_depth = architecture
    conv = partial(slim.conv2d, activation_fn=activation_fn)
    depths = [16, *(block.depth for block in blocks)]
    first = scaled_depth(depths[0], depth_multiplier)
    expanded = scaled_depth(blocks[-1].expanded_depth, depth_multiplier)
    # A narrow network classifies by as many features as one of full width, like MobileNet V2.
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
    """The network up to `final_endpoint`, without its classifier.

    Args:
      inputs: float [batch, height, width, channels] in [-1, 1]; all but the channels may be
        unknown.
      architecture: `LARGE`, `SMALL`, `LARGE_MINIMALISTIC` or `SMALL_MINIMALISTIC`.
      final_endpoint: the last layer to build, `layer_1` to `layer_19` (large) or `layer_15`
        (small), which is the default. The last but one averages over space.
      depth_multiplier: a positive number that scales the depth of each layer.
      scope: the variable scope; by default `MobilenetV3`, made unique.

    Returns:
      The float tensor [batch, h, w, depth] of `final_endpoint`, and a dict from the name of each
      end point to its tensor: each layer up to it and, as `layer_2/depthwise_output` for one, the
      outputs within the blocks (see `inverted_residual`).

    Raises:
      ValueError: there is no such layer, or `depth_multiplier` is not positive.
    """
    layers = _layers(architecture, depth_multiplier)
    with tf.variable_scope(scope, "MobilenetV3", [inputs]):
        return build_layers(inputs, layers, final_endpoint)


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
      inputs: float [batch, height, width, channels] in [-1, 1]; all but the channels may be
        unknown.
      num_classes: how many logits.
      is_training: a Python bool; steers dropout and batch norm.
      dropout_keep_prob: the share of features that dropout keeps (Section 6.1.1).
      architecture: see `mobilenet_v3_base`.
      depth_multiplier: see `mobilenet_v3_base`.
      reuse: True takes the variables that an earlier call made.
      scope: the variable scope.

    Returns:
      Logits, float [batch, num_classes], and a dict from the name of each end point to its
      tensor: those of `mobilenet_v3_base`, `global_pool`, `Logits` and `Predictions`
      (probabilities).

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


mobilenet_v3.default_image_size = 224


def _variant(architecture, depth_multiplier=1.0):
    """`mobilenet_v3` of that architecture and width."""
    network = partial(mobilenet_v3, architecture=architecture, depth_multiplier=depth_multiplier)
    network.default_image_size = mobilenet_v3.default_image_size
    return network


mobilenet_v3_large = _variant(LARGE)
mobilenet_v3_large_075 = _variant(LARGE, 0.75)
mobilenet_v3_small = _variant(SMALL)
mobilenet_v3_small_075 = _variant(SMALL, 0.75)
mobilenet_v3_large_minimalistic = _variant(LARGE_MINIMALISTIC)
mobilenet_v3_large_minimalistic_075 = _variant(LARGE_MINIMALISTIC, 0.75)
mobilenet_v3_small_minimalistic = _variant(SMALL_MINIMALISTIC)
mobilenet_v3_small_minimalistic_075 = _variant(SMALL_MINIMALISTIC, 0.75)


def mobilenet_v3_arg_scope(
    weight_decay=0.00001,
    stddev=0.09,
    regularize_depthwise=False,
    batch_norm_decay=0.99,
    batch_norm_epsilon=0.001,
):
    """The arg_scope that the checkpoints were trained in (Section 6.1.1).

    It is that of MobileNet V1; the network chooses what follows each convolution by itself.

    Args:
      weight_decay: the factor of the L2 loss.
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
