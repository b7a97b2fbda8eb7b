"""How weights change: optimizer, trained variables, moving averages."""

import numpy as np

from checkpointing.scope_names import in_scopes
from slim_on_tf2 import slim, tf
from system.errors import BadInput
from system.precision_names import FLOAT16
from training.failures import Diverged
from training.gradients import GradientTransform
from training.layer_rates import LayerwiseOptimizer
from training.loss_scaling import LossScaledOptimizer
from training.optimizers import OPTIMIZERS


def configure_optimizer(flags, learning_rate, multipliers):
    """Returns the optimizer that the flags ask for.

    Args:
      flags: the flags of train_flowers.py: `optimizer`, a key of `OPTIMIZERS`, and its flags.
      learning_rate: float32 scalar tensor.
      multipliers: variable -> multiplier of its learning rate, as from `rate_multipliers`.
    """
    row = OPTIMIZERS[flags.optimizer]
    arguments = {name: getattr(flags, flag) for name, flag in row.flags.items()}
    if row.epsilon is not None:
        arguments["epsilon"] = row.epsilon if flags.opt_epsilon is None else flags.opt_epsilon
    if flags.optimizer == "adamw":
        arguments["weight_decay"] = flags.weight_decay
    optimizer_class = AdamW if flags.optimizer == "adamw" else getattr(tf.train, row.class_name)

    def make(rate):
        return optimizer_class(rate, **arguments)

    if set(multipliers.values()) == {1.0}:
        optimizer = make(learning_rate)
    else:
        optimizer = LayerwiseOptimizer(make, learning_rate, multipliers)
    if flags.mixed_precision == FLOAT16:
        optimizer = LossScaledOptimizer(optimizer)
        tf.summary.scalar("mixed_precision/loss_scale", optimizer.loss_scale())
        tf.summary.scalar("mixed_precision/skipped_steps", optimizer.skipped_steps)
    if flags.accumulate_steps == 1 and not flags.clip_gradient_norm:
        return optimizer
    return GradientTransform(optimizer, flags.accumulate_steps, flags.clip_gradient_norm)


def accumulate_fn(optimizer, fetches):
    """Returns the function that runs the batches of a step before the last one.

    Args:
      optimizer: the optimizer, after its gradients were applied.
      fetches: a dict of tensors to fetch, with `total_loss` among its `metrics`.

    Returns:
      A function for `MonitoredSession.run_step_fn`, which calls no hooks. It returns the fetched
      values, and raises `Diverged` if the loss is not a finite number.
    """
    fetches = fetches | {"step": tf.train.get_global_step()}
    fetches["accumulate"] = getattr(optimizer, "accumulate_op", None)

    def accumulate(step_context):
        results = step_context.session.run(fetches)
        if not np.isfinite(results["metrics"]["total_loss"]):
            raise Diverged(int(results["step"]))
        return results

    return accumulate


class AdamW(tf.train.AdamOptimizer):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2).

    Each step also subtracts learning rate * weight decay * w from the kernels. Biases, batch norm
    and depthwise kernels do not decay, as with slim's L2 loss.
    """

    def __init__(self, learning_rate, weight_decay, **arguments):
        """Takes the factor of the decay, and what Adam takes."""
        super().__init__(learning_rate, name="Adam", **arguments)
        self._rate, self._weight_decay = learning_rate, weight_decay

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        """Decays the kernels of `grads_and_vars`, then applies Adam's update; returns an op."""
        gradients = [gradient for gradient, _ in grads_and_vars if gradient is not None]
        kernels = [
            v
            for g, v in grads_and_vars
            if g is not None and v.shape.rank >= 2 and "depthwise" not in v.op.name
        ]
        with tf.control_dependencies(gradients):  # which are those of the weights before the decay
            decays = [v.assign_sub(self._rate * self._weight_decay * v) for v in kernels]
        with tf.control_dependencies(decays):
            return super().apply_gradients(grads_and_vars, global_step, name)


def get_variables_to_train(trainable_scopes):
    """Returns the trainable variables in `trainable_scopes`; all of them if it is empty.

    Raises:
      BadInput: the scopes hold no trainable variable.
    """
    variables = tf.trainable_variables()
    if not trainable_scopes:
        return variables
    chosen = [v for v in variables if in_scopes(v.op.name, trainable_scopes)]
    if not chosen:
        scopes = sorted({"/".join(v.op.name.split("/")[:2]) for v in variables})
        raise BadInput(
            f"--trainable_scopes {','.join(trainable_scopes)} names no variable of the network; "
            f"its scopes are {', '.join(scopes)}"
        )
    return chosen


def outside_scopes(scopes):
    """Returns a predicate: whether a variable scope lies outside `scopes`; False if it is empty."""
    return bool(scopes) and (lambda scope: not in_scopes(scope, scopes))


def batch_norm_decay(global_step):
    """Returns the decay of batch norm's moving averages, a float32 scalar tensor.

    With a constant decay, decay ** n of the initial values remain after n steps: nine tenths after
    300 steps at the published 0.9997. The error of each layer adds to that of the next, so that
    even a hundredth lets a well-trained network evaluate at chance. Here the decay grows with the
    number of steps, (1 + n) / (10 + n) up to 0.99, as in `tf.train.ExponentialMovingAverage`: the
    averages cover the last ninth of the run, at most a hundred batches.
    """
    steps = tf.cast(global_step, tf.float32)
    return tf.minimum(0.99, (1 + steps) / (10 + steps))


def add_moving_averages(flags, train_op, init_fn):
    """Adds exponential moving averages of the model variables to a training.

    In the first steps the decay is lower, (1 + n) / (10 + n), as in
    `tf.train.ExponentialMovingAverage`.

    Args:
      flags: the flags of train_flowers.py: `moving_average_decay`, None for no averages.
      train_op: the op of a training step.
      init_fn: the `InitFn` of the training.

    Returns:
      An op that updates the averages after `train_op`, and an `InitFn` after which the averages
      equal the variables. Without a decay, both as they are.
    """
    decay = flags.moving_average_decay
    if decay is None:
        return train_op, init_fn
    averages = tf.train.ExponentialMovingAverage(decay, tf.train.get_global_step())
    variables = slim.get_model_variables()
    with tf.control_dependencies([train_op]):
        update_op = averages.apply(variables)
    start_op = tf.group(*[averages.average(v).assign(v) for v in variables])
    names = [averages.average(variable).op.name for variable in variables]
    return update_op, init_fn.then(names, lambda session: session.run(start_op))
