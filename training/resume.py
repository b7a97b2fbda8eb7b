"""Where a run starts: at its latest valid checkpoint, or at step 0."""

import dataclasses
from pathlib import Path

from checkpointing.reading import global_step_of, is_readable
from slim_on_tf2 import tf
from system.errors import BadInput
from training.run_checkpoints import BestCheckpoint, saved_checkpoints
from training.run_record import (
    INITIAL_WEIGHTS_FLAGS,
    changed_flags,
    check_same_run,
    read_run,
    write_run,
)


def find_start(log_dir, run, schedule):
    """Finds the checkpoint from which a run resumes, and writes run.json.

    A run that ended within its --max_minutes is over, although its schedule was longer.

    Args:
      log_dir: the run's folder.
      run: the `Run` that starts now.
      schedule: its `Schedule`.

    Returns:
      The path of the latest valid checkpoint and its global step, or None and 0.

    Raises:
      BadInput: the checkpoints there belong to another run, or none can be read.
    """
    remove_partial_checkpoints(log_dir)
    checkpoint = latest_valid_checkpoint(log_dir)
    if not checkpoint:
        write_run(log_dir, run)
        return None, 0
    if not Path(log_dir, "run.json").is_file():
        raise BadInput(
            f"--log_dir {log_dir} holds checkpoints without run.json, which describes them; "
            "give another --log_dir (they may be its --checkpoint_path)"
        )
    old = read_run(log_dir)
    check_same_run(old, run, log_dir)
    # The initial weights stay on record; they are not read again.
    run.flags.update({name: old.flags.get(name) for name in INITIAL_WEIGHTS_FLAGS})
    step = global_step_of(checkpoint)
    same_budget = old.flags.get("max_minutes") == run.flags.get("max_minutes")
    if old.time_is_up and same_budget:
        schedule.last_step = min(step, schedule.last_step)
    if step < schedule.last_step:  # else run.json keeps the flags that the weights came from
        _record_changes(log_dir, old, run, step)
    return checkpoint, step


def _record_changes(log_dir, old, run, step):
    """Prints the flags that change at a step, and adds them to the history of run.json."""
    changes = changed_flags(old, run)
    for name, before, after in changes:
        print(f"Changed: {name}: was {before}, is now {after}", flush=True)
    added = [
        {"step": step, "flag": name, "old": before, "new": after} for name, before, after in changes
    ]
    write_run(log_dir, dataclasses.replace(run, history=old.history + added))


def latest_valid_checkpoint(log_dir):
    """Returns the latest checkpoint of a run of which every tensor can be read, or None.

    Updates TensorFlow's list of checkpoints, from which the managed session restores.

    Raises:
      BadInput: there are checkpoints, and none can be read.
    """
    saved = saved_checkpoints(log_dir)
    for count in range(len(saved), 0, -1):
        if is_readable(saved[count - 1]):
            if count < len(saved):
                print(f"{saved[-1]} is broken; resuming from {saved[count - 1]}", flush=True)
            _write_checkpoint_list(log_dir, saved[:count])
            return saved[count - 1]
    if saved:
        raise BadInput(f"no checkpoint in {log_dir} can be read; give another --log_dir")
    _write_checkpoint_list(log_dir, [])
    return None


def remove_partial_checkpoints(log_dir):
    """Removes the files that a full disk or a kill left while a checkpoint was being saved."""
    for file in Path(log_dir).glob("model.ckpt-*.tempstate*"):
        file.unlink()
    for file in Path(log_dir, "best").glob(".model.ckpt-*"):
        file.unlink()


def delete_from_step(log_dir, step):
    """Deletes the checkpoints of `step` and later; returns the latest that is left, or None."""
    BestCheckpoint(log_dir).discard_after(step - 1)
    saved = saved_checkpoints(log_dir)
    kept = [path for path in saved if int(path.rpartition("-")[2]) < step]
    _write_checkpoint_list(log_dir, kept)
    for path in saved[len(kept) :]:
        tf.train.remove_checkpoint(path)
    return kept[-1] if kept else None


def _write_checkpoint_list(log_dir, paths):
    if paths:
        names = [Path(path).name for path in paths]
        # In a relative folder TensorFlow would resolve the names from the working directory.
        tf.train.update_checkpoint_state(str(Path(log_dir).resolve()), names[-1], names)
    else:
        Path(log_dir, "checkpoint").unlink(missing_ok=True)
