"""One training at a time in a log_dir: two would overwrite each other's checkpoints."""

import fcntl
from contextlib import contextmanager
from pathlib import Path

from bad_input import BadInput


@contextmanager
def alone_in(log_dir):
    """Holds `log_dir` for this process; the lock goes with the process, however it ends.

    Raises:
      BadInput: another process holds it, or the folder cannot be written to.
    """
    try:
        Path(log_dir).mkdir(parents=True, exist_ok=True)
        lock = Path(log_dir, ".lock").open("w")  # noqa: SIM115 -- held while the run lasts
    except OSError as error:
        raise BadInput(
            f"--log_dir {log_dir} cannot be written to ({error.strerror}); give another folder"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadInput(
                f"another training is running in --log_dir {log_dir}; wait for its end, or give "
                "another --log_dir"
            ) from error
        except OSError:  # a file system without locks, as some network drives
            print(f"{log_dir} cannot be locked; see to it that no other training uses it")
        yield
