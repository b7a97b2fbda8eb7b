"""The managed session of a training, the successor of tf.train.Supervisor, and its hooks."""

import numpy as np

from slim_on_tf2 import tf
from system.device import session_config
from training.failures import Diverged

SECONDS_BETWEEN_CHECKPOINTS = 600


def managed_session(flags, scaffold, hooks=()):
    """Returns a `tf.train.MonitoredSession` that restores, initializes and saves by itself.

    It restores the latest checkpoint of `log_dir`; without one it initializes the variables and
    calls `scaffold.init_fn`. It saves at the start, at the end, and in between every `save_steps`
    steps or ten minutes.

    Args:
      flags: the flags of train_flowers.py: `log_dir`, `save_steps` and `mixed_precision`.
      scaffold: a `tf.train.Scaffold` with a saver.
      hooks: `tf.train.SessionRunHook`s, called before the checkpoint is saved.
    """
    checkpoint_saver = tf.train.CheckpointSaverHook(
        flags.log_dir,
        save_steps=flags.save_steps,
        save_secs=None if flags.save_steps else SECONDS_BETWEEN_CHECKPOINTS,
        scaffold=scaffold,
        save_graph_def=False,
    )
    return tf.train.MonitoredTrainingSession(
        checkpoint_dir=flags.log_dir,
        scaffold=scaffold,
        hooks=[*hooks, checkpoint_saver],
        save_checkpoint_secs=None,
        save_checkpoint_steps=None,
        save_summaries_steps=None,
        save_summaries_secs=None,
        log_step_count_steps=None,
        config=session_config(flags.mixed_precision),
    )


class StopOnDivergence(tf.train.SessionRunHook):
    """Raises `Diverged` before the weights of an infinite or NaN loss are saved."""

    def __init__(self, total_loss):
        """Takes the loss that is minimized, a float32 scalar tensor."""
        self._total_loss = total_loss

    def after_create_session(self, session, coord):
        """Reads the global step of the restored weights."""
        self._step = int(session.run(tf.train.get_global_step(session.graph)))

    def before_run(self, run_context):
        """Fetches the loss with the training step."""
        return tf.train.SessionRunArgs(self._total_loss)

    def after_run(self, run_context, run_values):
        """Raises `Diverged` with the step whose weights gave the loss."""
        if not np.isfinite(run_values.results):
            raise Diverged(self._step)
        self._step += 1
