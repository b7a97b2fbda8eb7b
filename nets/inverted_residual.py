"""The inverted residual block, and what else MobileNet V2 and V3 have in common.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018,
https://arxiv.org/abs/1801.04381.
"""

from nets.dropout import dropout
from nets.stages import build_stages
from slim_on_tf2 import slim, tf


def scaled_depth(depth, depth_multiplier):
    """`depth` times `depth_multiplier`, as a depth that hardware likes.

    Returns:
      The nearest multiple of 8, or the one above where the nearest is 0 or would cut more than a
      tenth off.

    Raises:
      ValueError: `depth_multiplier` is not positive.
    """
    if depth_multiplier <= 0:
        raise ValueError(f"depth_multiplier: expected a positive number, got {depth_multiplier}")
    wanted = depth * depth_multiplier
    nearest = int(wanted + 4) // 8 * 8
    return nearest if nearest >= 0.9 * wanted else nearest + 8


def inverted_residual(net, depth, expanded_depth, kernel_size=3, stride=1, excite=None, scope=None):
    """Expands `net`, convolves each channel by itself and projects to few channels again.

    Section 3.3 of the paper. What follows the first two convolutions comes from the arg_scope; the
    projection is linear. Where shapes allow it, `net` is added to the result.

    Args:
      net: float [batch, h, w, channels].
      depth: how many channels to give.
      expanded_depth: how many channels to convolve; the expansion is left out where `net` has as
        many.
      kernel_size: the side of the depthwise kernel.
      stride: the stride of the depthwise convolution.
      excite: a function of float [batch, h, w, expanded_depth] that gives the like, applied ahead
        of the projection; None leaves it out.
      scope: the variable scope; by default `expanded_conv`, made unique.

    Returns:
      Float [batch, ceil(h / stride), ceil(w / stride), depth], and a dict of the outputs within
      the block: `expansion_output` (where there is an expansion), `depthwise_output` and `output`.
    """
    outputs = {}
    with tf.variable_scope(scope, "expanded_conv", [net]):
        inner = net
        if expanded_depth != net.shape[3]:
            inner = slim.conv2d(net, expanded_depth, 1, scope="expand")
            outputs["expansion_output"] = inner
        inner = slim.separable_conv2d(inner, None, kernel_size, stride=stride, scope="depthwise")
        outputs["depthwise_output"] = inner
        if excite:
            inner = excite(inner)
        inner = slim.conv2d(inner, depth, 1, activation_fn=None, scope="project")
        if stride == 1 and depth == net.shape[3]:
            inner += net
        outputs["output"] = inner
    return inner, outputs


def build_layers(net, layers, final_endpoint=None):
    """Builds `layers` one after the other, as the end points `layer_1`, `layer_2`, ...

    Args:
      net: the tensor that the first layer takes.
      layers: functions of a tensor. Each gives the next, or the next and a dict of the outputs
        within the layer, which become the end points `layer_<number>/<name>`.
      final_endpoint: the last layer to build; by default all are built.

    Returns:
      The tensor of the last layer, and a dict from the name of each end point to its tensor.

    Raises:
      ValueError: there is no such layer.
    """
    within = {}

    def stage(layer):
        def build(net, scope):
            result = layer(net)
            net, outputs = result if isinstance(result, tuple) else (result, {})
            within.update({f"{scope}/{name}": output for name, output in outputs.items()})
            return net

        return build

    stages = {f"layer_{number}": stage(layer) for number, layer in enumerate(layers, start=1)}
    net, end_points = build_stages(net, stages, final_endpoint or f"layer_{len(layers)}")
    return net, end_points | within


def add_logits(net, end_points, num_classes, dropout_keep_prob):
    """Averages `net` over space and classifies it, in the scope `Logits`.

    Args:
      net: float [batch, h, w, depth].
      end_points: a dict that gets `global_pool` (float [batch, 1, 1, depth]), `Logits` and
        `Predictions` (float [batch, num_classes], probabilities).
      num_classes: how many logits.
      dropout_keep_prob: the share of features that dropout keeps.
    """
    with tf.variable_scope("Logits"):
        net = end_points["global_pool"] = tf.reduce_mean(net, [1, 2], keepdims=True)
        net = dropout(net, dropout_keep_prob, scope="Dropout")
        net = slim.conv2d(
            net, num_classes, 1, activation_fn=None, normalizer_fn=None, scope="Conv2d_1c_1x1"
        )
        logits = end_points["Logits"] = tf.squeeze(net, [1, 2], name="SpatialSqueeze")
        end_points["Predictions"] = tf.nn.softmax(logits, name="Predictions")
