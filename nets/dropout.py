"""Dropout whose masks survive a restart: the same step of the same run draws the same mask.

slim.dropout draws from random state that checkpoints do not store. Here a mask depends only on the
graph's seed, the layer's variable scope and the global step.
"""

import zlib

from slim_on_tf2 import slim, tf


@slim.add_arg_scope
def dropout(inputs, keep_prob=0.5, is_training=True, scope=None):
    """Sets random elements of `inputs` to zero and scales the others by 1 / `keep_prob`.

    Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014.
    The mask changes with `tf.train.get_global_step()`; a graph without a global step uses the mask
    of step 0. Layers with the same scope name, such as those of a reused network, share masks.

    Args:
      inputs: a float tensor of any shape.
      keep_prob: a Python number in (0, 1], the fraction of elements to keep.
      is_training: a Python bool; if false, `inputs` is returned unchanged.
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
    """Sets random examples of `inputs` to zero and scales the others by 1 / `keep_prob`.

    Larsson et al., "FractalNet: Ultra-Deep Neural Networks without Residuals", 2016; each path is
    dropped independently, as in Zoph et al., "Learning Transferable Architectures for Scalable
    Image Recognition", 2017. The mask depends on the global step as that of `dropout` does.

    Args:
      inputs: a float tensor [batch, ...].
      keep_prob: the fraction of examples to keep, a Python number in (0, 1] or a float32 scalar
        tensor.
      is_training: a Python bool; if false, `inputs` is returned unchanged.
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
        noise_shape = tf.concat([tf.shape(inputs)[:1], [1] * (inputs.shape.rank - 1)], 0)
        return tf.nn.experimental.stateless_dropout(
            inputs,
            rate=1 - keep_prob,
            seed=_mask_seed(layer.name),
            rng_alg="philox",
            noise_shape=noise_shape,
        )


def _mask_seed(layer_name):
    """int64 [2]: a hash of the graph's seed and the layer's name, and the global step."""
    graph_seed = tf.get_default_graph().seed or 0
    layer_seed = zlib.crc32(f"{graph_seed}/{layer_name}".encode())
    global_step = tf.train.get_global_step()
    step = 0 if global_step is None else tf.cast(global_step, tf.int64)
    return tf.stack([tf.constant(layer_seed, tf.int64), step])
