"""What a network said about the photos of a split, and its table, `predictions.csv`."""

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from bad_input import BadInput
from files import written_aside

# The columns before those of the classes.
COLUMNS = ["filename", "label", "prediction"]

# File names are bytes on most systems; this error handler of UTF-8 keeps any of them.
ENCODING = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}

# How far a photo's probabilities may sum from 1: more than half precision loses.
SUM_TOLERANCE = 0.01


@dataclass(frozen=True, eq=False)
class Predictions:
    """The probabilities of n photos over the classes, beside the truth.

    Attributes:
      filenames: n file names.
      labels: int64 [n], the true classes as indices into `class_names`.
      probabilities: float32 or float64 [n, classes], in [0, 1], each row with sum 1.
      class_names: the classes' names, each different.

    Raises:
      ValueError: the lengths do not fit each other.
      BadInput: there is no photo, two classes share a name, or a photo's label or probabilities
        are out of range (those of a diverged network are NaN).
    """

    filenames: list[str]
    labels: np.ndarray
    probabilities: np.ndarray
    class_names: list[str]

    def __post_init__(self):
        """Checks what the class promises."""
        photos, classes = len(self.filenames), len(self.class_names)
        if self.labels.shape != (photos,) or self.probabilities.shape != (photos, classes):
            raise ValueError(
                f"{photos} file names and {classes} class names do not fit labels of shape "
                f"{self.labels.shape} and probabilities of shape {self.probabilities.shape}"
            )
        if photos == 0:
            raise BadInput("there is no photo to report on; choose a split that holds some")
        self._check_class_names()
        self._check_labels()
        self._check_probabilities()

    @cached_property
    def predicted(self):
        """int64 [n]: each photo's most probable class, the first of them where several are."""
        return np.argmax(self.probabilities, axis=1)

    @cached_property
    def confidence(self):
        """Float [n], in [0, 1]: the probability of the predicted class."""
        return np.max(self.probabilities, axis=1)

    @cached_property
    def correct(self):
        """Bool [n]: whether the predicted class is the true one."""
        return self.predicted == self.labels

    def _check_class_names(self):
        seen = set()
        for name in self.class_names:
            if name in seen:
                raise BadInput(f"two classes are called {name!r}; give each a name of its own")
            seen.add(name)

    def _check_labels(self):
        classes = len(self.class_names)
        wrong = np.flatnonzero((self.labels < 0) | (self.labels >= classes))
        if wrong.size:
            raise BadInput(
                f"{self.filenames[wrong[0]]}: label {self.labels[wrong[0]]}, expected 0 to "
                f"{classes - 1} for {classes} classes; photos and class names are of two datasets"
            )

    def _check_probabilities(self):
        sums = self.probabilities.sum(axis=1, dtype=np.float64)
        sound = (self.probabilities >= 0).all(axis=1) & (np.abs(sums - 1) <= SUM_TOLERANCE)
        if not sound.all():
            wrong = np.argmin(sound)
            least, most = self.probabilities[wrong].min(), self.probabilities[wrong].max()
            raise BadInput(
                f"{self.filenames[wrong]}: expected probabilities in [0, 1] with sum 1, got "
                f"{least:.3g} to {most:.3g} with sum {sums[wrong]:.3g}; "
                "if the network has diverged, evaluate an earlier checkpoint"
            )


def write_csv(path, predictions):
    """Writes one line a photo: file name, true and predicted class by name, a column a class.

    The columns of the classes hold their probabilities, in the order of `class_names`, with as
    many digits as their dtype needs to be read back unchanged. Quoting is RFC 4180's, lines end
    with a line feed.

    Args:
      path: the file to write; it is replaced only when the new one is whole.
      predictions: a `Predictions`.

    Raises:
      BadInput: the file cannot be written.
    """
    names = predictions.class_names
    with written_aside(path) as aside, aside.open("w", **ENCODING) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*COLUMNS, *names])
        for filename, label, predicted, probabilities in zip(
            predictions.filenames,
            predictions.labels,
            predictions.predicted,
            predictions.probabilities,
        ):
            writer.writerow([filename, names[label], names[predicted], *probabilities])


def read_csv(path):
    """Reads what `write_csv` wrote.

    Returns:
      A `Predictions` with float64 probabilities; those that were float32 are the same float32
      numbers again after a cast.

    Raises:
      BadInput: the file is missing, or is not such a table; the message names the record.
    """
    path = Path(path)
    try:
        with path.open("r", **ENCODING) as file:
            header, *records = list(csv.reader(file, strict=True)) or [[]]
    except (OSError, csv.Error) as error:
        raise BadInput(
            f"{path}: cannot be read ({error}); eval_flowers.py writes a new one"
        ) from error
    class_names = header[len(COLUMNS) :]
    if header[: len(COLUMNS)] != COLUMNS or not class_names:
        raise BadInput(
            f"{path}: expected a header {','.join(COLUMNS)} and a column a class, "
            f"got {','.join(header)[:80]!r}; eval_flowers.py writes such a file"
        )
    try:
        return _parse(records, class_names)
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error


def _parse(records, class_names):
    """Makes the `Predictions` of the lists of strings in `records`, and checks each record."""
    index = {name: label for label, name in enumerate(class_names)}
    labels = np.empty(len(records), np.int64)
    probabilities = np.empty((len(records), len(class_names)))
    for row, record in enumerate(records):
        expected = len(COLUMNS) + len(class_names)
        if len(record) != expected:
            raise _broken_record(row, f"expected {expected} columns, got {len(record)}")
        _, label, prediction, *values = record
        for name in (label, prediction):
            if name not in index:
                raise _broken_record(row, f"{name!r} is none of the header's classes")
        labels[row] = index[label]
        try:
            probabilities[row] = values
        except ValueError as error:
            raise _broken_record(row, f"expected probabilities ({error})") from error
    predictions = Predictions([record[0] for record in records], labels, probabilities, class_names)
    for row, record in enumerate(records):
        most_probable = class_names[predictions.predicted[row]]
        if record[2] != most_probable:
            raise _broken_record(
                row, f"the prediction is {record[2]!r}, but {most_probable!r} is more probable"
            )
    return predictions


def _broken_record(row, complaint):
    """Counts as a reader of the table does: the header is no record, the first record is 1."""
    return BadInput(f"record {row + 1}: {complaint}; eval_flowers.py writes the file anew")
