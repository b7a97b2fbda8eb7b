"""How weights change: learning rate, optimizer, trained variables, moving averages."""

from checkpointing.scope_names import in_scopes
from slim_on_tf2 import slim, tf
from system.errors import BadInput
from training.optimizers import OPTIMIZERS


def configure_learning_rate(flags, global_step, num_examples):
    """Returns the learning rate of `global_step`, a float32 scalar tensor.

    A staircase: `flags.learning_rate`, multiplied by `flags.learning_rate_decay_factor` after each
    `flags.num_epochs_per_decay` epochs.
    """
    return tf.train.exponential_decay(
        flags.learning_rate,
        global_step * flags.batch_size,
        decay_steps=max(1, round(flags.num_epochs_per_decay * num_examples)),
        decay_rate=flags.learning_rate_decay_factor,
        staircase=True,
    )


def configure_optimizer(name, learning_rate):
    """Returns the optimizer `name`, a key of `OPTIMIZERS`, with a scalar learning rate."""
    class_name, arguments = OPTIMIZERS[name]
    return getattr(tf.train, class_name)(learning_rate, **arguments)


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


def update_moving_averages(train_op, decay):
    """Returns an op that updates the moving averages of the model variables after `train_op`.

    In the first steps the decay is lower, (1 + n) / (10 + n), so that the averages soon forget the
    values from before the pretrained weights were restored.
    """
    averages = tf.train.ExponentialMovingAverage(decay, tf.train.get_global_step())
    with tf.control_dependencies([train_op]):
        return averages.apply(slim.get_model_variables())
