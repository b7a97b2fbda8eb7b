"""The predictions of a network for a split, and their table, `predictions.csv`."""

import csv
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from system.errors import BadInput
from system.files import atomic_write

# The first columns of predictions.csv; one column per class with its probability follows.
COLUMNS = ["filename", "label", "prediction"]

# On most systems a filename may be any bytes; this error handler keeps those that are not UTF-8.
ENCODING = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}

# How far the sum of an image's probabilities may be from 1; half precision stays well below.
SUM_TOLERANCE = 0.01


@dataclass(frozen=True, eq=False)
class Predictions:
    """The class probabilities of n images, with their labels.

    Attributes:
      filenames: n filenames.
      labels: int64 [n], indices into `class_names`.
      probabilities: float32 or float64 [n, classes], in [0, 1]; each row sums to 1.
      class_names: the names of the classes, without duplicates.
      is_partial: whether these are only a part of the network's classes, among them every label and
        every predicted class, so that a row may sum to less than 1.

    Raises:
      ValueError: the lengths do not match.
      BadInput: there are no images, two classes have the same name, or a label or a probability is
        out of range (a diverged network gives NaN).
    """

    filenames: list[str]
    labels: np.ndarray
    probabilities: np.ndarray
    class_names: list[str]
    is_partial: bool = False

    def __post_init__(self):
        """Validates the fields."""
        num_examples, num_classes = len(self.filenames), len(self.class_names)
        shapes = self.labels.shape, self.probabilities.shape
        if shapes != ((num_examples,), (num_examples, num_classes)):
            raise ValueError(
                f"{num_examples} filenames and {num_classes} class names do not match labels of "
                f"shape {shapes[0]} and probabilities of shape {shapes[1]}"
            )
        if num_examples == 0:
            raise BadInput("there are no images to evaluate; choose another split")
        name, count = Counter(self.class_names).most_common(1)[0]
        if count > 1:
            raise BadInput(f"two classes are named {name!r}; rename one of them")
        self._check_labels()
        self._check_probabilities()

    @cached_property
    def predicted(self):
        """int64 [n]: the most probable class of each image; of equally probable ones the first."""
        return np.argmax(self.probabilities, axis=1)

    @cached_property
    def confidence(self):
        """Float [n], in [0, 1]: the probability of the predicted class."""
        return np.max(self.probabilities, axis=1)

    @cached_property
    def correct(self):
        """Bool [n]: whether the predicted class equals the label."""
        return self.predicted == self.labels

    def of_occurring_classes(self):
        """Returns the `Predictions` of those classes alone that are a label or predicted.

        Of many classes these can be shown. Labels, predicted classes and confidence stay the same;
        only the ranking below the predicted class lacks classes.
        """
        kept, labels = np.unique(np.concatenate([self.labels, self.predicted]), return_inverse=True)
        return Predictions(
            filenames=self.filenames,
            labels=labels[: len(self.labels)],
            probabilities=self.probabilities[:, kept],
            class_names=[self.class_names[label] for label in kept],
            is_partial=True,
        )

    def _check_labels(self):
        last = len(self.class_names) - 1
        wrong = np.flatnonzero((self.labels < 0) | (self.labels > last))
        if wrong.size:
            raise BadInput(
                f"{self.filenames[wrong[0]]}: label {self.labels[wrong[0]]}, expected 0 to {last}; "
                "the images and the class names belong to different datasets"
            )

    def _check_probabilities(self):
        sums = self.probabilities.sum(axis=1, dtype=np.float64)
        least = 0 if self.is_partial else 1 - SUM_TOLERANCE
        in_range = (sums >= least) & (sums <= 1 + SUM_TOLERANCE)
        valid = (self.probabilities >= 0).all(axis=1) & in_range
        if not valid.all():
            wrong = np.argmin(valid)
            low, high = self.probabilities[wrong].min(), self.probabilities[wrong].max()
            raise BadInput(
                f"{self.filenames[wrong]}: expected probabilities in [0, 1] with sum 1, got "
                f"{low:.3g} to {high:.3g} with sum {sums[wrong]:.3g}; "
                "if the training has diverged, evaluate an earlier checkpoint"
            )


def write_csv(path, predictions):
    """Writes one row per image: filename, label, predicted class, probability of each class.

    Labels and predictions are class names. The columns of probabilities are in the order of
    `class_names`; their values have as many digits as their dtype needs to be read back exactly.
    Fields are quoted as in RFC 4180; lines end with a line feed.

    Args:
      path: the file to write, replaced atomically.
      predictions: a `Predictions`.

    Raises:
      BadInput: the file cannot be written.
    """
    names = predictions.class_names
    with atomic_write(path) as temporary, temporary.open("w", **ENCODING) as file:
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
    """Reads a file that `write_csv` wrote.

    Returns:
      A `Predictions` with float64 probabilities; cast to the dtype they were written from, they
      are bit-identical.

    Raises:
      BadInput: the file is missing or invalid; the message names the row.
    """
    path = Path(path)
    try:
        with path.open("r", **ENCODING) as file:
            header, *rows = list(csv.reader(file, strict=True)) or [[]]
        class_names = header[len(COLUMNS) :]
        if header[: len(COLUMNS)] != COLUMNS or not class_names:
            raise BadInput(
                f"expected a header {','.join(COLUMNS)} and one column per class, got "
                f"{','.join(header)[:80]!r}"
            )
        return _parse(rows, class_names)
    except OSError as error:
        message = f"cannot be read ({error.strerror})"
    except csv.Error as error:
        message = f"is not a CSV file ({error})"
    except BadInput as error:
        message = str(error)
    raise BadInput(f"{path}: {message}; eval_flowers.py writes this file")


def _parse(rows, class_names):
    """Converts rows of strings, without the header, to `Predictions`; row 1 is the first image."""
    label_of = {name: label for label, name in enumerate(class_names)}
    labels = np.empty(len(rows), np.int64)
    probabilities = np.empty((len(rows), len(class_names)))
    for index, row in enumerate(rows):
        where, expected = f"row {index + 1}", len(COLUMNS) + len(class_names)
        if len(row) != expected:
            raise BadInput(f"{where}: expected {expected} columns, got {len(row)}")
        for name in row[1:3]:
            if name not in label_of:
                raise BadInput(f"{where}: {name!r} is not a class of the header")
        labels[index] = label_of[row[1]]
        try:
            probabilities[index] = row[3:]
        except ValueError as error:
            raise BadInput(f"{where}: expected probabilities ({error})") from error
    predictions = Predictions([row[0] for row in rows], labels, probabilities, class_names)
    for index, row in enumerate(rows):
        most_probable = class_names[predictions.predicted[index]]
        if row[2] != most_probable:
            raise BadInput(
                f"row {index + 1}: the prediction is {row[2]!r}, but {most_probable!r} is more "
                "probable"
            )
    return predictions
