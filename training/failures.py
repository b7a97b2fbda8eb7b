"""What ends a training early, explained in one line: bad record, full disk, no memory, NaN loss."""

import errno
import os
from contextlib import contextmanager

from datasets.batches import check_records
from slim_on_tf2 import tf
from system.errors import BadInput
from training.resume import delete_from_step, remove_partial_checkpoints
from training.run_end import end_run


class Diverged(Exception):
    """The weights of `step` give a loss that is not a finite number."""

    def __init__(self, step):
        """Takes the global step of the weights."""
        super().__init__(f"the weights of step {step} give a loss that is not a finite number")
        self.step = step


class DivergedRun(BadInput):
    """The one-line explanation of a `Diverged`."""


@contextmanager
def explain_failures(flags, splits):
    """Turns a failure of the training inside the context into one line.

    Args:
      flags: the flags of train_flowers.py.
      splits: the `slim.dataset.Dataset`s that are read, searched for a bad record.

    Raises:
      BadInput: names the flag, file or record at fault, and the cure.
    """
    try:
        yield
    except Diverged as error:
        _discard_diverged(flags.log_dir, error)
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError):
        for split in splits:
            check_records(split)  # names the shard and the record, if one is at fault
        raise
    except (tf.errors.ResourceExhaustedError, OSError, RuntimeError) as error:
        # TensorFlow's event writer raises RuntimeError.
        if os.strerror(errno.ENOSPC) in str(error):
            remove_partial_checkpoints(flags.log_dir)
            raise BadInput(
                f"--log_dir {flags.log_dir}: {os.strerror(errno.ENOSPC)}; the latest complete "
                f"checkpoint is {tf.train.latest_checkpoint(flags.log_dir)}. Free some space and "
                "give the same command again"
            ) from error
        if isinstance(error, tf.errors.ResourceExhaustedError):
            raise BadInput(
                f"--batch_size {flags.batch_size} at {flags.image_size} px needs more memory than "
                "the device has; give a smaller one"
            ) from error
        raise


def _discard_diverged(log_dir, diverged):
    """Deletes the checkpoints of diverged weights, and ends the run."""
    checkpoint = delete_from_step(log_dir, diverged.step)
    end_run(log_dir, succeeded=False)
    saved = f"the last good checkpoint is {checkpoint}"
    raise DivergedRun(
        f"{diverged}; {saved if checkpoint else 'no checkpoint was saved before'}. Try again with "
        "a lower --learning_rate and another --log_dir"
    ) from None
