"""Which photos there are and what they show: a folder for each class, or a list as CSV."""

import csv
import os
from dataclasses import dataclass
from pathlib import Path, PurePath

from bad_input import BadInput

# What other programs leave in folders of photos; hidden files are left out too.
NO_PHOTOS = ("thumbs.db", "ehthumbs.db", "desktop.ini")
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
HEADER = ["file", "label"]


@dataclass(frozen=True)
class ListedPhoto:
    """A file that might be a photo.

    Attributes:
      path: the file.
      file: what its record calls it: its path from the folder of photos, or as the list has it,
        with slashes: `daisy/5.jpg`.
      label: the name of its class; None where it lies in no class folder.
      record: where a list names it: `record 3 (line 4)`; None in a folder.
    """

    path: Path
    file: str
    label: str | None
    record: str | None = None


@dataclass(frozen=True)
class PhotoList:
    """All that might be photos.

    Attributes:
      place: the folder or the list that names them.
      classes: {label: [ListedPhoto, ...]}, sorted by label.
      strays: `ListedPhoto`s in no class.
    """

    place: Path
    classes: dict
    strays: list


def list_photos(photos_dir=None, photos_list=None):
    """Returns the `PhotoList` of a folder or of a CSV file, whichever is given.

    Raises:
      BadInput: both or neither are given; or as `find_photos` and `read_photos_list` say.
    """
    if (photos_dir is None) == (photos_list is None):
        raise BadInput(
            "expected one of photos_dir, which holds a folder a class, and photos_list, a CSV file "
            "with the columns file,label"
        )
    return find_photos(photos_dir) if photos_list is None else read_photos_list(photos_list)


def find_photos(photos_dir):
    """Returns the `PhotoList` of a folder that holds a folder for each class.

    Raises:
      BadInput: there is no such folder, no class folder in it, or one with nothing in it.
    """
    photos_dir = Path(photos_dir)
    if not photos_dir.is_dir():
        raise BadInput(f"{photos_dir}: no such folder; expected one that holds a folder a class")
    entries = visible(photos_dir)
    folders = [path for path in entries if path.is_dir()]
    if not folders:
        found = "files, but no folders" if entries else "nothing"
        raise BadInput(
            f"{photos_dir}: holds {found}; expected one folder a class, such as "
            f"{photos_dir / 'daisy'}, with that class's photos in it"
        )
    for folder in folders:
        _check_class_folder(folder)
    return PhotoList(
        place=photos_dir,
        classes={
            folder.name: [_in_folder(path, photos_dir, folder.name) for path in visible(folder)]
            for folder in folders
        },
        strays=[
            _in_folder(path, photos_dir, None)
            for path in entries
            if path.suffix.lower() in PHOTO_SUFFIXES and path.is_file()
        ],
    )


def _check_class_folder(folder):
    inside = visible(folder)
    if all(path.is_dir() for path in inside):
        hint = f"; is {folder} the folder of photos?" if inside else ""
        raise BadInput(
            f"{folder}: holds no photo; remove the folder or put photos of that class in{hint}"
        )
    if not folder.name.isprintable():
        raise BadInput(f"{str(folder)!a}: rename it; labels.txt cannot hold such a name")


def visible(folder):
    """Returns what is in a folder, sorted by name, without hidden files and known litter."""
    try:
        paths = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise BadInput(f"{folder}: cannot be read: {error.strerror}") from error
    return [
        path
        for path in paths
        if not path.name.startswith(".") and path.name.lower() not in NO_PHOTOS
    ]


def _in_folder(path, photos_dir, label):
    name = path.relative_to(photos_dir).as_posix()
    # Printable even where the file's name is no UTF-8.
    return ListedPhoto(path, os.fsencode(name).decode("utf-8", "backslashreplace"), label)


def read_photos_list(photos_list):
    """Returns the `PhotoList` of a CSV file (RFC 4180, UTF-8) with the header `file,label`.

    Files are named from the list's folder on, or by their whole path; a file or label that holds a
    comma is put in quotes. Empty lines are no records.

    Raises:
      BadInput: no such file, no CSV, another header, no records; or names the first record without
        a file or a label, with a label that cannot stand in `labels.txt`, or whose file another
        record has already.
    """
    photos_list = Path(photos_list)
    by_path = {}
    for record, row in _records(photos_list):
        photo = _listed(photos_list, record, row)
        known = by_path.setdefault(os.path.normpath(photo.path.absolute()), photo)
        if known is not photo:
            labels = " and ".join(sorted({known.label, photo.label}))
            raise BadInput(
                f"{photos_list}: {record} has the file of {known.record}, {photo.file}, as "
                f"{labels}; list it once"
            )
    if not by_path:
        raise BadInput(f"{photos_list}: lists no photos; expected a record daisy/5.jpg,daisy each")
    classes = {label: [] for label in sorted({photo.label for photo in by_path.values()})}
    for photo in by_path.values():
        classes[photo.label].append(photo)
    return PhotoList(photos_list, classes, strays=[])


def _records(photos_list):
    """Yields (`record 3 (line 4)`, its fields) of each record; the header is not counted."""
    number = 0
    try:
        with photos_list.open(encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(text, strict=True)
            header = next(rows, [])
            if header != HEADER:
                raise BadInput(
                    f"{photos_list}: begins with {','.join(header)[:80]!r}, expected the header "
                    f"{','.join(HEADER)}; put it in the first line"
                )
            for row in filter(None, rows):
                number += 1
                yield f"record {number} (line {rows.line_num})", row
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", error)
        raise BadInput(
            f"{photos_list}: cannot be read ({reason}); expected a CSV file in UTF-8 with the "
            "columns file,label"
        ) from error
    except csv.Error as error:
        raise BadInput(
            f"{photos_list}: record {number + 1} (line {rows.line_num}) is no CSV ({error}); put "
            'a field in quotes where it holds a comma or a quote, and write " in it as ""'
        ) from error


def _listed(photos_list, record, row):
    """Returns the `ListedPhoto` of a record."""
    if len(row) != len(HEADER):
        raise BadInput(
            f"{photos_list}: {record} has {len(row)} fields, expected file,label; put a field with "
            "a comma in quotes"
        )
    file, label = row
    if not file.strip():
        raise BadInput(f"{photos_list}: {record} names no file; write one or remove the record")
    if not label.strip():
        raise BadInput(
            f"{photos_list}: {record}, {file}, has an empty label; write one or remove the record"
        )
    if not label.isprintable() or label != label.strip():
        raise BadInput(
            f"{photos_list}: {record}, {file}, has the label {label!a}; expected printable text "
            "without a space around it, as labels.txt can hold"
        )
    return ListedPhoto(photos_list.parent / file, PurePath(file).as_posix(), label, record)
