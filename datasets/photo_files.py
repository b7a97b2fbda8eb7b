"""Photos to predict: files, folders, glob patterns, and a list of names or a photo from stdin.

files = find_photo_files(["garden/", "*.png", "rose.jpg"])
for file, jpeg in read_jpegs(files):
    ...                                 # bytes, or a `BadPhoto` with the reason
"""

import contextlib
import glob
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from datasets.parallel import in_parallel
from datasets.photo_lists import PHOTO_SUFFIXES, visible
from datasets.photos import (
    BadPhoto,
    begins_like_page,
    begins_like_photo,
    read_bytes,
    upright_jpeg,
)
from system.errors import BadInput

STDIN = "-"
EXPECTED = "expected photos, folders or patterns"


@dataclass(frozen=True)
class PhotoFile:
    """A file that might be a photo, or a name that matches no file.

    Attributes:
      name: the path, as given or found; `-` for the photo from stdin.
      content: the bytes of the photo from stdin; None for a file, which is read later.
      fault: why the name matches no file; None if it does.
    """

    name: str
    content: bytes | None = field(default=None, repr=False)
    fault: str | None = None

    def read(self, needed_size=None):
        """Returns the photo as an upright RGB JPEG, bytes; arguments as of `photos.upright_jpeg`.

        Raises:
          BadPhoto: the file is not a usable photo; the message is the reason.
        """
        if self.fault is not None:
            raise BadPhoto(self.fault)
        content = read_bytes(self.name) if self.content is None else self.content
        return upright_jpeg(content, needed_size)


def find_photo_files(names, stdin=None):
    """Finds the photos that a command line names; reads none except one from stdin.

    Args:
      names: paths of files, whatever their names; folders, searched recursively; patterns such as
        `*.jpg` and `**/*.png`; and `-` for stdin, which holds a photo or one name per line.
      stdin: a binary file to read for `-`; by default the stdin of the process.

    Returns:
      A list of `PhotoFile`s in the order of the names, sorted within each folder and pattern, each
      file once. Files in a folder are left out if they are hidden, known system files, or have
      neither the suffix nor the signature of a photo. A name that matches no file is included with
      its fault, so that it does not stop the others.

    Raises:
      BadInput: no name matches a file, a folder cannot be read, or stdin is empty.
    """
    found = {}
    for name in dict.fromkeys(map(os.fsdecode, names)):
        for file in _read_stdin(stdin) if name == STDIN else _matches(name):
            found.setdefault(os.path.normpath(Path(file.name).absolute()), file)
    files = list(found.values())
    if files and all(file.fault for file in files):
        raise BadInput(f"{files[0].name!r}: {files[0].fault}; {EXPECTED}")
    return files


def read_jpegs(files, needed_size=None):
    """Reads photos in threads, a bounded number ahead.

    Args:
      files: `PhotoFile`s.
      needed_size: as for `photos.upright_jpeg`.

    Yields:
      (`PhotoFile`, the bytes of an upright RGB JPEG or a `BadPhoto` with the reason), in order.
    """

    def read(file):
        try:
            return file, file.read(needed_size)
        except BadPhoto as error:
            return file, error

    return in_parallel(read, files)


def arriving_photos(folder, wait):
    """Finds the photos in a folder, and those that other programs add later.

    A file counts as complete if it is not empty and has the same size and time in two consecutive
    scans.

    Args:
      folder: searched recursively, as by `find_photo_files`.
      wait: called between two scans; returns whether to scan again.

    Yields:
      After each scan a list of new `PhotoFile`s, which may be empty. A file that is replaced comes
      again.

    Raises:
      BadInput: the folder is missing or cannot be read.
    """
    before, done = {}, {}
    while True:
        stamps = {name: _stamp(name) for name in _photos_in(folder)}
        unchanged = [name for name, stamp in stamps.items() if stamp and before.get(name) == stamp]
        new = [name for name in unchanged if done.get(name) != stamps[name]]
        done.update((name, stamps[name]) for name in new)
        yield [PhotoFile(name) for name in new]
        before = stamps
        if not wait():
            return


def _stamp(path):
    """Returns the size and time of a file; None for an empty or deleted one."""
    with contextlib.suppress(FileNotFoundError):
        status = Path(path).stat()
        return (status.st_size, status.st_mtime_ns) if status.st_size else None
    return None


def _read_stdin(stdin):
    """Returns the `PhotoFile`s of stdin, which holds a photo or one name per line."""
    content = (stdin or sys.stdin.buffer).read()
    if not content.strip():
        raise BadInput("stdin is empty; expected a photo, or names of photos, one per line")
    if b"\0" in content:  # in every photo, but in no file name
        return [PhotoFile(STDIN, content)]
    if begins_like_page(content):
        return [PhotoFile(STDIN, fault="an HTML page, not a photo")]
    lines = (os.fsdecode(line.rstrip(b"\r")) for line in content.split(b"\n"))
    return [file for line in lines if line for file in _matches(line)]


def _matches(name):
    """Returns the `PhotoFile`s that a name matches, or one with the fault.

    An existing path is never read as a pattern.
    """
    exists = os.path.lexists(name)
    # Path.glob does not accept absolute patterns.
    paths = [name] if exists else sorted(glob.glob(name, recursive=True))  # noqa: PTH207
    files = []
    for path in paths:
        files += _photos_in(path) if Path(path).is_dir() else [path]
    if files:
        return [PhotoFile(file) for file in files]
    if exists:
        fault = "contains no photos"
    else:
        fault = "matches no photo" if glob.has_magic(name) else "no such file or folder"
    return [PhotoFile(name, fault=fault)]


def _photos_in(folder):
    """Returns the sorted paths of the photos in a folder and its subfolders, each visited once."""
    found, entered = [], set()

    def search(folder):
        real = os.path.realpath(folder)
        if real in entered:
            return
        entered.add(real)
        for path in visible(folder):
            if path.is_dir():
                search(path)
            elif _may_be_photo(path):
                found.append(str(path))

    search(Path(folder))
    return found


def _may_be_photo(path):
    if path.suffix.lower() in PHOTO_SUFFIXES:
        return True
    return path.is_file() and begins_like_photo(path)
