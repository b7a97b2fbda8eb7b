"""Files and folders that are there whole or not at all, and waiting for other processes.

Locks are the kernel's (`flock`): they end with the process that holds them, however it ends.
"""

import contextlib
import fcntl
import glob
import hashlib
import os
import shutil
import uuid
from contextlib import contextmanager
from pathlib import Path

from bad_input import BadInput

READ_SIZE = 1024**2


def make_durable(path):
    """Waits until a file's bytes are on the disk: its name must not reach it before them."""
    with Path(path).open("rb") as file:
        os.fsync(file)


@contextmanager
def written_aside(path):
    """Yields a hidden sibling of `path` to write to, which then takes the place of `path`.

    The folder is made where it is missing. When the body raises, `path` stays as it was and the
    sibling is removed.

    Args:
      path: the file to write, a str or a Path.

    Raises:
      BadInput: the file cannot be written there.
    """
    path = Path(path)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield aside
            make_durable(aside)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be written ({error.strerror}); choose a folder that is writable and "
            "has room"
        ) from error


@contextmanager
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
    with contextlib.ExitStack() as stack:
        folder = _locked_folder_beside(path, stack)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _locked_folder_beside(path, stack):
    """Makes a hidden folder and locks it until `stack` is left."""
    while True:
        folder = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.partial"
        folder.mkdir()
        # Where a file system knows no locks on folders, nobody can lock and remove it either.
        with contextlib.suppress(OSError):
            stack.enter_context(_locked_folder(folder, wait=True))
        if folder.is_dir():  # else another process took it, not locked yet, for a leftover
            return folder


@contextmanager
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


@contextmanager
def _locked_folder(folder, wait=False):
    """Raises `OSError` where another process holds the lock, unless it is to `wait`."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)


def file_digest(path, algorithm="sha256"):
    """Returns the digest of a file's bytes, in hexadecimal."""
    digest = hashlib.new(algorithm)
    with Path(path).open("rb") as file:
        while piece := file.read(READ_SIZE):
            digest.update(piece)
    return digest.hexdigest()
