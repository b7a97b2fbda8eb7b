"""TensorBoard's HParams dashboard: the flags of a training and how it ended."""

import contextlib

from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import summary as hparams_summary

from slim_on_tf2 import tf

# Flags that do not influence the trained weights.
NOT_HPARAMS = {
    "log_dir",
    "dataset_dir",
    "checkpoints_dir",
    "checkpoints_mirror",
    "eval_steps",
    "save_steps",
    "summary_steps",
}


def write_session_start(writer, flags):
    """Writes the hyperparameters of a run for TensorBoard.

    The metrics of the dashboard are the scalars of the run and of its subfolders, such as
    `validation.accuracy`. TensorBoard keeps the hyperparameters of the first start of a run.

    Args:
      writer: a `tf.summary.FileWriter` of the run's folder.
      flags: flag name -> value; those of `NOT_HPARAMS` are left out.
    """
    hparams = {
        # TensorBoard has no null; a string makes the default differ from any given number.
        name: "default" if value is None else value
        for name, value in flags.items()
        if name not in NOT_HPARAMS
    }
    _add_summary(writer, hparams_summary.session_start_pb(hparams))


def write_session_end(log_dir, succeeded):
    """Writes the final status of a run for TensorBoard.

    TensorBoard keeps the first status that it reads, so do not call this for an interrupted run
    that may be resumed.

    Args:
      log_dir: the run's folder, whose own writer may be closed.
      succeeded: whether the last step was reached.
    """
    status = api_pb2.STATUS_SUCCESS if succeeded else api_pb2.STATUS_FAILURE
    # The suffix keeps it from overwriting a file that was begun in the same second.
    writer = tf.summary.FileWriter(str(log_dir), filename_suffix=".end")
    with contextlib.closing(writer):
        _add_summary(writer, hparams_summary.session_end_pb(status))


def _add_summary(writer, summary):
    """Adds a summary at step 0, which a resumed run never discards."""
    writer.add_summary(summary, 0)
    writer.flush()
