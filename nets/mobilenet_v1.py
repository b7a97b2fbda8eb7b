"""MobileNet V1, at four widths.

Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", 2017, https://arxiv.org/abs/1704.04861.
"""

from functools import partial

from nets.dropout import dropout
from nets.stages import build_stages
from slim_on_tf2 import slim, tf

# Stride of the depthwise and depth of the pointwise convolution of each separable layer (Table 1).
SEPARABLE_LAYERS = (
    (1, 64),
    (2, 128),
    (1, 128),
    (2, 256),
    (1, 256),
    (2, 512),
    *[(1, 512)] * 5,
    (2, 1024),
    (1, 1024),
)


def _stages(depth_multiplier, min_depth):
    """End point -> function of (net, scope) that makes it from the one before (Table 1)."""

    def conv(depth, **options):
        scaled = max(int(depth * depth_multiplier), min_depth)
        return partial(slim.conv2d, num_outputs=scaled, **options)

    depthwise = partial(slim.separable_conv2d, num_outputs=None, kernel_size=3)
    stages = {"Conv2d_0": conv(32, kernel_size=3, stride=2)}
    for number, (stride, depth) in enumerate(SEPARABLE_LAYERS, start=1):
        stages[f"Conv2d_{number}_depthwise"] = partial(depthwise, stride=stride)
        stages[f"Conv2d_{number}_pointwise"] = conv(depth, kernel_size=1)
    return stages


def mobilenet_v1_base(
    inputs, final_endpoint="Conv2d_13_pointwise", depth_multiplier=1.0, min_depth=8, scope=None
):
    """The network up to `final_endpoint`, without its head.

    Args:
      inputs: float [batch, height, width, channels] in [-1, 1]; all but the channels may be
        unknown.
      final_endpoint: the last end point to build, a key of the second return value.
      depth_multiplier: a positive number that scales the depth of each layer (Section 3.3).
      min_depth: the least depth of a layer.
      scope: the variable scope; by default `MobilenetV1`, made unique.

    Returns:
      The float tensor [batch, h, w, depth] of `final_endpoint`, and a dict from the name of each
      end point up to it to its tensor.

    Raises:
      ValueError: there is no such end point, or `depth_multiplier` is not positive.
    """
    if depth_multiplier <= 0:
        raise ValueError(f"depth_multiplier: expected a positive number, got {depth_multiplier}")
    stages = _stages(depth_multiplier, min_depth)
    with tf.variable_scope(scope, "MobilenetV1", [inputs]):
        return build_stages(inputs, stages, final_endpoint)


def mobilenet_v1(
    inputs,
    num_classes=1001,
    is_training=True,
    dropout_keep_prob=0.999,
    depth_multiplier=1.0,
    min_depth=8,
    reuse=None,
    scope="MobilenetV1",
):
    """MobileNet V1 as published; call it in `mobilenet_v1_arg_scope()`.

    Args:
      inputs: float [batch, height, width, channels] in [-1, 1]; all but the channels may be
        unknown.
      num_classes: how many logits.
      is_training: a Python bool; steers dropout and batch norm.
      dropout_keep_prob: the share of features that dropout keeps.
      depth_multiplier: see `mobilenet_v1_base`.
      min_depth: see `mobilenet_v1_base`.
      reuse: True takes the variables that an earlier call made.
      scope: the variable scope.

    Returns:
      Logits, float [batch, num_classes], and a dict from the name of each end point to its
      tensor: those of `mobilenet_v1_base`, `AvgPool_1a`, `Logits` and `Predictions`
      (probabilities).

    Raises:
      ValueError: `depth_multiplier` is not positive.
    """
    with (
        tf.variable_scope(scope, "MobilenetV1", [inputs], reuse=reuse) as network,
        slim.arg_scope([slim.batch_norm, dropout], is_training=is_training),
    ):
        net, end_points = mobilenet_v1_base(
            inputs, depth_multiplier=depth_multiplier, min_depth=min_depth, scope=network
        )
        with tf.variable_scope("Logits"):
            net = end_points["AvgPool_1a"] = tf.reduce_mean(net, [1, 2], keepdims=True)
            net = dropout(net, dropout_keep_prob, scope="Dropout_1b")
            net = slim.conv2d(
                net, num_classes, 1, activation_fn=None, normalizer_fn=None, scope="Conv2d_1c_1x1"
            )
            logits = end_points["Logits"] = tf.squeeze(net, [1, 2], name="SpatialSqueeze")
            end_points["Predictions"] = tf.nn.softmax(logits, name="Predictions")
    return logits, end_points


mobilenet_v1.default_image_size = 224


def _scaled(depth_multiplier):
    """`mobilenet_v1` of another width."""
    network = partial(mobilenet_v1, depth_multiplier=depth_multiplier)
    network.default_image_size = mobilenet_v1.default_image_size
    return network


mobilenet_v1_075 = _scaled(0.75)
mobilenet_v1_050 = _scaled(0.50)
mobilenet_v1_025 = _scaled(0.25)


def mobilenet_v1_arg_scope(
    weight_decay=0.00004,
    stddev=0.09,
    regularize_depthwise=False,
    batch_norm_decay=0.9997,
    batch_norm_epsilon=0.001,
):
    """The arg_scope that the checkpoints were trained in.

    Args:
      weight_decay: the factor of the L2 loss.
      stddev: the standard deviation of the weights before training.
      regularize_depthwise: whether the L2 loss holds for depthwise weights too; they are so few
        that it does harm (Section 3.2).
      batch_norm_decay: the decay of the moving averages, a step.
      batch_norm_epsilon: what batch norm adds to the variance.

    Returns:
      A dict to enter with `slim.arg_scope`.
    """
    l2 = slim.l2_regularizer(weight_decay)
    with (
        slim.arg_scope(
            [slim.conv2d, slim.separable_conv2d],
            weights_initializer=tf.truncated_normal_initializer(stddev=stddev),
            activation_fn=tf.nn.relu6,
            normalizer_fn=slim.batch_norm,
            normalizer_params={
                "scale": True,
                "decay": batch_norm_decay,
                "epsilon": batch_norm_epsilon,
            },
        ),
        slim.arg_scope([slim.conv2d], weights_regularizer=l2),
        slim.arg_scope(
            [slim.separable_conv2d], weights_regularizer=l2 if regularize_depthwise else None
        ) as arg_scope,
    ):
        return arg_scope
