"""Numbered versions of an export, as TensorFlow Serving looks for them: folders named 1, 2, 3.

A version appears whole, by a rename, and is never replaced; what is not named by a number is not
looked at by the server. So the other formats have their versions in folders with a name.
"""

import errno
import re
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bad_input import BadInput
from files import folder_beside, make_durable

# Format of an export -> where its versions are, in --export_dir.
FORMATS = {"saved_model": ".", "tflite": "tflite", "frozen_graph": "frozen_graph"}


def folder_of(export_dir, form):
    """Where the versions of a format, a key of `FORMATS`, are in `export_dir`."""
    return Path(export_dir, FORMATS[form])


def numbers(folder):
    """The versions in `folder`, a list of ints in ascending order; none where it does not exist.

    A folder named 007 is none: nobody who looks for version 7 would find it.
    """
    folder = Path(folder)
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if re.fullmatch("0|[1-9][0-9]*", name))


def refuse_existing(folder, version):
    """Raises BadInput where `folder` holds `version`; None, for the next free one, never does."""
    if version in numbers(folder):
        raise _exists(Path(folder, str(version)))


def _exists(path):
    return BadInput(
        f"{path} exists, and a version is never overwritten; give --version another number, or "
        "leave it out for the next free one"
    )


@contextmanager
def writing_to(folder):
    """For the time of the context an `OSError` means that `folder` cannot be written to.

    Raises:
      BadInput: says so, in the place of the `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise BadInput(
            f"{folder}: cannot be written ({error.strerror or error}); choose an --export_dir "
            "that is writable and has room"
        ) from error


@contextmanager
def written_aside(folder):
    """Yields a hidden folder in `folder` to write a version to, for `publish`.

    What killed exports left there is removed first, and what is not published at the end.

    Raises:
      BadInput: nothing can be written there.
    """
    folder = Path(folder)
    with ExitStack() as stack:
        with writing_to(folder):
            folder.mkdir(parents=True, exist_ok=True)
            aside = stack.enter_context(folder_beside(folder / "export"))
        yield aside


def publish(written, folder, version=None):
    """Gives a folder that is written in full its number, and returns its path.

    Args:
      written: the folder, with a file in it, in the same file system as `folder`.
      folder: where the versions are.
      version: its number, an int; by default one more than the highest there.

    Raises:
      BadInput: the version exists, or nothing can be written there.
    """
    with writing_to(folder):
        for path in Path(written).rglob("*"):
            if path.is_file():
                make_durable(path)
        refuse_existing(folder, version)
        while True:
            number = max(numbers(folder), default=0) + 1 if version is None else version
            path = Path(folder, str(number))
            if _rename_where_free(written, path):
                return path
            if version is not None:
                raise _exists(path)


def _rename_where_free(written, path):
    """Renames a folder to `path`, and returns whether it could: another export may be there."""
    try:
        Path(written).rename(path)
    except OSError as error:
        # What these mean of a rename, which replaces no folder with content.
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise
        return False
    return True
