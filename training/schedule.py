"""When things happen in a run: its last step, the ends of its epochs, its learning rate.

A photo's number in the run is (step - 1) x batch size + its place in the batch, counted on across
the epochs, so that a batch may hold the end of one epoch and the beginning of the next.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """The steps of a run over `num_examples` photos, `batch_size` of them a step."""

    num_examples: int
    batch_size: int
    last_step: int
    eval_steps: int | None = None  # validate every so many steps in place of every epoch

    def epoch(self, step):
        """How many epochs have been read after `step` steps, as a float."""
        return step * self.batch_size / self.num_examples

    def ends_epoch(self, step):
        """Whether step `step` (from 1) reads the last photo of an epoch."""
        photos = step * self.batch_size
        return photos // self.num_examples > (photos - self.batch_size) // self.num_examples

    def validates(self, step):
        """Whether the validation split is read after step `step`."""
        if step == self.last_step:
            return True
        if step == 0:
            return False
        return step % self.eval_steps == 0 if self.eval_steps else self.ends_epoch(step)


def last_step(num_examples, batch_size, num_epochs, max_number_of_steps=None):
    """The number of steps of a run: enough for `num_epochs`, unless a number of steps is given."""
    if max_number_of_steps is not None:
        return max_number_of_steps
    return math.ceil(num_epochs * num_examples / batch_size)


def batch_norm_decay(global_step):
    """The decay of batch norm's moving averages at `global_step`, as a float32 scalar tensor.

    With a constant decay, decay ** n of the first values is left after n steps: of the published
    networks' 0.9997 nine tenths after 300 steps. Each layer's share adds to the next one's, so that
    even a hundredth makes a network that trains well evaluate at chance. Here the decay grows with
    the number of steps, (1 + n) / (10 + n), as in `tf.train.ExponentialMovingAverage`: the averages
    are those of the last ninth of the run so far, up to a hundred batches (0.99), and nothing is
    left of the first values after a few steps. So every validation, the first one too, sees the
    network as it trains.
    """
    from slim_on_tf2 import tf

    steps = tf.cast(global_step, tf.float32)
    return tf.minimum(0.99, (1 + steps) / (10 + steps))


def learning_rate(global_step, flags, num_examples):
    """The staircase learning rate of `global_step`, as a float32 scalar tensor.

    `flags.learning_rate` times `flags.learning_rate_decay_factor` for each
    `flags.num_epochs_per_decay` epochs that are over.
    """
    from slim_on_tf2 import tf

    return tf.train.exponential_decay(
        flags.learning_rate,
        global_step * flags.batch_size,
        decay_steps=max(1, round(flags.num_epochs_per_decay * num_examples)),
        decay_rate=flags.learning_rate_decay_factor,
        staircase=True,
    )
