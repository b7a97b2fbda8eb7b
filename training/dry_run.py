"""--dry_run: a few steps of a training, in a folder that is deleted, and what the run will take."""

import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from datasets.batches import examples_per_epoch
from datasets.splits import get_split
from slim_on_tf2 import tf
from system.errors import BadInput
from training.disk_space import checkpoint_size
from training.progress import format_duration
from training.schedule import make_schedule
from training.session import CHECKPOINTS_KEPT

# The first step optimizes the graph, and the second that without pictures.
SKIPPED, TIMED = 2, 3


class TimeSteps(tf.train.SessionRunHook):
    """Times steps, then ends the training.

    Attributes:
      seconds: of each timed step.
      checkpoint_bytes: size of a checkpoint.
    """

    def begin(self):
        """Measures the variables."""
        self._ends = []
        self.checkpoint_bytes = checkpoint_size(tf.global_variables())

    def after_run(self, run_context, run_values):
        """Notes the time, and ends the training after the last step."""
        self._ends.append(time.perf_counter())
        if len(self._ends) == SKIPPED + TIMED:
            run_context.request_stop()

    @property
    def seconds(self):
        """The seconds of the timed steps, from the end of the step before, a list."""
        return np.diff(self._ends)[SKIPPED - 1 :].tolist()


def dry_run(flags, train):
    """Trains a few steps, prints what the run will take, and leaves nothing behind.

    Args:
      flags: the flags of train_flowers.py.
      train: `train_flowers.train`.

    Returns:
      0, the exit status. The last line that it prints is JSON.

    Raises:
      BadInput: as for `train`, or the run has too few steps.
    """
    hook = TimeSteps()
    with tempfile.TemporaryDirectory(prefix="dry_run") as folder:
        trial = type(flags)(**vars(flags))
        trial.log_dir = str(Path(folder, "run"))
        trial.features_dir, trial.max_minutes = str(Path(folder, "features")), None
        trial.cache_dir = str(Path(folder, "cache")) if flags.cache_dir else None
        result = train(trial, [hook])
    if result["steps"] < SKIPPED + TIMED:
        raise BadInput(
            f"--dry_run times the first {SKIPPED + TIMED} steps, and this run has "
            f"{result['steps']}; start it without the flag"
        )
    dataset = get_split("train", flags.dataset_dir, flags.dataset_name)
    schedule = make_schedule(trial, examples_per_epoch(dataset, flags.balanced_sampling))
    found = describe(schedule, hook)
    print(
        f"Speed: {found['images_per_second']:.1f} images/s, {found['seconds_per_step']:.3g} s per "
        "step",
        f"Time: {format_duration(found['seconds_per_epoch'])} per epoch, "
        f"{format_duration(found['seconds'])} for {schedule.last_step:,} steps, without validation",
        f"Memory: {found['memory_bytes'] / 1e9:.1f} GB at most in this process",
        f"Disk: {CHECKPOINTS_KEPT + 1} checkpoints of {found['checkpoint_bytes'] / 1e6:,.0f} MB",
        json.dumps(found),
        sep="\n",
    )
    return 0


def describe(schedule, hook):
    """Returns the measurements, a dict; seconds, bytes, and images per second."""
    step = float(np.median(hook.seconds))
    return {
        "images_per_second": schedule.batch_size / step,
        "seconds_per_step": step,
        "seconds_per_epoch": step * schedule.num_examples / schedule.batch_size,
        "seconds": step * schedule.last_step,
        "memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "checkpoint_bytes": hook.checkpoint_bytes,
    }
