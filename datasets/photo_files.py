"""Photos to predict: files, folders, patterns of names, a list of names or one photo from stdin.

files = find_photo_files(["garden/", "*.png", "rose.jpg"])
for file, photo in read_photos(files):
    ...                                     # a `Photo`, or the `BadPhoto` that says why not
"""

import contextlib
import glob
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from bad_input import BadInput
from datasets.parallel import in_parallel
from datasets.photo_lists import PHOTO_SUFFIXES, visible
from datasets.photos import (
    BadPhoto,
    begins_like_page,
    begins_like_photo,
    make_photo,
    read_photo,
)

STDIN = "-"
EXPECTED = "expected photos, folders of them or patterns"


@dataclass(frozen=True)
class PhotoFile:
    """A file that might be a photo, or a name for which there is none.

    Attributes:
      name: its path, as it was given or found; `-` for the photo from stdin.
      content: the bytes of the photo from stdin; None for a file, which is read when it is needed.
      fault: why the name means no file; None where it means one.
    """

    name: str
    content: bytes | None = field(default=None, repr=False)
    fault: str | None = None

    def read(self):
        """Returns the `Photo`.

        Raises:
          BadPhoto: it is no usable photo; the text is the reason.
        """
        if self.fault is not None:
            raise BadPhoto(self.fault)
        if self.content is not None:
            return make_photo(self.content)
        path = Path(self.name)
        if path.exists() and not path.is_file():
            raise BadPhoto("no regular file")
        return read_photo(path)


def find_photo_files(names, stdin=None):
    """Finds what a command line of photos means, and reads no photo but that from stdin.

    Args:
      names: paths of files, which are taken whatever they are called; of folders, which are
        searched with all folders in them; patterns such as `*.jpg` and `**/*.png`; and `-`.
      stdin: where `-` is read from, a binary file; by default the process's.

    Returns:
      A list of `PhotoFile`s in the order of the names, sorted within each folder and pattern; each
      file once. Of a folder those are left out that are hidden, known litter, or neither called
      like a photo nor begin like one. A name or a line of stdin that matches nothing is there too,
      with its fault, so that one stale name does not stop the rest.

    Raises:
      BadInput: nothing at all matches, a folder cannot be read, or nothing came from stdin.
    """
    found = {}
    for name in dict.fromkeys(map(os.fsdecode, names)):
        for file in _read_stdin(stdin) if name == STDIN else _matches(name):
            found.setdefault(os.path.normpath(Path(file.name).absolute()), file)
    files = list(found.values())
    if files and all(file.fault for file in files):
        raise BadInput(f"{files[0].name!r}: {files[0].fault}; {EXPECTED}")
    return files


def read_photos(files):
    """Reads photos in threads, a bounded distance ahead of who takes them.

    Args:
      files: `PhotoFile`s.

    Yields:
      (`PhotoFile`, its `Photo` or the `BadPhoto` that says why there is none), in order.
    """

    def read(file):
        try:
            return file, file.read()
        except BadPhoto as error:
            return file, error

    return in_parallel(read, files)


def arriving_photos(folder, wait):
    """Finds the photos in a folder, and those that other programs put there later.

    A file is left for later until its size and its time stay the same between two looks, and while
    it is empty: then it is still being written.

    Args:
      folder: searched with all folders in it, as `find_photo_files` searches.
      wait: called between two looks; returns whether to look again.

    Yields:
      After each look a list of `PhotoFile`s, which may be empty; each file comes once, and again
      where another has taken its place.

    Raises:
      BadInput: the folder is missing or cannot be read.
    """
    before, done = {}, {}
    while True:
        stamps = {name: _stamp(name) for name in _photos_in(folder)}
        rested = [name for name, stamp in stamps.items() if stamp and before.get(name) == stamp]
        rested = [name for name in rested if done.get(name) != stamps[name]]
        done.update((name, stamps[name]) for name in rested)
        yield [PhotoFile(name) for name in rested]
        before = stamps
        if not wait():
            return


def _stamp(path):
    """What changes while a file is written; None for an empty file, and for one that has gone."""
    with contextlib.suppress(FileNotFoundError):
        status = Path(path).stat()
        return (status.st_size, status.st_mtime_ns) if status.st_size else None
    return None


def _read_stdin(stdin):
    """The one photo on stdin, or what the names on it match, a name a line."""
    content = (stdin or sys.stdin.buffer).read()
    if not content.strip():
        raise BadInput(
            "nothing came from stdin; expected a photo, or the names of photos, one a line"
        )
    if b"\0" in content:  # every photo holds such a byte, and no file's name does
        return [PhotoFile(STDIN, content)]
    if begins_like_page(content):
        return [PhotoFile(STDIN, fault="stdin holds an HTML page and no photo")]
    lines = (os.fsdecode(line.rstrip(b"\r")) for line in content.split(b"\n"))
    return [file for line in lines if line for file in _matches(line)]


def _matches(name):
    """The `PhotoFile`s that a name means, or one that says why it means none.

    What exists is taken before a pattern is seen in its name.
    """
    exists = os.path.lexists(name)
    # Not Path.glob, which takes no pattern that begins at the root.
    paths = [name] if exists else sorted(glob.glob(name, recursive=True))  # noqa: PTH207
    files = []
    for path in paths:
        files += _photos_in(path) if Path(path).is_dir() else [path]
    if files:
        return [PhotoFile(file) for file in files]
    if exists:
        fault = "holds no photos"
    else:
        fault = "matches no photo" if glob.has_magic(name) else "no such file or folder"
    return [PhotoFile(name, fault=fault)]


def _photos_in(folder):
    """The paths of a folder's photos, those in its folders too, sorted; a link's round is cut."""
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
