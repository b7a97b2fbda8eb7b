"""The end of a run: recorded for processes that watch it, and the result of the training."""

import dataclasses

from slim_on_tf2 import tf
from training.hparams import write_session_end
from training.run_record import read_run, write_run


def end_run(log_dir, succeeded, time_is_up=False):
    """Records in run.json and for TensorBoard that nothing is left to train in `log_dir`.

    Args:
      log_dir: the run's folder.
      succeeded: whether the loss was finite to the end.
      time_is_up: whether --max_minutes ended the run before its last step.
    """
    write_session_end(log_dir, succeeded)
    run = read_run(log_dir)
    time_is_up = time_is_up or run.time_is_up  # of an earlier start that this one repeated
    write_run(log_dir, dataclasses.replace(run, ended=True, time_is_up=time_is_up))


def describe_result(log_dir, step, validation, stop):
    """Returns the result of a training that ended after `step`; see `train_flowers.fine_tune`.

    Args:
      log_dir: the run's folder.
      step: the global step.
      validation: the `Validation` of the training.
      stop: its `StopRequest`.
    """
    accuracies = validation.accuracies()
    best_accuracy = validation.best.accuracy
    result = {
        "steps": int(step),
        "accuracy": round(accuracies[-1], 6) if accuracies else None,
        "best_accuracy": None if best_accuracy is None else round(best_accuracy, 6),
        "checkpoint": tf.train.latest_checkpoint(log_dir),
        "log_dir": log_dir,
    }
    return result | ({"stopped_by": stop.received.name} if stop else {})
