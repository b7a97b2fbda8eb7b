"""The mixed precision of a run: chosen at its start, and kept."""

import dataclasses
from pathlib import Path

from nets.networks import find_network
from system.precision import choose_precision, computed_precision, describe_precision
from system.precision_names import AUTO
from training.run_checkpoints import saved_checkpoints
from training.run_record import read_run


def choose_run_precision(flags):
    """Returns the mixed precision of a training, and prints it.

    A run that resumes keeps what it began with.

    Args:
      flags: the flags of train_flowers.py.

    Raises:
      BadInput: as `system.precision.choose_precision`.
    """
    recorded = AUTO
    if saved_checkpoints(flags.log_dir) and Path(flags.log_dir, "run.json").is_file():
        recorded = read_run(flags.log_dir).mixed_precision
    return _chosen(flags.mixed_precision, flags.model_name, recorded)


def with_precision(run, asked):
    """Returns a `Run` to evaluate or predict with, in the precision that is computed; prints it.

    Args:
      run: the `Run`, trained or published.
      asked: a value of --mixed_precision; `auto` is that of the training.

    Raises:
      BadInput: as `system.precision.choose_precision`.
    """
    precision = computed_precision(_chosen(asked, run.model_name, run.mixed_precision))
    return dataclasses.replace(run, mixed_precision=precision)


def _chosen(asked, model_name, recorded):
    precision = choose_precision(asked, find_network(model_name), recorded)
    for line in describe_precision(precision):
        print(line, flush=True)
    return precision
