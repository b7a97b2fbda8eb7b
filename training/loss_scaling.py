"""Loss scaling for float16, whose gradients would vanish or overflow without it.

Micikevicius et al. 2018, "Mixed Precision Training", sections 3.2 and 4.
"""

from slim_on_tf2 import tf


class LossScaledOptimizer(tf.train.Optimizer):
    """Multiplies the loss by a factor, divides the gradients by it, and skips what overflows.

    The factor is TensorFlow's `DynamicLossScale`: it halves when a gradient is not finite, and
    doubles after 2,000 steps in which all were. `tf.train`'s own optimizer of this kind does not
    count a skipped step; here the global step grows, so that each step keeps its images.
    """

    def __init__(self, optimizer):
        """Takes the optimizer that applies the gradients."""
        super().__init__(use_locking=False, name="LossScaled")
        self._optimizer = optimizer
        self.loss_scale = tf.mixed_precision.DynamicLossScale()
        self.skipped_steps = tf.get_variable(
            "skipped_steps", [], tf.int64, tf.zeros_initializer(), trainable=False
        )

    def compute_gradients(self, loss, *args, **kwargs):
        """Returns the gradients of the loss, and their variables, as every optimizer does."""
        scale = self.loss_scale()
        pairs = self._optimizer.compute_gradients(loss * scale, *args, **kwargs)
        return [(None if g is None else g / scale, v) for g, v in pairs]

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        """Applies the gradients if all of them are finite; counts the step in any case."""
        pairs = [(g, v) for g, v in grads_and_vars if g is not None]
        update_scale, is_finite = self.loss_scale.update([g for g, _ in pairs])

        def apply():
            with tf.control_dependencies([self._optimizer.apply_gradients(pairs)]):
                return tf.constant(0, tf.int64)

        skipped = tf.cond(is_finite, apply, lambda: tf.constant(1, tf.int64))
        with tf.control_dependencies([update_scale, self.skipped_steps.assign_add(skipped)]):
            return tf.no_op(name) if global_step is None else global_step.assign_add(1, name=name)
