"""Waits for the checkpoints of a training that runs in another process."""

import time
from pathlib import Path

from checkpointing.reading import is_readable
from system.errors import BadInput
from training.run_checkpoints import saved_checkpoints
from training.run_record import read_run

SECONDS_BETWEEN_POLLS = 5


def wait_for_run(log_dir, timeout=None):
    """Waits until a training has written run.json to `log_dir`.

    Raises:
      BadInput: there is no run.json after `timeout` seconds.
    """
    path = Path(log_dir, "run.json")
    start = time.monotonic()
    if not path.is_file():
        print(f"Waiting for {path}", flush=True)
    while not path.is_file():
        if timeout is not None and time.monotonic() - start >= timeout:
            raise BadInput(
                f"{path} did not appear within {timeout:g} s; give --log_dir the folder of a run"
            )
        time.sleep(SECONDS_BETWEEN_POLLS)


def new_checkpoints(log_dir, timeout=None):
    """Yields each checkpoint of a run once, oldest first, until the run has ended.

    Skips a checkpoint that the training removes before its turn.

    Args:
      log_dir: the run's folder, with its run.json.
      timeout: stop after this many seconds without a new checkpoint; None for no limit.

    Raises:
      BadInput: run.json is missing or broken.
    """
    seen = set()
    last_new = time.monotonic()
    while True:
        has_ended = read_run(log_dir).ended  # before listing: the last checkpoint is saved first
        unseen = (path for path in saved_checkpoints(log_dir) if path not in seen)
        path = next(filter(is_readable, unseen), None)
        if path is not None:  # list again afterwards: others may be removed in the meantime
            seen.add(path)
            yield path
            last_new = time.monotonic()
        elif has_ended:
            return
        elif timeout is not None and time.monotonic() - last_new >= timeout:
            print(f"No new checkpoint for {timeout:g} s; the run has not ended", flush=True)
            return
        else:
            time.sleep(SECONDS_BETWEEN_POLLS)
