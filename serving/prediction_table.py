"""Predictions for images without labels, as text and as a table.

    table = PredictionTable("predictions.csv", top_k=3)
    for prediction in predictions:
        print(describe(prediction))
        table.add(prediction)
    table.publish()
    table.close()

Predictions are kept on disk, not in memory.
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
from pathlib import Path

import numpy as np

from evaluation.predictions import ENCODING
from system.errors import BadInput
from system.files import atomic_write

SUFFIXES = (".csv", ".json", ".jsonl")


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of one image.

    Attributes:
      filename: the image's path as given or found; `-` for stdin.
      labels: names of classes, the most probable first; empty if there is an error.
      probabilities: floats in [0, 1], one for each of `labels`, representable as float32.
      error: why there is no prediction, or None.
    """

    filename: str
    labels: list[str] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    error: str | None = None


def describe(prediction, width=0):
    """Returns a line of text: the file name, padded to `width`, and the classes or the error."""
    name = prediction.filename
    if not name.isprintable():  # it may contain newlines or terminal escape sequences
        name = ascii(name)
    if prediction.error is not None:
        return f"{name:<{width}}  {prediction.error}"
    ranked = zip(prediction.labels, prediction.probabilities)
    return f"{name:<{width}}  " + ", ".join(f"{label} {100 * p:.1f} %" for label, p in ranked)


def check_output_path(path, suffixes=SUFFIXES):
    """Checks that a file can be written, without creating it.

    Args:
      path: the file; its folder may be missing.
      suffixes: the allowed suffixes, in lower case.

    Raises:
      BadInput: the suffix is not allowed, `path` is a folder, or the folder is not writable.
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise BadInput(f"{path}: expected a file name ending in {', '.join(suffixes)}")
    if path.is_dir():
        raise BadInput(f"{path} is a folder; expected the path of a file")
    existing = next(folder for folder in path.absolute().parents if os.path.lexists(folder))
    with _report_write_errors(path):
        tempfile.TemporaryFile(dir=existing).close()


@contextlib.contextmanager
def _report_write_errors(path):
    try:
        yield
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be written ({error.strerror}); choose a writable folder with enough "
            "free space"
        ) from error


class PredictionTable:
    """A .csv, .json or .jsonl file of predictions.

    CSV has the columns filename, label_1, probability_1, ..., error, in UTF-8, quoted as in
    RFC 4180. JSON is a list of objects and JSON Lines has one object per line, with filename,
    labels, probabilities and error. Probabilities have the fewest digits that preserve the float32.

    Predictions are collected in an unnamed temporary file and written to `path` by `publish`, so
    that `path` always holds a complete table, if any.
    """

    def __init__(self, path, top_k):
        """Creates the folder if it is missing, but not the table.

        Args:
          path: the file to write.
          top_k: the largest number of classes per prediction; sets the columns of a CSV.

        Raises:
          BadInput: as for `check_output_path`.
        """
        check_output_path(path)
        self.path = Path(path)
        self._format = _table_format(self.path.suffix.lower(), top_k)
        self._is_empty = True
        with _report_write_errors(path):
            folder = self.path.parent
            folder.mkdir(parents=True, exist_ok=True)
            self._rows = tempfile.TemporaryFile("w+", dir=folder, **ENCODING)  # noqa: SIM115

    def add(self, prediction):
        """Adds a `Prediction`.

        Raises:
          BadInput: the disk is full.
        """
        separator = "" if self._is_empty else self._format.separator
        self._is_empty = False
        with _report_write_errors(self.path):
            self._rows.write(separator + self._format.row(prediction))

    def publish(self):
        """Writes the table of all predictions so far; can be called repeatedly.

        Raises:
          BadInput: the disk is full or read-only.
        """
        with atomic_write(self.path) as temporary, temporary.open("w", **ENCODING) as file:
            file.write(self._format.header)
            self._rows.seek(0)
            shutil.copyfileobj(self._rows, file)  # leaves the position at the end, for `add`
            file.write(self._format.footer)

    def close(self):
        """Discards the predictions that have not been published."""
        # Closing flushes the buffer, which fails again on a full disk.
        with contextlib.suppress(OSError):
            self._rows.close()


@dataclass(frozen=True)
class _TableFormat:
    """Conversion of predictions to text: each `row`, and the text around and between rows."""

    row: Callable
    header: str = ""
    separator: str = ""
    footer: str = ""


def _table_format(suffix, top_k):
    if suffix == ".csv":
        columns = ["filename"]
        for rank in range(1, top_k + 1):
            columns += [f"label_{rank}", f"probability_{rank}"]
        header = _csv_line([*columns, "error"])
        return _TableFormat(lambda prediction: _csv_row(prediction, top_k), header)
    if suffix == ".json":
        return _TableFormat(_json_object, header="[\n", separator=",\n", footer="\n]\n")
    return _TableFormat(lambda prediction: _json_object(prediction) + "\n")


def _csv_row(prediction, top_k):
    cells = [prediction.filename]
    for label, probability in zip(prediction.labels, prediction.probabilities):
        cells += [label, _shortest(probability)]
    cells += [""] * (1 + 2 * top_k - len(cells))
    return _csv_line([*cells, prediction.error])


def _csv_line(cells):
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _json_object(prediction):
    probabilities = [float(_shortest(p)) for p in prediction.probabilities]
    return json.dumps(vars(prediction) | {"probabilities": probabilities})


def _shortest(probability):
    """The shortest decimal that is read back as the same float32."""
    return str(np.float32(probability))
