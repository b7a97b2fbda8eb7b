"""Waiting for the checkpoints of a training that runs in another process."""

import time
from pathlib import Path

from bad_input import BadInput
from nets.checkpoint_files import is_whole
from training.run_checkpoints import saved_by_run
from training.run_record import read_run

SECONDS_BETWEEN_LOOKS = 5


def wait_for_run(log_dir, timeout=None, wait=time.sleep, clock=time.monotonic):
    """Waits until a training has written run.json to `log_dir`; arguments as `new_checkpoints`.

    Raises:
      BadInput: it has not after `timeout` seconds.
    """
    path = Path(log_dir, "run.json")
    began = clock()
    if not path.is_file():
        print(f"Waiting for {path}", flush=True)
    while not path.is_file():
        if timeout is not None and clock() - began >= timeout:
            raise BadInput(
                f"{path} did not appear in {timeout:g} s; give --log_dir the folder of a training"
            )
        wait(SECONDS_BETWEEN_LOOKS)


def new_checkpoints(log_dir, timeout=None, wait=time.sleep, clock=time.monotonic):
    """Yields each checkpoint of a run once, oldest first, until the run has ended.

    A checkpoint that the training has removed again before it could be looked at is not yielded.

    Args:
      log_dir: the run's folder; run.json has to be there.
      timeout: seconds without a new checkpoint after which waiting ends too; None for no end.
      wait: called with the seconds to wait between two looks.
      clock: the time in seconds.

    Raises:
      BadInput: run.json is missing or broken.
    """
    seen = set()
    last_new = clock()
    while True:
        has_ended = read_run(log_dir).ended  # before the look, which then sees the last checkpoint
        path = next((p for p in saved_by_run(log_dir) if p not in seen and is_whole(p)), None)
        if path is not None:  # one at a time: the next may be removed while this one is looked at
            seen.add(path)
            yield path
            last_new = clock()
            continue
        if has_ended:
            return
        if timeout is not None and clock() - last_new >= timeout:
            print(f"No new checkpoint in {timeout:g} s, and the run has not ended", flush=True)
            return
        wait(SECONDS_BETWEEN_LOOKS)
