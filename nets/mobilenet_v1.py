"""MobileNet V1 with four depth multipliers.

Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", 2017, https://arxiv.org/abs/1704.04861.
"""

from functools import partial

from nets.dropout import dropout
from nets.stages import build_stages
from slim_on_tf2 import slim, tf

# (stride of the depthwise convolution, depth of the pointwise convolution) per layer (Table 1).
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
MIN_DEPTH = 8  # of a layer, for small depth multipliers


def _stages(depth_multiplier):
    """Ordered dict from end point name to a function of (net, scope) (Table 1)."""

    def conv(depth, **options):
        scaled = max(int(depth * depth_multiplier), MIN_DEPTH)
        return partial(slim.conv2d, num_outputs=scaled, **options)

    depthwise = partial(slim.separable_conv2d, num_outputs=None, kernel_size=3)
    stages = {"Conv2d_0": conv(32, kernel_size=3, stride=2)}
    for number, (stride, depth) in enumerate(SEPARABLE_LAYERS, start=1):
        stages[f"Conv2d_{number}_depthwise"] = partial(depthwise, stride=stride)
        stages[f"Conv2d_{number}_pointwise"] = conv(depth, kernel_size=1)
    return stages


def mobilenet_v1_base(
    inputs, final_endpoint="Conv2d_13_pointwise", depth_multiplier=1.0, scope=None
):
    """MobileNet V1 up to `final_endpoint`, without its head.

    Args:
      inputs: float [batch, height, width, channels] in [-1, 1]; only the channels must be known.
      final_endpoint: name of the last end point to build.
      depth_multiplier: positive factor of the depth of each layer (Section 3.3).
      scope: the variable scope; by default `MobilenetV1`, made unique.

    Returns:
      The float tensor [batch, h, w, depth] of `final_endpoint`, and a dict from the names of the
      end points up to it to their tensors.

    Raises:
      ValueError: there is no such end point, or `depth_multiplier` is not positive.
    """
    if depth_multiplier <= 0:
        raise ValueError(f"depth_multiplier: expected a positive number, got {depth_multiplier}")
    with tf.variable_scope(scope, "MobilenetV1", [inputs]):
        return build_stages(inputs, _stages(depth_multiplier), final_endpoint)


def mobilenet_v1(
    inputs,
    num_classes=1001,
    is_training=True,
    dropout_keep_prob=0.999,
    depth_multiplier=1.0,
    reuse=None,
    scope="MobilenetV1",
):
    """MobileNet V1 as published; call it in `mobilenet_v1_arg_scope()`.

    Args:
      inputs: float [batch, height, width, channels] in [-1, 1]; only the channels must be known.
      num_classes: number of logits.
      is_training: a Python bool, the mode of dropout and batch norm.
      dropout_keep_prob: fraction of features that dropout keeps.
      depth_multiplier: see `mobilenet_v1_base`.
      reuse: True reuses the variables of an earlier call.
      scope: the variable scope.

    Returns:
      Logits, float [batch, num_classes], and a dict from end point names to tensors: those of
      `mobilenet_v1_base`, `AvgPool_1a`, `Logits` and `Predictions` (probabilities).

    Raises:
      ValueError: `depth_multiplier` is not positive.
    """
    with (
        tf.variable_scope(scope, "MobilenetV1", [inputs], reuse=reuse) as network,
        slim.arg_scope([slim.batch_norm, dropout], is_training=is_training),
    ):
        net, end_points = mobilenet_v1_base(
            inputs, depth_multiplier=depth_multiplier, scope=network
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


mobilenet_v1_075 = partial(mobilenet_v1, depth_multiplier=0.75)
mobilenet_v1_050 = partial(mobilenet_v1, depth_multiplier=0.50)
mobilenet_v1_025 = partial(mobilenet_v1, depth_multiplier=0.25)


def mobilenet_v1_arg_scope(weight_decay=0.00004, batch_norm_decay=0.9997, batch_norm_epsilon=0.001):
    """Returns the published arg_scope.

    Args:
      weight_decay: factor of the L2 regularization loss. It does not apply to depthwise weights, of
        which there are few (Section 3.2).
      batch_norm_decay: decay of the moving averages per step.
      batch_norm_epsilon: added to the variance in batch norm.

    Returns:
      A dict, the arg_scope to enter with `slim.arg_scope`.
    """
    with (
        slim.arg_scope(
            [slim.conv2d, slim.separable_conv2d],
            weights_initializer=tf.truncated_normal_initializer(stddev=0.09),
            activation_fn=tf.nn.relu6,
            normalizer_fn=slim.batch_norm,
            normalizer_params={
                "scale": True,
                "decay": batch_norm_decay,
                "epsilon": batch_norm_epsilon,
            },
        ),
        slim.arg_scope(
            [slim.conv2d], weights_regularizer=slim.l2_regularizer(weight_decay)
        ) as arg_scope,
    ):
        return arg_scope
