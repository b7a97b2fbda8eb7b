"""What a network says about photos of which nobody knows the truth: lines to read, tables to keep.

    table = PredictionTable("predictions.csv", num_names=3)
    for prediction in predictions:
        print(describe(prediction))
        table.add(prediction)
    table.publish()
    table.close()

However many photos there are, one is in memory.
"""

import contextlib
import csv
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from bad_input import BadInput
from files import written_aside
from reporting.predictions import ENCODING

SUFFIXES = (".csv", ".json", ".jsonl")


@dataclass(frozen=True)
class Prediction:
    """What a network says about one photo.

    Attributes:
      filename: the photo's path as it was given or found; `-` for one from stdin.
      labels: names of classes, the most probable first; none where there is an error.
      probabilities: of these classes, floats in [0, 1] that float32 holds.
      error: why there is no prediction; None where there is one.
    """

    filename: str
    labels: list[str] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    error: str | None = None


def describe(prediction, width=0):
    """One line for people: the file, `width` letters or longer, and its names or its error."""
    name = prediction.filename
    if not name.isprintable():  # a name may hold line ends, or what a terminal takes for a command
        name = ascii(name)
    if prediction.error is not None:
        return f"{name:<{width}}  {prediction.error}"
    ranked = zip(prediction.labels, prediction.probabilities)
    return f"{name:<{width}}  " + ", ".join(f"{label} {100 * p:.1f} %" for label, p in ranked)


def check_place(path, suffixes=SUFFIXES):
    """Finds out, and leaves nothing behind, whether a file can be written before there is one.

    Args:
      path: where the file will be; its folder may be missing.
      suffixes: those that its name may have, in lower case.

    Raises:
      BadInput: the suffix is another, `path` is a folder, or the place is not writable.
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise BadInput(f"{path}: expected a name that ends in {', '.join(suffixes)}")
    if path.is_dir():
        raise BadInput(f"{path} is a folder; expected the name of a file, which may be in it")
    existing = next(folder for folder in path.absolute().parents if os.path.lexists(folder))
    try:
        tempfile.TemporaryFile(dir=existing).close()  # a file without a name
    except OSError as error:
        raise _cannot_be_written(path, error) from error


def _cannot_be_written(path, error):
    return BadInput(
        f"{path}: cannot be written ({error.strerror}); choose a folder that is writable and has "
        "room"
    )


class PredictionTable:
    """A table on disk, of the kind that its suffix says: .csv, .json or .jsonl.

    A CSV has the columns filename, label_1, probability_1, ..., error, in UTF-8; quoting is RFC
    4180's. In .json a list, in .jsonl each line, holds objects with filename, labels, probabilities
    and error. Probabilities have as many digits as it takes to read the same float32 back.

    Predictions gather in a file without a name, which goes with the process, however it ends; so at
    `path` stands nothing, the table that was there before, or one that is whole.
    """

    def __init__(self, path, num_names):
        """Makes the folder where it is missing, and no table yet.

        Args:
          path: where the table will be.
          num_names: how many labels a prediction has; decides the columns of a CSV.

        Raises:
          BadInput: as `check_place` says.
        """
        check_place(path)
        self.path = Path(path)
        self._format = _format(self.path.suffix.lower(), num_names)
        self._is_empty = True
        try:
            folder = self.path.parent
            folder.mkdir(parents=True, exist_ok=True)
            self._gathered = tempfile.TemporaryFile("w+", dir=folder, **ENCODING)  # noqa: SIM115
        except OSError as error:
            raise _cannot_be_written(path, error) from error

    def add(self, prediction):
        """Adds a `Prediction`.

        Raises:
          BadInput: the disk is full.
        """
        separator = "" if self._is_empty else self._format.separator
        self._is_empty = False
        try:
            self._gathered.write(separator + self._format.record(prediction))
        except OSError as error:
            raise _cannot_be_written(self.path, error) from error

    def publish(self):
        """Puts the table of all that has been added in its place; may be called again.

        Raises:
          BadInput: the disk is full or read-only.
        """
        with written_aside(self.path) as aside, aside.open("w", **ENCODING) as file:
            file.write(self._format.head)
            self._gathered.seek(0)
            shutil.copyfileobj(self._gathered, file)  # to the end, where the next record goes
            file.write(self._format.tail)

    def close(self):
        """Forgets what has not been published."""
        # Closing writes what is still buffered, and on a full disk that fails once more.
        with contextlib.suppress(OSError):
            self._gathered.close()


@dataclass(frozen=True)
class _Format:
    """How predictions become text: `record` of each, and what stands around and between them."""

    record: Callable
    head: str = ""
    separator: str = ""
    tail: str = ""


def _format(suffix, num_names):
    if suffix == ".csv":
        columns = ["filename"]
        for place in range(1, num_names + 1):
            columns += [f"label_{place}", f"probability_{place}"]
        return _Format(partial(_csv_row, num_names), head=_csv_line([*columns, "error"]))
    if suffix == ".json":
        return _Format(_json_object, head="[\n", separator=",\n", tail="\n]\n")
    return _Format(lambda prediction: _json_object(prediction) + "\n")


def _csv_row(num_names, prediction):
    cells = [prediction.filename]
    for label, probability in zip(prediction.labels, prediction.probabilities):
        cells += [label, _shortest(probability)]
    cells += [""] * (1 + 2 * num_names - len(cells))
    return _csv_line([*cells, prediction.error])


def _csv_line(cells):
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _json_object(prediction):
    probabilities = [float(_shortest(p)) for p in prediction.probabilities]
    return json.dumps(vars(prediction) | {"probabilities": probabilities})


def _shortest(probability):
    """The fewest digits that are read as the same float32."""
    return str(np.float32(probability))
