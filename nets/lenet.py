"""LeNet, a network for handwritten digits.

LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998,
Section II: alternating convolutions and pooling, then fully connected layers. The layers are wider
than the paper's and use ReLU, max pooling and dropout.
"""

from nets.dropout import dropout
from slim_on_tf2 import slim, tf


def lenet(
    inputs,
    num_classes=10,
    is_training=True,
    dropout_keep_prob=0.5,
    reuse=None,
    scope="LeNet",
):
    """LeNet as defined in slim; call it in `lenet_arg_scope()`.

    The shape of the first fully connected layer follows from the image size, so the variables fit
    images of that size only.

    Args:
      inputs: float [batch, height, width, channels] in [-1, 1), at least 4x4, with one channel for
        the digits of MNIST; the batch size may be unknown.
      num_classes: number of logits.
      is_training: a Python bool, the mode of dropout.
      dropout_keep_prob: fraction of features that dropout keeps.
      reuse: True reuses the variables of an earlier call.
      scope: the variable scope.

    Returns:
      Logits, float [batch, num_classes], and a dict of end points: `conv1`, `pool1`, `conv2`,
      `pool2` (float [batch, h, w, depth]), `Flatten`, `fc3`, `dropout3` (float [batch, depth]),
      `Logits` and `Predictions` (float [batch, num_classes], probabilities).

    Raises:
      ValueError: the image size is unknown.
    """
    end_points = {}
    with (
        tf.variable_scope(scope, "LeNet", [inputs], reuse=reuse),
        slim.arg_scope([dropout], is_training=is_training),
    ):
        net = end_points["conv1"] = slim.conv2d(inputs, 32, 5, scope="conv1")
        net = end_points["pool1"] = slim.max_pool2d(net, 2, 2, scope="pool1")
        net = end_points["conv2"] = slim.conv2d(net, 64, 5, scope="conv2")
        net = end_points["pool2"] = slim.max_pool2d(net, 2, 2, scope="pool2")
        net = end_points["Flatten"] = slim.flatten(net)
        net = end_points["fc3"] = slim.fully_connected(net, 1024, scope="fc3")
        net = end_points["dropout3"] = dropout(net, dropout_keep_prob, scope="dropout3")
        logits = slim.fully_connected(net, num_classes, activation_fn=None, scope="fc4")
        end_points["Logits"] = logits
        end_points["Predictions"] = tf.nn.softmax(logits, name="Predictions")
    return logits, end_points


def lenet_arg_scope(weight_decay=0.0):
    """Returns slim's arg_scope for LeNet.

    Args:
      weight_decay: factor of the L2 regularization loss on all weights.

    Returns:
      A dict, the arg_scope to enter with `slim.arg_scope`.
    """
    with slim.arg_scope(
        [slim.conv2d, slim.fully_connected],
        weights_regularizer=slim.l2_regularizer(weight_decay),
        weights_initializer=tf.truncated_normal_initializer(stddev=0.1),
        activation_fn=tf.nn.relu,
    ) as arg_scope:
        return arg_scope
