"""The inverted residual block and other parts that MobileNet V2 and V3 share.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018,
https://arxiv.org/abs/1801.04381.
"""

from functools import partial

from nets.dropout import dropout
from nets.stages import build_stages
from slim_on_tf2 import slim, tf


def scaled_depth(depth, depth_multiplier):
    """Returns `depth` times `depth_multiplier`, rounded to a multiple of 8.

    It rounds to nearest, but up if the nearest multiple is 0 or more than 10 % too small.

    Raises:
      ValueError: `depth_multiplier` is not positive.
    """
    if depth_multiplier <= 0:
        raise ValueError(f"depth_multiplier: expected a positive number, got {depth_multiplier}")
    wanted = depth * depth_multiplier
    nearest = int(wanted + 4) // 8 * 8
    return nearest if nearest >= 0.9 * wanted else nearest + 8


def inverted_residual(net, depth, expanded_depth, kernel_size=3, stride=1, excite=None, scope=None):
    """Expansion, depthwise convolution, linear projection and, if shapes match, residual addition.

    Section 3.3 of the paper. The arg_scope sets the activation of the first two convolutions.

    Args:
      net: float [batch, h, w, channels].
      depth: channels of the output.
      expanded_depth: channels of the expansion, which is skipped if `net` has as many.
      kernel_size: kernel size of the depthwise convolution.
      stride: stride of the depthwise convolution.
      excite: a function of float [batch, h, w, expanded_depth] that returns a tensor of the same
        shape, applied before the projection; or None.
      scope: the variable scope; by default `expanded_conv`, made unique.

    Returns:
      Float [batch, ceil(h / stride), ceil(w / stride), depth], and a dict of the outputs within
      the block: `expansion_output` (unless skipped), `depthwise_output` and `output`.
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
    """Applies `layers` one after another, with the end points `layer_1`, `layer_2`, ...

    Args:
      net: input tensor of the first layer.
      layers: functions of a tensor. Each returns the next tensor, optionally with a dict of outputs
        within the layer, which become the end points `layer_<number>/<name>`.
      final_endpoint: name of the last layer to build; by default all are built.

    Returns:
      The tensor of the last layer, and a dict from end point names to tensors.

    Raises:
      ValueError: there is no such layer.
    """
    inner_end_points = {}

    def build(net, scope, layer):
        result = layer(net)
        net, outputs = result if isinstance(result, tuple) else (result, {})
        inner_end_points.update({f"{scope}/{name}": output for name, output in outputs.items()})
        return net

    stages = {
        f"layer_{number}": partial(build, layer=layer)
        for number, layer in enumerate(layers, start=1)
    }
    net, end_points = build_stages(net, stages, final_endpoint or f"layer_{len(layers)}")
    return net, end_points | inner_end_points


def add_logits(net, end_points, num_classes, dropout_keep_prob):
    """Global average pooling, dropout and the classifier, in the scope `Logits`.

    Args:
      net: float [batch, h, w, depth].
      end_points: a dict to which this adds `global_pool` (float [batch, 1, 1, depth]), `Logits` and
        `Predictions` (float [batch, num_classes], probabilities).
      num_classes: number of logits.
      dropout_keep_prob: fraction of features that dropout keeps.
    """
    with tf.variable_scope("Logits"):
        net = end_points["global_pool"] = tf.reduce_mean(net, [1, 2], keepdims=True)
        net = dropout(net, dropout_keep_prob, scope="Dropout")
        net = slim.conv2d(
            net, num_classes, 1, activation_fn=None, normalizer_fn=None, scope="Conv2d_1c_1x1"
        )
        logits = end_points["Logits"] = tf.squeeze(net, [1, 2], name="SpatialSqueeze")
        end_points["Predictions"] = tf.nn.softmax(logits, name="Predictions")
