"""LeNet, a network for handwritten digits.

LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998,
Section II: convolutions and pooling in turn, and fully connected layers behind them. The layers
are wider than the paper's, with ReLU, max pooling and dropout.
"""

from functools import partial

from nets.dropout import dropout
from nets.stages import build_stages
from slim_on_tf2 import slim, tf


def _stages():
    """End point -> function of (net, scope) that makes it from the one before."""
    max_pool = partial(slim.max_pool2d, kernel_size=2, stride=2)
    return {
        "conv1": partial(slim.conv2d, num_outputs=32, kernel_size=5),
        "pool1": max_pool,
        "conv2": partial(slim.conv2d, num_outputs=64, kernel_size=5),
        "pool2": max_pool,
    }


def lenet_base(inputs, final_endpoint="pool2", scope=None):
    """The network up to `final_endpoint`, without its fully connected layers.

    Args:
      inputs: float [batch, height, width, channels] in [-1, 1), at least 4x4 for both poolings;
        all but the channels may be unknown.
      final_endpoint: the last end point to build, a key of the second return value.
      scope: the variable scope; by default `LeNet`, made unique.

    Returns:
      The float tensor [batch, h, w, depth] of `final_endpoint`, and a dict from the name of each
      end point up to it to its tensor.

    Raises:
      ValueError: there is no such end point.
    """
    with tf.variable_scope(scope, "LeNet", [inputs]):
        return build_stages(inputs, _stages(), final_endpoint)


def lenet(
    inputs,
    num_classes=10,
    is_training=True,
    dropout_keep_prob=0.5,
    reuse=None,
    scope="LeNet",
):
    """LeNet as slim has it; call it in `lenet_arg_scope()`.

    Any size of at least 4x4 builds, but a network is built for one: the first fully connected
    layer has a weight for each place of the last grid, so its variables fit images of that size
    alone, and neither a checkpoint nor `reuse` takes them to another.

    Args:
      inputs: float [batch, height, width, channels] in [-1, 1), one channel for the digits of
        MNIST; the batch may be unknown.
      num_classes: how many logits.
      is_training: a Python bool; steers dropout.
      dropout_keep_prob: the share of features that dropout keeps.
      reuse: True takes the variables that an earlier call made.
      scope: the variable scope.

    Returns:
      Logits, float [batch, num_classes], and a dict from the name of each end point to its
      tensor: those of `lenet_base`, `Flatten`, `fc3`, `dropout3`, `Logits` and `Predictions`
      (probabilities).

    Raises:
      ValueError: the height or the width is unknown.
    """
    with (
        tf.variable_scope(scope, "LeNet", [inputs], reuse=reuse) as network,
        slim.arg_scope([dropout], is_training=is_training),
    ):
        net, end_points = lenet_base(inputs, scope=network)
        net = end_points["Flatten"] = slim.flatten(net)
        net = end_points["fc3"] = slim.fully_connected(net, 1024, scope="fc3")
        net = end_points["dropout3"] = dropout(net, dropout_keep_prob, scope="dropout3")
        logits = slim.fully_connected(net, num_classes, activation_fn=None, scope="fc4")
        end_points["Logits"] = logits
        end_points["Predictions"] = tf.nn.softmax(logits, name="Predictions")
    return logits, end_points


lenet.default_image_size = 28


def lenet_arg_scope(weight_decay=0.0):
    """The arg_scope that slim trains it in.

    Args:
      weight_decay: the factor of the L2 loss on weights.

    Returns:
      A dict to enter with `slim.arg_scope`.
    """
    with slim.arg_scope(
        [slim.conv2d, slim.fully_connected],
        weights_regularizer=slim.l2_regularizer(weight_decay),
        weights_initializer=tf.truncated_normal_initializer(stddev=0.1),
        activation_fn=tf.nn.relu,
    ) as arg_scope:
        return arg_scope
