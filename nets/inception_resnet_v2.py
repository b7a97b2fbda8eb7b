"""Inception-ResNet-V2.

Szegedy, Ioffe, Vanhoucke, Alemi, "Inception-v4, Inception-ResNet and the Impact of Residual
Connections on Learning", 2016, https://arxiv.org/abs/1602.07261. The stem and some depths follow
the published checkpoint, which differs from the paper's figures.
"""

from functools import partial

from nets.dropout import dropout
from nets.inception_blocks import (
    DOWNSAMPLE,
    add_logits,
    auxiliary_logits,
    avg_pool_branch,
    branch,
    max_pool_branch,
)
from nets.stages import build_stages
from slim_on_tf2 import slim, tf


def _add_residual(net, branches, scale, activation_fn):
    """Adds the branches, concatenated, projected to the depth of `net` and scaled."""
    residual = slim.conv2d(
        tf.concat(branches, 3),
        net.shape[3],
        1,
        normalizer_fn=None,
        activation_fn=None,
        scope="Conv2d_1x1",
    )
    net += scale * residual
    return activation_fn(net) if activation_fn else net


def block35(net, scale=0.17, activation_fn=tf.nn.relu, scope=None):
    """Residual block of the 35x35 grid (Figure 16): float [batch, h, w, 320] in and out."""
    with tf.variable_scope(scope, "Block35", [net]):
        branches = [
            branch(net, 0, ("Conv2d_1x1", 32, 1)),
            branch(net, 1, ("Conv2d_0a_1x1", 32, 1), ("Conv2d_0b_3x3", 32, 3)),
            branch(
                net,
                2,
                ("Conv2d_0a_1x1", 32, 1),
                ("Conv2d_0b_3x3", 48, 3),
                ("Conv2d_0c_3x3", 64, 3),
            ),
        ]
        return _add_residual(net, branches, scale, activation_fn)


def block17(net, scale=0.1, activation_fn=tf.nn.relu, scope=None):
    """Residual block of the 17x17 grid (Figure 17): float [batch, h, w, 1088] in and out."""
    with tf.variable_scope(scope, "Block17", [net]):
        branches = [
            branch(net, 0, ("Conv2d_1x1", 192, 1)),
            branch(
                net,
                1,
                ("Conv2d_0a_1x1", 128, 1),
                ("Conv2d_0b_1x7", 160, [1, 7]),
                ("Conv2d_0c_7x1", 192, [7, 1]),
            ),
        ]
        return _add_residual(net, branches, scale, activation_fn)


def block8(net, scale=0.2, activation_fn=tf.nn.relu, scope=None):
    """Residual block of the 8x8 grid (Figure 19): float [batch, h, w, 2080] in and out."""
    with tf.variable_scope(scope, "Block8", [net]):
        branches = [
            branch(net, 0, ("Conv2d_1x1", 192, 1)),
            branch(
                net,
                1,
                ("Conv2d_0a_1x1", 192, 1),
                ("Conv2d_0b_1x3", 224, [1, 3]),
                ("Conv2d_0c_3x1", 256, [3, 1]),
            ),
        ]
        return _add_residual(net, branches, scale, activation_fn)


def mixed_5b(net, scope="Mixed_5b"):
    """Inception block after the stem: float [batch, h, w, 192] to [batch, h, w, 320]."""
    with tf.variable_scope(scope):
        branches = [
            branch(net, 0, ("Conv2d_1x1", 96, 1)),
            branch(net, 1, ("Conv2d_0a_1x1", 48, 1), ("Conv2d_0b_5x5", 64, 5)),
            branch(
                net,
                2,
                ("Conv2d_0a_1x1", 64, 1),
                ("Conv2d_0b_3x3", 96, 3),
                ("Conv2d_0c_3x3", 96, 3),
            ),
            avg_pool_branch(net, 3, ("Conv2d_0b_1x1", 64, 1)),
        ]
        return tf.concat(branches, 3)


def mixed_6a(net, scope="Mixed_6a"):
    """Downsamples the grid (Figure 7): float [batch, h, w, 320] to [batch, h/2, w/2, 1088]."""
    with tf.variable_scope(scope):
        branches = [
            branch(net, 0, ("Conv2d_1a_3x3", 384, 3, DOWNSAMPLE)),
            branch(
                net,
                1,
                ("Conv2d_0a_1x1", 256, 1),
                ("Conv2d_0b_3x3", 256, 3),
                ("Conv2d_1a_3x3", 384, 3, DOWNSAMPLE),
            ),
            max_pool_branch(net, 2),
        ]
        return tf.concat(branches, 3)


def mixed_7a(net, scope="Mixed_7a"):
    """Downsamples the grid (Figure 18): float [batch, h, w, 1088] to [batch, h/2, w/2, 2080]."""
    with tf.variable_scope(scope):
        branches = [
            branch(net, 0, ("Conv2d_0a_1x1", 256, 1), ("Conv2d_1a_3x3", 384, 3, DOWNSAMPLE)),
            branch(net, 1, ("Conv2d_0a_1x1", 256, 1), ("Conv2d_1a_3x3", 288, 3, DOWNSAMPLE)),
            branch(
                net,
                2,
                ("Conv2d_0a_1x1", 256, 1),
                ("Conv2d_0b_3x3", 288, 3),
                ("Conv2d_1a_3x3", 320, 3, DOWNSAMPLE),
            ),
            max_pool_branch(net, 3),
        ]
        return tf.concat(branches, 3)


