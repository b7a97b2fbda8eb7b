"""Folders to work in that a killed process leaves no trace of, and waiting for other processes.

Locks are the kernel's (`flock`): they end with the process that holds them, however it ends.
"""

import contextlib
import fcntl
import glob
import os
import shutil
import uuid
from pathlib import Path


@contextlib.contextmanager
def folder_beside(path):
    """Makes a hidden folder next to `path`, in the same file system, for the time of the context.

    What earlier processes left there when they were killed is removed first; what a running process
    works on is not touched.

    Yields:
      The folder's `Path`. On leaving it is removed, unless it was renamed.
    """
    path = Path(path)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        with contextlib.suppress(OSError), _locked_folder(leftover):
            shutil.rmtree(leftover)
    folder = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.partial"
    folder.mkdir()
    try:
        with contextlib.ExitStack() as stack:
            # Where a file system knows no locks on folders, nobody can lock and remove it either.
            with contextlib.suppress(OSError):
                stack.enter_context(_locked_folder(folder))
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def locked(path):
    """Waits until no other process holds the lock file `path`, and holds it for the context."""
    path = Path(path)
    with contextlib.ExitStack() as stack:
        while True:
            file = stack.enter_context(path.open("a"))
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(file, path):  # else who held it before has removed it
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


@contextlib.contextmanager
def _locked_folder(folder):
    """Raises `OSError` where another process holds the lock."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
