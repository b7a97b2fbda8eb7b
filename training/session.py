"""The managed session of a training, the successor of tf.train.Supervisor, and its hooks."""

import time

import numpy as np

from slim_on_tf2 import tf
from system.device import session_config
from training.disk_space import check_disk_space
from training.failures import Diverged
from training.flag_rules import ON
from training.normalization import describe_normalization
from training.recomputation import mark_recomputed

SECONDS_BETWEEN_CHECKPOINTS = 600
CHECKPOINTS_KEPT = 5
# Grappler's passes that are off in training on a CPU.
SLOW_PASSES = (
    *("arithmetic_optimization", "common_subgraph_elimination", "constant_folding"),
    *("dependency_optimization", "function_optimization", "layout_optimizer"),
    *("loop_optimization", "remapping", "shape_optimization"),
)


def get_scaffold(init_fn, scaffold_fn):
    """Returns the `tf.train.Scaffold` of a training: its saver, and initial values.

    Variables that `init_fn` assigns get no random values first; none of the others depends on them.

    Args:
      init_fn: the `checkpointing.warm_start.InitFn`.
      scaffold_fn: as for `train_flowers.fine_tune`.
    """
    others = [v for v in tf.global_variables() if v.op.name not in init_fn.names]
    arguments = {
        "init_op": tf.variables_initializer(others),
        # Asked once, when everything is initialized, and not twice.
        "ready_for_local_init_op": tf.constant([], tf.string),
    }
    arguments |= scaffold_fn()
    saver = tf.train.Saver(max_to_keep=CHECKPOINTS_KEPT, save_relative_paths=True)
    return tf.train.Scaffold(saver=saver, init_fn=init_fn, **arguments)


def managed_session(flags, scaffold, hooks=()):
    """Returns a `tf.train.MonitoredSession` that restores, initializes and saves by itself.

    It restores the latest checkpoint of `log_dir`; without one it initializes the variables and
    calls `scaffold.init_fn`. It saves at the end, and in between every `save_steps` steps or ten
    minutes. A run that is killed before begins anew, with the same initial weights.

    Args:
      flags: the flags of train_flowers.py: `log_dir`, `save_steps`, `batch_size`, and how a step is
        computed: `mixed_precision`, `xla`, `recompute`.
      scaffold: a `tf.train.Scaffold` with a saver.
      hooks: `tf.train.SessionRunHook`s, called before the checkpoint is saved.

    Raises:
      BadInput: the disk has no space for a checkpoint.
    """
    if flags.recompute:
        mark_recomputed()
    for line in describe_normalization(flags.batch_size):
        print(line, flush=True)
    most = CHECKPOINTS_KEPT + 1  # and the best
    check_disk_space(flags.log_dir, tf.global_variables(), most)
    return tf.train.MonitoredTrainingSession(
        checkpoint_dir=flags.log_dir,
        scaffold=scaffold,
        hooks=[*hooks, SaveCheckpoints(flags, scaffold)],
        save_checkpoint_secs=None,
        save_checkpoint_steps=None,
        save_summaries_steps=None,
        save_summaries_secs=None,
        log_step_count_steps=None,
        config=training_config(flags.mixed_precision, flags.xla == ON, flags.recompute),
    )


def training_config(precision, xla=False, recompute=False):
    """Returns the `ConfigProto` of a training.

    On a CPU most of grappler's passes are off: they take seconds before the first step of a large
    network, and its steps are as fast without them. A GPU needs them, the layout pass first of all.

    Args:
      precision: mixed precision as from `precision.choose_precision`.
      xla: whether XLA compiles clusters of operations.
      recompute: whether gradients compute again what `mark_recomputed` has marked.
    """
    config = session_config(precision)
    options = config.graph_options.rewrite_options
    if recompute:
        options.memory_optimization = options.MANUAL
    if xla:
        config.graph_options.optimizer_options.global_jit_level = tf.OptimizerOptions.ON_1
    if tf.config.list_physical_devices("GPU"):
        return config
    if not recompute and options.auto_mixed_precision_onednn_bfloat16 != options.ON:
        options.disable_meta_optimizer = True
        return config
    options.meta_optimizer_iterations = options.ONE
    if not recompute:
        options.memory_optimization = options.NO_MEM_OPT
    for name in SLOW_PASSES:
        setattr(options, name, options.OFF)
    return config


def save_if_new(saver, session, log_dir, step):
    """Saves the weights of a step, unless they are saved already.

    Args:
      saver: the `tf.train.Saver` of the training.
      session: a session without hooks.
      log_dir: the run's folder.
      step: the global step.

    Returns:
      The path of the checkpoint.
    """
    path = f"{log_dir}/model.ckpt-{step}"
    if path not in saver.last_checkpoints:
        saver.save(session, f"{log_dir}/model.ckpt", global_step=step, write_meta_graph=False)
    return path


class SaveCheckpoints(tf.train.SessionRunHook):
    """Saves every `save_steps` steps or ten minutes, and at the end."""

    def __init__(self, flags, scaffold):
        """Takes the flags of train_flowers.py, and the `tf.train.Scaffold` with the saver."""
        self._log_dir = flags.log_dir
        self._save_steps = flags.save_steps
        self._scaffold = scaffold

    def after_create_session(self, session, coord):
        """Reads the global step, and starts the clock."""
        self._step = int(session.run(tf.train.get_global_step(session.graph)))
        self._saved()

    def after_run(self, run_context, run_values):
        """Saves the weights of the step if it is due."""
        self._step += 1
        if self._is_due():
            self._save(run_context.session)

    def end(self, session):
        """Saves the weights of the last step."""
        if self._step != self._saved_step:
            self._save(session)

    def _is_due(self):
        if self._save_steps:
            return self._step - self._saved_step >= self._save_steps
        return time.monotonic() - self._saved_at >= SECONDS_BETWEEN_CHECKPOINTS

    def _save(self, session):
        save_if_new(self._scaffold.saver, session, self._log_dir, self._step)
        self._saved()

    def _saved(self):
        self._saved_step, self._saved_at = self._step, time.monotonic()


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
