"""What happens to gradients before they are applied: averaging over batches, and clipping."""

from slim_on_tf2 import tf


class GradientTransform(tf.train.Optimizer):
    """Averages the gradients of several batches and clips them, then applies an optimizer.

    With `accumulate_steps` N, a step runs `accumulate_op` for N - 1 batches and applies the
    gradients of the last one. The sums are local variables, which no checkpoint holds: it is only
    saved between steps.
    """

    def __init__(self, optimizer, accumulate_steps=1, clip_gradient_norm=None):
        """Takes the optimizer, the batches per step, and the largest norm; None for no limit."""
        super().__init__(use_locking=False, name="GradientTransform")
        self._optimizer = optimizer
        self._accumulate_steps = accumulate_steps
        self._clip_gradient_norm = clip_gradient_norm
        self.accumulate_op = tf.no_op()

    def compute_gradients(self, *args, **kwargs):
        """Returns what the optimizer computes, which may scale the loss."""
        return self._optimizer.compute_gradients(*args, **kwargs)

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        """Applies the mean gradients of a step, of a global norm of at most the limit.

        The clipping scales all gradients by one factor (Pascanu et al. 2013, "On the Difficulty of
        Training Recurrent Neural Networks", algorithm 1).

        Args:
          grads_and_vars: the gradients of the last batch and their variables.
          global_step: as for every optimizer.
          name: as for every optimizer.

        Returns:
          An op.
        """
        pairs = [(tf.convert_to_tensor(g), v) for g, v in grads_and_vars if g is not None]
        gradients, variables = zip(*pairs)
        sums = []
        if self._accumulate_steps > 1:
            sums = [_local_zeros(variable) for variable in variables]
            added = [total.assign_add(g) for total, g in zip(sums, gradients)]
            # The train_op runs the updates of batch norm itself.
            self.accumulate_op = tf.group(*added, *tf.get_collection(tf.GraphKeys.UPDATE_OPS))
            gradients = [(total + g) / self._accumulate_steps for total, g in zip(sums, gradients)]
        if self._clip_gradient_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self._clip_gradient_norm)
        pairs = list(zip(gradients, variables))
        with tf.control_dependencies([self._optimizer.apply_gradients(pairs, global_step)]):
            return tf.group(*[total.assign(tf.zeros_like(total)) for total in sums], name=name)


def _local_zeros(variable):
    return tf.Variable(
        tf.zeros(variable.shape, variable.dtype.base_dtype),
        trainable=False,
        collections=[tf.GraphKeys.LOCAL_VARIABLES],
        name=f"{variable.op.name}/accumulated",
    )
