"""When things happen in a run: its last step, its epochs, its summaries and validations.

Examples are counted on across epochs, so a batch may hold the end of one epoch and the beginning
of the next.
"""

import math
from dataclasses import dataclass

from system.errors import BadInput
from training.flag_rules import RANGE_TEST
from training.recipes import recipe_value


@dataclass
class Schedule:
    """The steps of a run over `num_examples` images with `batch_size` images per step."""

    num_examples: int  # per epoch
    batch_size: int
    last_step: int  # a time budget may lower it
    summary_steps: int = 1  # steps between summaries
    eval_steps: int | None = None  # steps between validations; None for one per epoch
    validates_start: bool = False  # whether the initial weights are validated too
    validates_end: bool = True  # whether those of the last step are

    def epoch(self, step):
        """The number of epochs that have been read after `step` steps, a float."""
        return step * self.batch_size / self.num_examples

    def warmup_steps(self, epochs):
        """The number of steps that read `epochs` epochs, rounded; at least 1 unless it is 0."""
        return max(1, round(epochs * self.num_examples / self.batch_size)) if epochs else 0

    def steps_between_validations(self):
        """The steps from one validation to the next, a float."""
        return self.eval_steps or max(1.0, self.num_examples / self.batch_size)

    def ends_epoch(self, step):
        """Whether step `step` (from 1) reads the last image of an epoch."""
        images = step * self.batch_size
        return images // self.num_examples > (images - self.batch_size) // self.num_examples

    def summarizes(self, step):
        """Whether step `step` (from 1) writes summaries."""
        return step % self.summary_steps == 0 or step == self.last_step

    def validates(self, step):
        """Whether the validation split is evaluated after step `step`."""
        if step == 0 and self.last_step:
            return self.validates_start
        if step == self.last_step:
            return self.validates_end
        return step % self.eval_steps == 0 if self.eval_steps else self.ends_epoch(step)


def make_schedule(flags, num_examples):
    """Returns the `Schedule` that the flags of train_flowers.py ask for.

    Args:
      flags: the flags.
      num_examples: images per epoch.

    Raises:
      BadInput: the warmup takes longer than the run.
    """
    images_per_step = flags.batch_size * flags.accumulate_steps
    last_step = flags.max_number_of_steps
    if last_step is None:
        last_step = math.ceil(flags.num_epochs * num_examples / images_per_step)
    is_test = flags.learning_rate_decay_type == RANGE_TEST
    schedule = Schedule(
        num_examples,
        images_per_step,
        last_step,
        flags.summary_steps,
        flags.eval_steps,
        validates_start=bool(flags.head_init == "fit" or flags.continue_from) and not is_test,
        validates_end=not is_test,
    )
    if flags.warmup_epochs == recipe_value(flags.recipe, "warmup_epochs"):
        # The recipe's warmup takes at most a tenth of a shorter run.
        flags.warmup_epochs = min(flags.warmup_epochs, schedule.epoch(last_step) / 10)
    if flags.warmup_epochs and 0 < last_step <= schedule.warmup_steps(flags.warmup_epochs):
        raise BadInput(
            f"--warmup_epochs {flags.warmup_epochs:g}: the run has only "
            f"{schedule.epoch(last_step):.3g} epochs ({last_step} steps); give --warmup_epochs 0"
        )
    return schedule
