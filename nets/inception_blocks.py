"""Parts that Inception-v4 and Inception-ResNet-V2 share: branches of blocks, and the two heads.

Szegedy, Ioffe, Vanhoucke, Alemi, "Inception-v4, Inception-ResNet and the Impact of Residual
Connections on Learning", 2016, https://arxiv.org/abs/1602.07261.
"""

from nets.dropout import dropout
from slim_on_tf2 import slim, tf

DOWNSAMPLE = {"stride": 2, "padding": "VALID"}


def branch(net, number, *convolutions):
    """Convolutions (scope, depth, kernel size[, options]) in the scope `Branch_<number>`."""
    with tf.variable_scope(f"Branch_{number}"):
        for scope, depth, kernel_size, *options in convolutions:
            net = slim.conv2d(net, depth, kernel_size, scope=scope, **dict(*options))
    return net


def max_pool_branch(net, number):
    """3x3 max pooling with stride 2 in the scope `Branch_<number>`."""
    with tf.variable_scope(f"Branch_{number}"):
        return slim.max_pool2d(net, 3, scope="MaxPool_1a_3x3", **DOWNSAMPLE)


def avg_pool_branch(net, number, convolution):
    """3x3 average pooling with stride 1 and a convolution in the scope `Branch_<number>`."""
    with tf.variable_scope(f"Branch_{number}"):
        net = slim.avg_pool2d(net, 3, stride=1, padding="SAME", scope="AvgPool_0a_3x3")
    return branch(net, number, convolution)


def auxiliary_logits(
    net, num_classes, convolution="Conv2d_2a_5x5", classifier="Logits", scope="AuxLogits"
):
    """The auxiliary head, which adds a gradient at the 17x17 grid during training.

    At 299x299, the grid is pooled to 5x5 and reduced to a vector by a 5x5 convolution. At other
    image sizes the kernel has the size of the pooled grid, so its weights fit only one image size.
    A grid smaller than the 5x5 pooling window (images below 107x107) is pooled to 1x1.

    Args:
      net: float [batch, h, w, depth] with known h and w, the last end point of the 17x17 grid.
      num_classes: number of logits.
      convolution: scope of the convolution that computes the vector.
      classifier: scope of the fully connected layer after it.
      scope: the variable scope.

    Returns:
      Logits, float [batch, num_classes].
    """
    with tf.variable_scope(scope):
        window = [min(5, side) for side in net.shape[1:3]]
        net = slim.avg_pool2d(net, window, stride=3, scope="Conv2d_1a_3x3")
        net = slim.conv2d(net, 128, 1, scope="Conv2d_1b_1x1")
        grid = net.shape[1:3].as_list()
        net = slim.conv2d(net, 768, grid, padding="VALID", scope=convolution)
        net = tf.squeeze(net, [1, 2])
        return slim.fully_connected(net, num_classes, activation_fn=None, scope=classifier)


def add_logits(net, end_points, num_classes, dropout_keep_prob):
    """Global average pooling, dropout and the classifier.

    Args:
      net: float [batch, h, w, depth].
      end_points: a dict to which this adds `global_pool` (float [batch, 1, 1, depth]),
        `PreLogitsFlatten` (float [batch, depth]), `Logits` and `Predictions` (float
        [batch, num_classes], probabilities).
      num_classes: number of logits.
      dropout_keep_prob: fraction of features that dropout keeps.
    """
    with tf.variable_scope("Logits"):
        net = end_points["global_pool"] = tf.reduce_mean(net, [1, 2], keepdims=True)
        net = dropout(tf.squeeze(net, [1, 2]), dropout_keep_prob, scope="Dropout")
        end_points["PreLogitsFlatten"] = net
        logits = slim.fully_connected(net, num_classes, activation_fn=None, scope="Logits")
        end_points["Logits"] = logits
        end_points["Predictions"] = tf.nn.softmax(logits, name="Predictions")
