"""CifarNet, a small network for the photos of CIFAR-10.

Krizhevsky, "cuda-convnet", 2011, https://code.google.com/archive/p/cuda-convnet: two convolutions,
each with max pooling and the local response normalization of Krizhevsky, Sutskever, Hinton,
"ImageNet Classification with Deep Convolutional Neural Networks", 2012, Section 3.3. Fully
connected layers stand behind them.
"""

from functools import partial

from nets.dropout import dropout
from nets.stages import build_stages
from slim_on_tf2 import slim, tf

_normalize = partial(
    tf.nn.local_response_normalization, depth_radius=4, bias=1.0, alpha=0.001 / 9, beta=0.75
)


def _stages():
    """End point -> function of (net, scope) that makes it from the one before."""
    conv = partial(slim.conv2d, num_outputs=64, kernel_size=5)
    max_pool = partial(slim.max_pool2d, kernel_size=2, stride=2)
    return {
        "conv1": conv,
        "pool1": max_pool,
        "conv2": lambda net, scope: conv(_normalize(net, name="norm1"), scope=scope),
        "pool2": lambda net, scope: max_pool(_normalize(net, name="norm2"), scope=scope),
    }


def cifarnet_base(inputs, final_endpoint="pool2", scope=None):
    """The network up to `final_endpoint`, without its fully connected layers.

    Args:
      inputs: float [batch, height, width, channels], each image of mean 0 and deviation 1, at
        least 4x4 for both poolings; all but the channels may be unknown.
      final_endpoint: the last end point to build, a key of the second return value.
      scope: the variable scope; by default `CifarNet`, made unique.

    Returns:
      The float tensor [batch, h, w, 64] of `final_endpoint`, and a dict from the name of each
      end point up to it to its tensor.

    Raises:
      ValueError: there is no such end point.
    """
    with tf.variable_scope(scope, "CifarNet", [inputs]):
        return build_stages(inputs, _stages(), final_endpoint)


def cifarnet(
    inputs,
    num_classes=10,
    is_training=True,
    dropout_keep_prob=0.5,
    reuse=None,
    scope="CifarNet",
):
    """CifarNet as slim has it; call it in `cifarnet_arg_scope()`.

    Any size of at least 4x4 builds, but a network is built for one: the first fully connected
    layer has a weight for each place of the last grid, so its variables fit images of that size
    alone, and neither a checkpoint nor `reuse` takes them to another.

    Args:
      inputs: float [batch, height, width, channels], each image of mean 0 and deviation 1; the
        batch may be unknown.
      num_classes: how many logits.
      is_training: a Python bool; steers dropout.
      dropout_keep_prob: the share of features that dropout keeps.
      reuse: True takes the variables that an earlier call made.
      scope: the variable scope.

    Returns:
      Logits, float [batch, num_classes], and a dict from the name of each end point to its
      tensor: those of `cifarnet_base`, `Flatten`, `fc3`, `fc4`, `Logits` and `Predictions`
      (probabilities).

    Raises:
      ValueError: the height or the width is unknown.
    """
    with (
        tf.variable_scope(scope, "CifarNet", [inputs], reuse=reuse) as network,
        slim.arg_scope([dropout], is_training=is_training),
    ):
        net, end_points = cifarnet_base(inputs, scope=network)
        net = end_points["Flatten"] = slim.flatten(net)
        net = end_points["fc3"] = slim.fully_connected(net, 384, scope="fc3")
        net = dropout(net, dropout_keep_prob, scope="dropout3")
        net = end_points["fc4"] = slim.fully_connected(net, 192, scope="fc4")
        logits = end_points["Logits"] = _classify(net, num_classes)
        end_points["Predictions"] = tf.nn.softmax(logits, name="Predictions")
    return logits, end_points


cifarnet.default_image_size = 32


def _classify(net, num_classes):
    """The last layer: weights that are not decayed, and so small at first that no class leads."""
    return slim.fully_connected(
        net,
        num_classes,
        activation_fn=None,
        weights_initializer=tf.truncated_normal_initializer(stddev=1 / 192),
        weights_regularizer=None,
        biases_initializer=tf.zeros_initializer(),
        scope="logits",
    )


def cifarnet_arg_scope(weight_decay=0.004):
    """The arg_scope that slim trains it in: L2 on the fully connected layers alone.

    Args:
      weight_decay: the factor of the L2 loss on their weights; the classifier has none.

    Returns:
      A dict to enter with `slim.arg_scope`.
    """
    with (
        slim.arg_scope(
            [slim.conv2d],
            weights_initializer=tf.truncated_normal_initializer(stddev=5e-2),
            activation_fn=tf.nn.relu,
        ),
        slim.arg_scope(
            [slim.fully_connected],
            weights_initializer=tf.truncated_normal_initializer(stddev=0.04),
            weights_regularizer=slim.l2_regularizer(weight_decay),
            biases_initializer=tf.constant_initializer(0.1),
            activation_fn=tf.nn.relu,
        ) as arg_scope,
    ):
        return arg_scope
