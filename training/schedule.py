"""When things happen in a run: its last step, its epochs, its summaries and validations.

Examples are counted on across epochs, so a batch may hold the end of one epoch and the beginning
of the next.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """The steps of a run over `num_examples` images with `batch_size` images per step."""

    num_examples: int
    batch_size: int
    last_step: int
    summary_steps: int = 1  # steps between summaries
    eval_steps: int | None = None  # steps between validations; None for one per epoch

    def epoch(self, step):
        """The number of epochs that have been read after `step` steps, a float."""
        return step * self.batch_size / self.num_examples

    def ends_epoch(self, step):
        """Whether step `step` (from 1) reads the last image of an epoch."""
        images = step * self.batch_size
        return images // self.num_examples > (images - self.batch_size) // self.num_examples

    def summarizes(self, step):
        """Whether step `step` (from 1) writes summaries."""
        return step % self.summary_steps == 0 or step == self.last_step

    def validates(self, step):
        """Whether the validation split is evaluated after step `step`."""
        if step == self.last_step:
            return True
        if step == 0:
            return False
        return step % self.eval_steps == 0 if self.eval_steps else self.ends_epoch(step)


def make_schedule(flags, num_examples):
    """Returns the `Schedule` that the flags of train_flowers.py ask for."""
    last_step = flags.max_number_of_steps
    if last_step is None:
        last_step = math.ceil(flags.num_epochs * num_examples / flags.batch_size)
    return Schedule(
        num_examples, flags.batch_size, last_step, flags.summary_steps, flags.eval_steps
    )
