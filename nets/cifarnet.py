"""CifarNet, a small network for the images of CIFAR-10.

Krizhevsky, "cuda-convnet", 2011, https://code.google.com/archive/p/cuda-convnet: two convolutions
with max pooling and local response normalization (Krizhevsky, Sutskever, Hinton, "ImageNet
Classification with Deep Convolutional Neural Networks", 2012, Section 3.3), then fully connected
layers.
"""

from functools import partial

from nets.dropout import dropout
from slim_on_tf2 import slim, tf

_normalize = partial(
    tf.nn.local_response_normalization, depth_radius=4, bias=1.0, alpha=0.001 / 9, beta=0.75
)


def cifarnet(
    inputs,
    num_classes=10,
    is_training=True,
    dropout_keep_prob=0.5,
    reuse=None,
    scope="CifarNet",
):
    """CifarNet as defined in slim; call it in `cifarnet_arg_scope()`.

    The shape of the first fully connected layer follows from the image size, so the variables fit
    images of that size only.

    Args:
      inputs: float [batch, height, width, channels], at least 4x4, each image with mean 0 and
        standard deviation 1; the batch size may be unknown.
      num_classes: number of logits.
      is_training: a Python bool, the mode of dropout.
      dropout_keep_prob: fraction of features that dropout keeps.
      reuse: True reuses the variables of an earlier call.
      scope: the variable scope.

    Returns:
      Logits, float [batch, num_classes], and a dict of end points: `conv1`, `pool1`, `conv2`,
      `pool2` (float [batch, h, w, 64]), `Flatten`, `fc3`, `fc4` (float [batch, depth]), `Logits`
      and `Predictions` (float [batch, num_classes], probabilities).

    Raises:
      ValueError: the image size is unknown.
    """
    end_points = {}
    with (
        tf.variable_scope(scope, "CifarNet", [inputs], reuse=reuse),
        slim.arg_scope([dropout], is_training=is_training),
    ):
        net = end_points["conv1"] = slim.conv2d(inputs, 64, 5, scope="conv1")
        net = end_points["pool1"] = slim.max_pool2d(net, 2, 2, scope="pool1")
        net = _normalize(net, name="norm1")
        net = end_points["conv2"] = slim.conv2d(net, 64, 5, scope="conv2")
        net = _normalize(net, name="norm2")
        net = end_points["pool2"] = slim.max_pool2d(net, 2, 2, scope="pool2")
        net = end_points["Flatten"] = slim.flatten(net)
        net = end_points["fc3"] = slim.fully_connected(net, 384, scope="fc3")
        net = dropout(net, dropout_keep_prob, scope="dropout3")
        net = end_points["fc4"] = slim.fully_connected(net, 192, scope="fc4")
        logits = end_points["Logits"] = slim.fully_connected(
            net,
            num_classes,
            activation_fn=None,
            weights_initializer=tf.truncated_normal_initializer(stddev=1 / 192),
            weights_regularizer=None,
            biases_initializer=tf.zeros_initializer(),
            scope="logits",
        )
        end_points["Predictions"] = tf.nn.softmax(logits, name="Predictions")
    return logits, end_points


def cifarnet_arg_scope(weight_decay=0.004):
    """Returns slim's arg_scope for CifarNet.

    Args:
      weight_decay: factor of the L2 regularization loss on the weights of the fully connected
        layers; convolutions and the classifier have none.

    Returns:
      A dict, the arg_scope to enter with `slim.arg_scope`.
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
