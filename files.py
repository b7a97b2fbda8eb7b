"""Files that are there whole or not at all."""

import os
from contextlib import contextmanager
from pathlib import Path

from bad_input import BadInput


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
            with aside.open("rb") as written:
                os.fsync(written)  # a name must not reach the disk before what it names
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be written ({error.strerror}); choose a folder that is writable and "
            "has room"
        ) from error
