"""Locks between processes: on a file, on a folder, on the log_dir of a run.

All are `flock` locks, which the kernel releases when the process that holds them ends, even if it
is killed. So a leftover lock file never blocks anyone.
"""

import contextlib
import fcntl
import os
from contextlib import contextmanager
from pathlib import Path

from system.errors import BadInput


@contextmanager
def locked(path):
    """Waits for the lock file `path`, holds it inside the context and deletes it afterwards."""
    path = Path(path)
    with contextlib.ExitStack() as stack:
        while True:
            file = stack.enter_context(path.open("a"))
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(file, path):  # otherwise its previous holder has deleted it
                break
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _is_at(file, path):
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def locked_folder(folder, wait=False):
    """Holds the lock of an existing folder inside the context.

    Raises:
      OSError: another process holds the lock and `wait` is false, or the file system has no locks.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)


@contextmanager
def lock_log_dir(log_dir):
    """Holds the lock of a run inside the context, so that no other process trains in `log_dir`.

    Raises:
      BadInput: another process holds the lock, or the folder cannot be written to.
    """
    try:
        Path(log_dir).mkdir(parents=True, exist_ok=True)
        lock = Path(log_dir, ".lock").open("w")  # noqa: SIM115 -- closed at the end of the context
    except OSError as error:
        raise BadInput(
            f"--log_dir {log_dir} cannot be written to ({error.strerror}); give another folder"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadInput(
                f"another training is running in --log_dir {log_dir}; wait for it to end, or give "
                "another --log_dir"
            ) from error
        except OSError:  # a file system without locks, such as some network drives
            print(f"{log_dir} cannot be locked; make sure that no other training uses it")
        yield
