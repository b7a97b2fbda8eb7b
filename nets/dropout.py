"""Dropout whose masks survive a restart: the same step of the same run draws the same mask.

slim.dropout draws from the state of its op, which a checkpoint does not hold. Here a mask is a
function of the graph's seed, the layer's scope and the global step, and of nothing else.
"""

import zlib

from slim_on_tf2 import slim, tf


@slim.add_arg_scope
def dropout(inputs, keep_prob=0.5, is_training=True, scope=None):
    """Sets elements of `inputs` to zero at random and scales the others by 1 / `keep_prob`.

    Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014.
    The mask changes with `tf.train.get_global_step()`; in a graph without one it stays as it is
    at step 0. Layers of one scope name, such as the replicas of a reused network, share masks.

    Args:
      inputs: a float tensor of any shape.
      keep_prob: a Python number in (0, 1], the share of elements that are kept.
      is_training: a Python bool; where it is false, `inputs` is returned as it is.
      scope: the layer's variable scope; by default `Dropout`, made unique.

    Returns:
      A tensor of the shape and dtype of `inputs`.

    Raises:
      ValueError: `keep_prob` is not in (0, 1].
    """
    if not 0 < keep_prob <= 1:
        raise ValueError(f"keep_prob: expected a number in (0, 1], got {keep_prob}")
    with tf.variable_scope(scope, "Dropout", [inputs]) as layer:
        if not is_training:
            return inputs
        return tf.nn.experimental.stateless_dropout(
            inputs, rate=1 - keep_prob, seed=_mask_seed(layer.name), rng_alg="philox"
        )


@slim.add_arg_scope
def drop_path(inputs, keep_prob=1.0, is_training=True, scope=None):
    """Sets whole examples of `inputs` to zero at random and scales the others by 1 / `keep_prob`.

    Where `inputs` is one of several paths that are added, the examples lose that path. Larsson et
    al., "FractalNet: Ultra-Deep Neural Networks without Residuals", 2016; one path for itself, as
    in Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition", 2017.
    The mask changes as that of `dropout` does.

    Args:
      inputs: a float tensor [batch, ...].
      keep_prob: the share of examples that are kept, a Python number in (0, 1] or a float32 scalar
        tensor.
      is_training: a Python bool; where it is false, `inputs` is returned as it is.
      scope: the layer's variable scope; by default `DropPath`, made unique.

    Returns:
      A tensor of the shape and dtype of `inputs`.

    Raises:
      ValueError: `keep_prob` is a number that is not in (0, 1].
    """
    with tf.variable_scope(scope, "DropPath", [inputs]) as layer:
        never_drops = not tf.is_tensor(keep_prob) and keep_prob == 1
        if never_drops or not is_training:
            return inputs
        one_an_example = tf.concat([tf.shape(inputs)[:1], [1] * (inputs.shape.rank - 1)], 0)
        return tf.nn.experimental.stateless_dropout(
            inputs,
            rate=1 - keep_prob,
            seed=_mask_seed(layer.name),
            rng_alg="philox",
            noise_shape=one_an_example,
        )


def _mask_seed(layer_name):
    """int64 [2]: a number for the graph's seed and the layer, and the global step."""
    graph_seed = tf.get_default_graph().seed or 0
    layer_seed = zlib.crc32(f"{graph_seed}/{layer_name}".encode())
    global_step = tf.train.get_global_step()
    step = 0 if global_step is None else tf.cast(global_step, tf.int64)
    return tf.stack([tf.constant(layer_seed, tf.int64), step])
