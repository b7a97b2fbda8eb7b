"""Numbered versions of an export, in the layout of TensorFlow Serving: folders named 1, 2, 3.

A version appears complete, by renaming, and is never replaced. TensorFlow Serving ignores folders
whose name is not a number, so the versions of other formats are in named subfolders.
"""

import errno
import re
from contextlib import ExitStack, contextmanager
from pathlib import Path

from system.errors import BadInput
from system.files import make_durable, staging_folder
from system.flags import whole_number

number = whole_number(1, 2**63 - 1)  # the flag type of a version
# Format -> folder of its versions, in export_dir
FORMATS = {"saved_model": ".", "tflite": "tflite", "frozen_graph": "frozen_graph"}


def versions_dir(export_dir, form):
    """Returns the folder in `export_dir` for the versions of a format, a key of `FORMATS`."""
    return Path(export_dir, FORMATS[form])


def list_versions(folder):
    """Returns the versions in `folder`, a list of ints in ascending order.

    It is empty if the folder does not exist. Names with leading zeros are ignored: 007 is not the
    folder of version 7.
    """
    folder = Path(folder)
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if re.fullmatch("0|[1-9][0-9]*", name))


def check_version_is_free(folder, version):
    """Raises BadInput if `folder` holds `version`; None, the next free version, always passes."""
    if version in list_versions(folder):
        raise _exists(Path(folder, str(version)))


def _exists(path):
    return BadInput(
        f"{path} exists, and versions are never overwritten; choose another --version, or leave it "
        "out for the next free one"
    )


@contextmanager
def report_write_errors(folder):
    """Turns an `OSError` of the context into a BadInput: `folder` cannot be written."""
    try:
        yield
    except OSError as error:
        raise BadInput(
            f"{folder}: cannot be written ({error.strerror or error}); choose a writable "
            "--export_dir with enough free space"
        ) from error


@contextmanager
def staged_version(folder):
    """Yields a hidden folder in `folder` to write a version to, for `publish`.

    Removes what killed exports left there, and on exit the hidden folder if it was not published.

    Raises:
      BadInput: `folder` cannot be written.
    """
    folder = Path(folder)
    with ExitStack() as stack:
        with report_write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            staged = stack.enter_context(staging_folder(folder / "export"))
        yield staged


def publish(staged, folder, version=None):
    """Renames a complete folder to its version number and returns its path.

    Args:
      staged: the folder, not empty, in the same file system as `folder`.
      folder: the folder of the versions.
      version: an int; by default one more than the highest version there.

    Raises:
      BadInput: the version exists, or `folder` cannot be written.
    """
    with report_write_errors(folder):
        for path in Path(staged).rglob("*"):
            if path.is_file():
                make_durable(path)
        check_version_is_free(folder, version)
        while True:
            number = max(list_versions(folder), default=0) + 1 if version is None else version
            path = Path(folder, str(number))
            if _rename_if_free(staged, path):
                return path
            if version is not None:
                raise _exists(path)


def _rename_if_free(staged, path):
    """Renames a folder to `path` and returns True, or False if another export took `path`."""
    try:
        Path(staged).rename(path)
    except OSError as error:
        # A rename does not replace a folder that is not empty; it fails with one of these errors.
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise
        return False
    return True
