"""The figures of an evaluation: accuracy with its uncertainty, scores per class, calibration."""

import json
import math
import re
import warnings
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import scipy.stats
import sklearn.metrics

from files import written_aside

TOP_K = (1, 2, 3, 5)
CALIBRATION_BINS = 15  # as many as Guo et al. (2017) use in their tables


def measure(predictions, losses):
    """Measures `predictions`; what comes back can be written as JSON.

    Args:
      predictions: a `Predictions` of n photos.
      losses: float [n], each photo's loss.

    Returns:
      A dict of plain Python values:
        num_examples: n.
        accuracy: share of photos whose predicted class is the true one, in [0, 1].
        accuracy_interval: [low, high], the 95 % interval of `wilson_interval`.
        top_k: k as a string -> share of photos whose true class is among the k most probable, for
          those k of 1, 2, 3 and 5 that are less than the number of classes, and always for 1.
        loss: mean of `losses`; None where it is not finite.
        per_class: `class_scores`.
        confusion_matrix: `confusion_matrix`, as a list of rows.
        expected_calibration_error: `expected_calibration_error`.

    Raises:
      ValueError: there is not one loss a photo.
    """
    photos = len(predictions.filenames)
    if np.shape(losses) != (photos,):
        raise ValueError(f"expected {photos} losses, got an array of shape {np.shape(losses)}")
    right = int(predictions.correct.sum())
    return {
        "num_examples": photos,
        "accuracy": right / photos,
        "accuracy_interval": list(wilson_interval(right, photos)),
        "top_k": top_k_accuracy(predictions),
        "loss": _finite_or_none(np.mean(losses, dtype=np.float64)),
        "per_class": class_scores(predictions),
        "confusion_matrix": confusion_matrix(predictions).tolist(),
        "expected_calibration_error": expected_calibration_error(predictions),
    }


def wilson_interval(successes, trials, confidence_level=0.95):
    """The score interval of a share, which stays in [0, 1] and holds for few trials too.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927); recommended by Brown, Cai and DasGupta, "Interval estimation for a binomial
    proportion", Statistical Science 16 (2001), section 4.

    Args:
      successes, trials: whole numbers, 0 <= successes <= trials, trials at least 1.
      confidence_level: in (0, 1).

    Returns:
      (low, high), floats.
    """
    test = scipy.stats.binomtest(successes, trials)
    interval = test.proportion_ci(confidence_level, method="wilson")
    return float(interval.low), float(interval.high)


def top_k_accuracy(predictions):
    """Measures how often the true class is among the k most probable; see `measure`.

    Of equally probable classes the first counts as the more probable, as in `predicted`, so that
    top 1 is the accuracy.
    """
    order = np.argsort(-predictions.probabilities, axis=1, kind="stable")
    hits = order == predictions.labels[:, np.newaxis]
    classes = len(predictions.class_names)
    return {str(k): float(hits[:, :k].any(axis=1).mean()) for k in TOP_K if k == 1 or k < classes}


def class_scores(predictions):
    """Scores each class by itself.

    Returns:
      A dict: class name -> {"precision", "recall", "f1": floats in [0, 1], "count": photos of the
      class}. None stands where there is nothing to divide by: the precision of a class that was
      never predicted, the recall of a class without photos, the F1 of a class with neither.
    """
    with _few_photos_a_class():
        precision, recall, f1, count = sklearn.metrics.precision_recall_fscore_support(
            predictions.labels,
            predictions.predicted,
            labels=range(len(predictions.class_names)),
            zero_division=np.nan,
        )
    return {
        name: {
            "precision": _finite_or_none(precision[label]),
            "recall": _finite_or_none(recall[label]),
            "f1": _finite_or_none(f1[label]),
            "count": int(count[label]),
        }
        for label, name in enumerate(predictions.class_names)
    }


def confusion_matrix(predictions):
    """Counts photos by truth (rows) and prediction (columns): int64 [classes, classes]."""
    with _few_photos_a_class():
        return sklearn.metrics.confusion_matrix(
            predictions.labels, predictions.predicted, labels=range(len(predictions.class_names))
        )


@dataclass(frozen=True, eq=False)
class CalibrationBins:
    """Photos grouped by confidence; bin i holds the confidences in (edges[i], edges[i + 1]].

    Attributes:
      edges: float64 [bins + 1], from 0 to 1.
      counts: int64 [bins], photos in the bin.
      correct: int64 [bins], those of them that were predicted right.
      confidence: float64 [bins], their mean confidence; NaN in an empty bin.
      accuracy: float64 [bins], correct / counts; NaN in an empty bin.
    """

    edges: np.ndarray
    counts: np.ndarray
    correct: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def calibration_bins(predictions, bins=CALIBRATION_BINS):
    """Groups the photos into `bins` bins of equal width by their confidence.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 2.

    Returns:
      A `CalibrationBins`.
    """
    edges = np.linspace(0, 1, bins + 1)
    confidence = predictions.confidence.astype(np.float64)
    # Rounding may lift a probability a little above 1; it belongs to the last bin.
    members = np.minimum(np.searchsorted(edges[1:], confidence, side="left"), bins - 1)
    counts = np.bincount(members, minlength=bins)
    correct = np.bincount(members[predictions.correct], minlength=bins)
    empty_is_nan = np.where(counts > 0, counts, np.nan)
    sums = np.bincount(members, weights=confidence, minlength=bins)
    return CalibrationBins(edges, counts, correct, sums / empty_is_nan, correct / empty_is_nan)


def expected_calibration_error(predictions, bins=CALIBRATION_BINS):
    """The mean distance of confidence and accuracy, weighted by the photos in each bin.

    Source: Guo et al. (2017), equation 3.

    Returns:
      A float in [0, 1]; 0 is a network that is right as often as it says.
    """
    groups = calibration_bins(predictions, bins)
    gaps = np.abs(groups.accuracy - groups.confidence)
    return float(np.nansum(gaps * groups.counts) / groups.counts.sum())


def write_json(path, metrics):
    """Writes `metrics` as JSON, a list of numbers on one line.

    Args:
      path: the file to write; it is replaced only when the new one is whole.
      metrics: a dict as from `measure`, with whatever a script adds.

    Raises:
      ValueError: a number is not finite, which JSON cannot say.
      BadInput: the file cannot be written.
    """
    text = json.dumps(metrics, indent=2, ensure_ascii=False, allow_nan=False)
    # A string of JSON holds no line feed, so this finds lists of numbers alone.
    text = re.sub(r'\[\n([^\[\]{}"]*)\]', lambda found: f"[{' '.join(found[1].split())}]", text)
    with written_aside(path) as aside:
        aside.write_text(text + "\n", encoding="utf-8")


@contextmanager
def _few_photos_a_class():
    """Keeps scikit-learn from taking the labels of many classes and few photos for a regression."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The number of unique classes")
        yield


def _finite_or_none(value):
    """A plain float, or None for JSON's null where `value` is NaN or infinite."""
    return float(value) if math.isfinite(value) else None
