"""Metrics of an evaluation: accuracy and its interval, scores per class, calibration."""

import json
import math
import re
from dataclasses import dataclass

import numpy as np
import scipy.stats

from system.files import atomic_write

# What the last line of eval_flowers.py says.
SUMMARY = ("checkpoint", "global_step", "split", "num_examples", "accuracy", "loss", "eval_dir")
TOP_K = (1, 2, 3, 5)
CALIBRATION_BINS = 15  # the number that Guo et al. (2017) use in their tables


def compute_metrics(predictions, losses):
    """Computes the metrics that metrics.json and report.html show.

    Args:
      predictions: a `Predictions` of n images.
      losses: float [n], the loss of each image.

    Returns:
      A dict of plain Python values that can be written as JSON:
        num_examples: n.
        accuracy: float in [0, 1].
        accuracy_interval: [low, high], see `wilson_interval`.
        top_k: k as a string -> top-k accuracy, for k = 1 and for each of 2, 3 and 5 that is less
          than the number of classes.
        balanced_accuracy, macro_f1: see `balanced_accuracy` and `macro_f1`.
        loss: mean of `losses`; None where it is not finite.
        per_class: see `class_scores`.
        confusion_matrix: see `confusion_matrix`; a list of rows.
        expected_calibration_error: see `expected_calibration_error`.

    Raises:
      ValueError: the number of losses is not n.
    """
    num_examples = len(predictions.labels)
    if np.shape(losses) != (num_examples,):
        raise ValueError(
            f"expected {num_examples} losses, got an array of shape {np.shape(losses)}"
        )
    num_correct = int(predictions.correct.sum())
    loss = float(np.mean(losses, dtype=np.float64))
    return {
        "num_examples": num_examples,
        "accuracy": num_correct / num_examples,
        "accuracy_interval": list(wilson_interval(num_correct, num_examples)),
        "top_k": top_k_accuracy(predictions),
        "balanced_accuracy": balanced_accuracy(scores := class_scores(predictions)),
        "macro_f1": macro_f1(scores),
        "loss": loss if math.isfinite(loss) else None,
        "per_class": scores,
        "confusion_matrix": confusion_matrix(predictions).tolist(),
        "expected_calibration_error": expected_calibration_error(predictions),
    }


def wilson_interval(successes, trials):
    """The 95 % Wilson score interval of a proportion, which is accurate for few trials too.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927); recommended by Brown, Cai and DasGupta, "Interval estimation for a binomial
    proportion", Statistical Science 16 (2001), section 4.

    Args:
      successes, trials: ints, 0 <= successes <= trials, trials at least 1.

    Returns:
      (low, high), floats in [0, 1].
    """
    interval = scipy.stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def top_k_accuracy(predictions):
    """How often the label is among the k most probable classes: str(k) -> float in [0, 1].

    Of equally probable classes the first ranks higher, as in `Predictions.predicted`, so top 1
    equals the accuracy.
    """
    ranking = np.argsort(-predictions.probabilities, axis=1, kind="stable")
    hits = ranking == predictions.labels[:, np.newaxis]
    classes = len(predictions.class_names)
    return {str(k): float(hits[:, :k].any(axis=1).mean()) for k in TOP_K if k == 1 or k < classes}


def class_scores(predictions):
    """Precision, recall and F1 of each class.

    Returns:
      A dict: class name -> {"precision", "recall", "f1": floats in [0, 1], "count": the number of
      images with this label}. A score whose denominator is 0 is None: the precision of a class
      that was never predicted, the recall of a class without images, F1 if both hold.
    """
    counts = confusion_matrix(predictions)
    scores = {}
    for name, correct, labeled, predicted in zip(
        predictions.class_names,
        counts.diagonal().tolist(),
        counts.sum(axis=1).tolist(),
        counts.sum(axis=0).tolist(),
    ):
        scores[name] = {
            "precision": correct / predicted if predicted else None,
            "recall": correct / labeled if labeled else None,
            "f1": 2 * correct / (labeled + predicted) if labeled + predicted else None,
            "count": labeled,
        }
    return scores


def balanced_accuracy(scores):
    """The mean recall of the classes that have images, a float in [0, 1].

    Source: Brodersen et al., "The balanced accuracy and its posterior distribution", ICPR 2010.

    Args:
      scores: the result of `class_scores`.
    """
    recalls = [score["recall"] for score in scores.values() if score["recall"] is not None]
    return sum(recalls) / len(recalls)


def macro_f1(scores):
    """The mean F1 of the classes that have images or were predicted, a float in [0, 1].

    Args:
      scores: the result of `class_scores`.
    """
    f1 = [score["f1"] for score in scores.values() if score["f1"] is not None]
    return sum(f1) / len(f1)


def confusion_matrix(predictions):
    """Counts the images by label (rows) and predicted class (columns): int64 [classes, classes]."""
    classes = len(predictions.class_names)
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (predictions.labels, predictions.predicted), 1)
    return counts


@dataclass(frozen=True, eq=False)
class CalibrationBins:
    """Images grouped by confidence; bin i holds the confidences in (edges[i], edges[i + 1]].

    Attributes:
      edges: float64 [bins + 1], from 0 to 1.
      counts: int64 [bins], the images in each bin.
      correct: int64 [bins], those that were predicted correctly.
      confidence: float64 [bins], mean confidence; NaN for an empty bin.
      accuracy: float64 [bins], correct / counts; NaN for an empty bin.
    """

    edges: np.ndarray
    counts: np.ndarray
    correct: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def calibration_bins(predictions, bins=CALIBRATION_BINS):
    """Groups the images by confidence into `bins` bins of equal width.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 2.

    Returns:
      A `CalibrationBins`.
    """
    edges = np.linspace(0, 1, bins + 1)
    confidence = predictions.confidence.astype(np.float64)
    # A probability that rounding lifts slightly above 1 belongs to the last bin.
    bin_of = np.minimum(np.searchsorted(edges[1:], confidence, side="left"), bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    correct = np.bincount(bin_of[predictions.correct], minlength=bins)
    nan_if_empty = np.where(counts > 0, counts, np.nan)
    sums = np.bincount(bin_of, weights=confidence, minlength=bins)
    return CalibrationBins(edges, counts, correct, sums / nan_if_empty, correct / nan_if_empty)


def expected_calibration_error(predictions, bins=CALIBRATION_BINS):
    """The mean of |accuracy - confidence| over the bins, weighted by their number of images.

    Source: Guo et al. (2017), equation 3.

    Returns:
      A float in [0, 1]; 0 for a perfectly calibrated network.
    """
    groups = calibration_bins(predictions, bins)
    gaps = np.abs(groups.accuracy - groups.confidence)
    return float(np.nansum(gaps * groups.counts) / groups.counts.sum())


def write_json(path, metrics):
    """Writes metrics as JSON, with each list of numbers on one line.

    Args:
      path: the file to write, replaced atomically.
      metrics: a dict as from `compute_metrics`; a script may add entries.

    Raises:
      ValueError: a number is not finite, which JSON cannot represent.
      BadInput: the file cannot be written.
    """
    text = json.dumps(metrics, indent=2, ensure_ascii=False, allow_nan=False)
    # Strings in JSON contain no line feed, so this matches lists of numbers only.
    text = re.sub(r'\[\n([^\[\]{}"]*)\]', lambda match: f"[{' '.join(match[1].split())}]", text)
    with atomic_write(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
