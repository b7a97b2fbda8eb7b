"""Inception-v4.

Szegedy, Ioffe, Vanhoucke, Alemi, "Inception-v4, Inception-ResNet and the Impact of Residual
Connections on Learning", 2016, https://arxiv.org/abs/1602.07261.
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

_UNPADDED = {"padding": "VALID"}


def mixed_3a(net, scope="Mixed_3a"):
    """Start of the stem (Figure 3): float [batch, h, w, 64] to [batch, h/2, w/2, 160]."""
    with tf.variable_scope(scope):
        branches = [max_pool_branch(net, 0), branch(net, 1, ("Conv2d_0a_3x3", 96, 3, DOWNSAMPLE))]
        return tf.concat(branches, 3)


def mixed_4a(net, scope="Mixed_4a"):
    """Middle of the stem (Figure 3): float [batch, h, w, 160] to [batch, h-2, w-2, 192]."""
    with tf.variable_scope(scope):
        branches = [
            branch(net, 0, ("Conv2d_0a_1x1", 64, 1), ("Conv2d_1a_3x3", 96, 3, _UNPADDED)),
            branch(
                net,
                1,
                ("Conv2d_0a_1x1", 64, 1),
                ("Conv2d_0b_1x7", 64, [1, 7]),
                ("Conv2d_0c_7x1", 64, [7, 1]),
                ("Conv2d_1a_3x3", 96, 3, _UNPADDED),
            ),
        ]
        return tf.concat(branches, 3)


def mixed_5a(net, scope="Mixed_5a"):
    """End of the stem (Figure 3): float [batch, h, w, 192] to [batch, h/2, w/2, 384]."""
    with tf.variable_scope(scope):
        branches = [branch(net, 0, ("Conv2d_1a_3x3", 192, 3, DOWNSAMPLE)), max_pool_branch(net, 1)]
        return tf.concat(branches, 3)


def inception_a(net, scope="InceptionA"):
    """Block of the 35x35 grid (Figure 4): float [batch, h, w, 384] in and out."""
    with tf.variable_scope(scope):
        branches = [
            branch(net, 0, ("Conv2d_0a_1x1", 96, 1)),
            branch(net, 1, ("Conv2d_0a_1x1", 64, 1), ("Conv2d_0b_3x3", 96, 3)),
            branch(
                net,
                2,
                ("Conv2d_0a_1x1", 64, 1),
                ("Conv2d_0b_3x3", 96, 3),
                ("Conv2d_0c_3x3", 96, 3),
            ),
            avg_pool_branch(net, 3, ("Conv2d_0b_1x1", 96, 1)),
        ]
        return tf.concat(branches, 3)


def reduction_a(net, scope="ReductionA"):
    """Downsamples the grid (Figure 7): float [batch, h, w, 384] to [batch, h/2, w/2, 1024]."""
    with tf.variable_scope(scope):
        branches = [
            branch(net, 0, ("Conv2d_1a_3x3", 384, 3, DOWNSAMPLE)),
            branch(
                net,
                1,
                ("Conv2d_0a_1x1", 192, 1),
                ("Conv2d_0b_3x3", 224, 3),
                ("Conv2d_1a_3x3", 256, 3, DOWNSAMPLE),
            ),
            max_pool_branch(net, 2),
        ]
        return tf.concat(branches, 3)


def inception_b(net, scope="InceptionB"):
    """Block of the 17x17 grid (Figure 5): float [batch, h, w, 1024] in and out."""
    with tf.variable_scope(scope):
        branches = [
            branch(net, 0, ("Conv2d_0a_1x1", 384, 1)),
            branch(
                net,
                1,
                ("Conv2d_0a_1x1", 192, 1),
                ("Conv2d_0b_1x7", 224, [1, 7]),
                ("Conv2d_0c_7x1", 256, [7, 1]),
            ),
            branch(
                net,
                2,
                ("Conv2d_0a_1x1", 192, 1),
                ("Conv2d_0b_7x1", 192, [7, 1]),
                ("Conv2d_0c_1x7", 224, [1, 7]),
                ("Conv2d_0d_7x1", 224, [7, 1]),
                ("Conv2d_0e_1x7", 256, [1, 7]),
            ),
            avg_pool_branch(net, 3, ("Conv2d_0b_1x1", 128, 1)),
        ]
        return tf.concat(branches, 3)


def reduction_b(net, scope="ReductionB"):
    """Downsamples the grid (Figure 8): float [batch, h, w, 1024] to [batch, h/2, w/2, 1536]."""
    with tf.variable_scope(scope):
        branches = [
            branch(net, 0, ("Conv2d_0a_1x1", 192, 1), ("Conv2d_1a_3x3", 192, 3, DOWNSAMPLE)),
            branch(
                net,
                1,
                ("Conv2d_0a_1x1", 256, 1),
                ("Conv2d_0b_1x7", 256, [1, 7]),
                ("Conv2d_0c_7x1", 320, [7, 1]),
                ("Conv2d_1a_3x3", 320, 3, DOWNSAMPLE),
            ),
            max_pool_branch(net, 2),
        ]
        return tf.concat(branches, 3)


def _forked_branch(net, number, trunk, fork):
    """The convolutions of `trunk` in sequence, then those of `fork` in parallel."""
    net = branch(net, number, *trunk)
    return tf.concat([branch(net, number, convolution) for convolution in fork], 3)


def inception_c(net, scope="InceptionC"):
    """Block of the 8x8 grid (Figure 6): float [batch, h, w, 1536] in and out."""
    with tf.variable_scope(scope):
        branches = [
            branch(net, 0, ("Conv2d_0a_1x1", 256, 1)),
            _forked_branch(
                net,
                1,
                trunk=[("Conv2d_0a_1x1", 384, 1)],
                fork=[("Conv2d_0b_1x3", 256, [1, 3]), ("Conv2d_0c_3x1", 256, [3, 1])],
            ),
            _forked_branch(
                net,
                2,
                trunk=[
                    ("Conv2d_0a_1x1", 384, 1),
                    ("Conv2d_0b_3x1", 448, [3, 1]),
                    ("Conv2d_0c_1x3", 512, [1, 3]),
                ],
                fork=[("Conv2d_0d_1x3", 256, [1, 3]), ("Conv2d_0e_3x1", 256, [3, 1])],
            ),
            avg_pool_branch(net, 3, ("Conv2d_0b_1x1", 256, 1)),
        ]
        return tf.concat(branches, 3)


def _stages():
    """Ordered dict from end point name to a function of (net, scope) (Figure 9)."""
    conv = partial(slim.conv2d, kernel_size=3)
    return {
        "Conv2d_1a_3x3": partial(conv, num_outputs=32, **DOWNSAMPLE),
        "Conv2d_2a_3x3": partial(conv, num_outputs=32, **_UNPADDED),
        "Conv2d_2b_3x3": partial(conv, num_outputs=64),
        "Mixed_3a": mixed_3a,
        "Mixed_4a": mixed_4a,
        "Mixed_5a": mixed_5a,
        **{f"Mixed_5{letter}": inception_a for letter in "bcde"},
        "Mixed_6a": reduction_a,
        **{f"Mixed_6{letter}": inception_b for letter in "bcdefgh"},
        "Mixed_7a": reduction_b,
        **{f"Mixed_7{letter}": inception_c for letter in "bcd"},
    }


def inception_v4_base(inputs, final_endpoint="Mixed_7d", scope=None):
    """Inception-v4 up to `final_endpoint`, without its heads.

    Args:
      inputs: float [batch, height, width, channels] in [-1, 1], at least 75x75 for the whole
        network; the batch size and image size may be unknown.
      final_endpoint: name of the last end point to build.
      scope: the variable scope; by default `InceptionV4`, made unique.

    Returns:
      The float tensor [batch, h, w, depth] of `final_endpoint`, and a dict from the names of the
      end points up to it to their tensors.

    Raises:
      ValueError: there is no such end point.
    """
    with tf.variable_scope(scope, "InceptionV4", [inputs]):
        return build_stages(inputs, _stages(), final_endpoint)


def inception_v4(
    inputs,
    num_classes=1001,
    is_training=True,
    dropout_keep_prob=0.8,
    reuse=None,
    scope="InceptionV4",
    create_aux_logits=True,
):
    """Inception-v4 as published; call it in `inception_v4_arg_scope()`.

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
      `inception_v4_base`, `AuxLogits` (float [batch, num_classes], if the head is built),
      `global_pool`, `PreLogitsFlatten`, `Logits` and `Predictions` (probabilities).
    """
    image_size_is_known = inputs.shape[1:3].is_fully_defined()
    with (
        tf.variable_scope(scope, "InceptionV4", [inputs], reuse=reuse) as network,
        slim.arg_scope([slim.batch_norm, dropout], is_training=is_training),
    ):
        net, end_points = inception_v4_base(inputs, scope=network)
        if create_aux_logits and image_size_is_known:
            end_points["AuxLogits"] = auxiliary_logits(
                end_points["Mixed_6h"], num_classes, "Conv2d_2a", "Aux_logits"
            )
        add_logits(net, end_points, num_classes, dropout_keep_prob)
    return end_points["Logits"], end_points


def inception_v4_arg_scope(weight_decay=0.00004, batch_norm_decay=0.9997, batch_norm_epsilon=0.001):
    """Returns the published arg_scope: batch norm without gamma, L2 on weights.

    Args:
      weight_decay: factor of the L2 regularization loss.
      batch_norm_decay: decay of the moving averages per step.
      batch_norm_epsilon: added to the variance in batch norm.

    Returns:
      A dict, the arg_scope to enter with `slim.arg_scope`.
    """
    with (
        slim.arg_scope(
            [slim.conv2d, slim.fully_connected],
            weights_regularizer=slim.l2_regularizer(weight_decay),
        ),
        slim.arg_scope(
            [slim.conv2d],
            weights_initializer=slim.variance_scaling_initializer(),
            activation_fn=tf.nn.relu,
            normalizer_fn=slim.batch_norm,
            normalizer_params={"decay": batch_norm_decay, "epsilon": batch_norm_epsilon},
        ) as arg_scope,
    ):
        return arg_scope