def _stages():
    """Ordered dict from end point name to a function of (net, scope) (Figure 15)."""
    conv, max_pool = slim.conv2d, partial(slim.max_pool2d, kernel_size=3, **DOWNSAMPLE)

    def last_blocks(net):
        return block8(slim.repeat(net, 9, block8), scale=1.0, activation_fn=None)

    return {
        "Conv2d_1a_3x3": partial(conv, num_outputs=32, kernel_size=3, **DOWNSAMPLE),
        "Conv2d_2a_3x3": partial(conv, num_outputs=32, kernel_size=3, padding="VALID"),
        "Conv2d_2b_3x3": partial(conv, num_outputs=64, kernel_size=3),
        "MaxPool_3a_3x3": max_pool,
        "Conv2d_3b_1x1": partial(conv, num_outputs=80, kernel_size=1),
        "Conv2d_4a_3x3": partial(conv, num_outputs=192, kernel_size=3, padding="VALID"),
        "MaxPool_5a_3x3": max_pool,
        "Mixed_5b": mixed_5b,
        "Mixed_6a": lambda net, scope: mixed_6a(slim.repeat(net, 10, block35), scope),
        "PreAuxLogits": lambda net, scope: slim.repeat(net, 20, block17),
        "Mixed_7a": mixed_7a,
        "Conv2d_7b_1x1": lambda net, scope: conv(last_blocks(net), 1536, 1, scope=scope),
    }


def inception_resnet_v2_base(inputs, final_endpoint="Conv2d_7b_1x1", scope=None):
    """Inception-ResNet-V2 up to `final_endpoint`, without its heads.

    Args:
      inputs: float [batch, height, width, channels] in [-1, 1], at least 75x75 for the whole
        network; the batch size and image size may be unknown.
      final_endpoint: name of the last end point to build.
      scope: the variable scope; by default `InceptionResnetV2`, made unique.

    Returns:
      The float tensor [batch, h, w, depth] of `final_endpoint`, and a dict from the names of the
      end points up to it to their tensors.

    Raises:
      ValueError: there is no such end point.
    """
    with tf.variable_scope(scope, "InceptionResnetV2", [inputs]):
        return build_stages(inputs, _stages(), final_endpoint)


def inception_resnet_v2(
    inputs,
    num_classes=1001,
    is_training=True,
    dropout_keep_prob=0.8,
    reuse=None,
    scope="InceptionResnetV2",
    create_aux_logits=True,
):
    """Inception-ResNet-V2 as published; call it in `inception_resnet_v2_arg_scope()`.

    Args:
      inputs: float [batch, height, width, channels] in [-1, 1], at least 75x75; the batch size
        and the image size may be unknown. With an unknown image size there is no auxiliary head,
        because the shape of its weights depends on it (see `inception_blocks.auxiliary_logits`).
      num_classes: number of logits.
      is_training: a Python bool, the mode of dropout and batch norm.
      dropout_keep_prob: fraction of features that dropout keeps.
      reuse: True reuses the variables of an earlier call.
      scope: the variable scope.
      create_aux_logits: whether to build the auxiliary head.

    Returns:
      Logits, float [batch, num_classes], and a dict from end point names to tensors: those of
      `inception_resnet_v2_base`, `AuxLogits` (float [batch, num_classes], if the head is built),
      `global_pool`, `PreLogitsFlatten`, `Logits` and `Predictions` (probabilities).
    """
    image_size_is_known = inputs.shape[1:3].is_fully_defined()
    with (
        tf.variable_scope(scope, "InceptionResnetV2", [inputs], reuse=reuse) as network,
        slim.arg_scope([slim.batch_norm, dropout], is_training=is_training),
    ):
        net, end_points = inception_resnet_v2_base(inputs, scope=network)
        if create_aux_logits and image_size_is_known:
            end_points["AuxLogits"] = auxiliary_logits(end_points["PreAuxLogits"], num_classes)
        add_logits(net, end_points, num_classes, dropout_keep_prob)
    return end_points["Logits"], end_points


def inception_resnet_v2_arg_scope(
    weight_decay=0.00004, batch_norm_decay=0.9997, batch_norm_epsilon=0.001
):
    """Returns the published arg_scope: batch norm without gamma, L2 on weights and biases.

    Args:
      weight_decay: factor of the L2 regularization loss.
      batch_norm_decay: decay of the moving averages per step.
      batch_norm_epsilon: added to the variance in batch norm.

    Returns:
      A dict, the arg_scope to enter with `slim.arg_scope`.
    """
    l2 = slim.l2_regularizer(weight_decay)
    with (
        slim.arg_scope(
            [slim.conv2d, slim.fully_connected], weights_regularizer=l2, biases_regularizer=l2
        ),
        slim.arg_scope(
            [slim.conv2d],
            activation_fn=tf.nn.relu,
            normalizer_fn=slim.batch_norm,
            normalizer_params={"decay": batch_norm_decay, "epsilon": batch_norm_epsilon},
        ) as arg_scope,
    ):
        return arg_scope
