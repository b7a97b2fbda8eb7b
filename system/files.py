"""Files and folders that appear only when they are complete, and digests of files."""

import contextlib
import glob
import hashlib
import os
import shutil
import uuid
from contextlib import contextmanager
from pathlib import Path

from system.errors import BadInput
from system.locks import locked_folder

READ_SIZE = 1024**2  # bytes


@contextmanager
def atomic_write(path):
    """Yields a hidden temporary path in the same folder, which replaces `path` at the end.

    The folder is created if it is missing. If the body raises, `path` is left unchanged and the
    temporary file is deleted.

    Args:
      path: the file to write, a str or a Path.

    Raises:
      BadInput: the file cannot be written there.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            make_durable(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be written ({error.strerror}); choose a folder that is writable and "
            "has free space"
        ) from error


def make_durable(path):
    """Flushes a file to the disk; call it before the file gets its final name."""
    with Path(path).open("rb") as file:
        os.fsync(file)


@contextmanager
def staging_folder(path):
    """Yields a new hidden folder next to `path`, and deletes it at the end unless it was renamed.

    Folders that killed processes left there are deleted first; those of running processes are kept.
    """
    path = Path(path)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        with contextlib.suppress(OSError), locked_folder(leftover):
            shutil.rmtree(leftover)
    with contextlib.ExitStack() as stack:
        folder = _locked_staging_folder(path, stack)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _locked_staging_folder(path, stack):
    """Creates a hidden folder and locks it until `stack` is closed."""
    while True:
        folder = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.partial"
        folder.mkdir()
        # On a file system without locks, no other process can lock and delete the folder either.
        with contextlib.suppress(OSError):
            stack.enter_context(locked_folder(folder, wait=True))
        if folder.is_dir():  # otherwise another process deleted it before it was locked
            return folder


def file_digest(path, algorithm="sha256"):
    """Returns the digest of a file's bytes, in hexadecimal."""
    digest = hashlib.new(algorithm)
    with Path(path).open("rb") as file:
        while chunk := file.read(READ_SIZE):
            digest.update(chunk)
    return digest.hexdigest()


def has_files(folder):
    """Whether `folder` holds anything but hidden files."""
    return any(Path(folder).glob("[!.]*"))
