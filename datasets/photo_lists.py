"""Labeled photos to convert: a folder with one folder per class, or a list as a CSV file."""

import csv
import os
from dataclasses import dataclass
from pathlib import Path, PurePath

from system.errors import BadInput

# Files that other programs leave in folders of photos; hidden files are ignored too.
SYSTEM_FILES = ("thumbs.db", "ehthumbs.db", "desktop.ini")
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
HEADER = ["file", "label"]


@dataclass(frozen=True)
class ListedPhoto:
    """A file that might be a photo.

    Attributes:
      path: the file.
      file: its path relative to the folder of photos, or as written in the list, with slashes:
        `daisy/5.jpg`.
      label: the name of its class; None outside the class folders.
      record: its place in the list: `record 3 (line 4)`; None for a folder.
    """

    path: Path
    file: str
    label: str | None
    record: str | None = None


@dataclass(frozen=True)
class PhotoList:
    """All files that might be photos.

    Attributes:
      place: the folder or the CSV file.
      classes: {label: [ListedPhoto, ...]}, sorted by label.
      strays: `ListedPhoto`s without a class.
    """

    place: Path
    classes: dict
    strays: list


def list_photos(photos_dir, photos_list=None):
    """Returns the `PhotoList` of the CSV file `photos_list`, if given, or of a folder.

    Raises:
      BadInput: see `find_photos` and `read_photos_list`.
    """
    return find_photos(photos_dir) if photos_list is None else read_photos_list(photos_list)


def find_photos(photos_dir):
    """Returns the `PhotoList` of a folder with one folder per class.

    Raises:
      BadInput: there is no such folder, it has no class folders, or one of them has no photos.
    """
    photos_dir = Path(photos_dir)
    if not photos_dir.is_dir():
        raise BadInput(f"{photos_dir}: no such folder; expected one with a folder per class")
    entries = visible(photos_dir)
    folders = [path for path in entries if path.is_dir()]
    if not folders:
        found = "contains files but no folders" if entries else "is empty"
        raise BadInput(
            f"{photos_dir}: {found}; expected one folder per class, such as "
            f"{photos_dir / 'daisy'}, with the photos of that class"
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
    entries = visible(folder)
    if all(path.is_dir() for path in entries):
        hint = f"; is {folder} the folder of photos?" if entries else ""
        raise BadInput(
            f"{folder}: contains no photos; remove the folder or add photos of that class{hint}"
        )
    if not folder.name.isprintable():
        raise BadInput(
            f"{str(folder)!a}: expected a printable name, as labels.txt holds one per line; rename "
            "the folder"
        )


def visible(folder):
    """Returns the paths in a folder, sorted by name, without hidden and system files."""
    try:
        paths = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise BadInput(f"{folder}: cannot be read: {error.strerror}") from error
    return [
        path
        for path in paths
        if not path.name.startswith(".") and path.name.lower() not in SYSTEM_FILES
    ]


def _in_folder(path, photos_dir, label):
    name = path.relative_to(photos_dir).as_posix()
    # Printable even if the name of the file is not UTF-8.
    return ListedPhoto(path, os.fsencode(name).decode("utf-8", "backslashreplace"), label)


def read_photos_list(photos_list):
    """Returns the `PhotoList` of a CSV file (RFC 4180, UTF-8) with the header `file,label`.

    Paths are absolute or relative to the folder of the list. Empty lines are ignored.

    Raises:
      BadInput: the file is missing, not CSV, without that header or without records; or a record
        has no file, no label, a label that `labels.txt` cannot hold, or the file of another record.
    """
    photos_list = Path(photos_list)
    by_path = {}
    for record, row in _records(photos_list):
        photo = _listed(photos_list, record, row)
        known = by_path.setdefault(os.path.normpath(photo.path.absolute()), photo)
        if known is not photo:
            labels = " and ".join(sorted({known.label, photo.label}))
            raise BadInput(
                f"{photos_list}: {record} repeats the file of {known.record}, {photo.file}, as "
                f"{labels}; list it once"
            )
    if not by_path:
        raise BadInput(
            f"{photos_list}: lists no photos; expected one record per photo, such as "
            "daisy/5.jpg,daisy"
        )
    classes = {label: [] for label in sorted({photo.label for photo in by_path.values()})}
    for photo in by_path.values():
        classes[photo.label].append(photo)
    return PhotoList(photos_list, classes, strays=[])


def _records(photos_list):
    """Yields (`record 3 (line 4)`, its fields) for each record; the header is not counted."""
    number = 0
    try:
        with photos_list.open(encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(text, strict=True)
            header = next(rows, [])
            if header != HEADER:
                raise BadInput(
                    f"{photos_list}: starts with {','.join(header)[:80]!r}, expected the header "
                    f"{','.join(HEADER)} in the first line"
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
            f"{photos_list}: record {number + 1} (line {rows.line_num}) is not valid CSV "
            f'({error}); quote a field with a comma or a quote, and write " inside it as ""'
        ) from error


def _listed(photos_list, record, row):
    """Returns the `ListedPhoto` of a record."""
    if len(row) != len(HEADER):
        raise BadInput(
            f"{photos_list}: {record} has {len(row)} fields, expected file,label; quote a field "
            "with a comma"
        )
    file, label = row
    if not file.strip():
        raise BadInput(f"{photos_list}: {record} names no file; add one or remove the record")
    if not label.strip():
        raise BadInput(
            f"{photos_list}: {record}, {file}, has an empty label; add one or remove the record"
        )
    if not label.isprintable() or label != label.strip():
        raise BadInput(
            f"{photos_list}: {record}, {file}, has the label {label!a}; expected printable text "
            "without surrounding spaces, which labels.txt can hold"
        )
    return ListedPhoto(photos_list.parent / file, PurePath(file).as_posix(), label, record)
