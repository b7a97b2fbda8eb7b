"""The plots of an evaluation: example images, mistakes, confusion matrix, calibration, curves.

Each `plot_` function writes a PNG to `path`, replaced atomically, and returns the path. Images are
passed for chosen indices only, so that a caller need not hold a whole split in memory.
"""

import numpy as np
from matplotlib.ticker import MaxNLocator

from evaluation.confusion_matrix_plot import MAX_NAME_WIDTH, confusion_matrix_figure
from evaluation.framed_images import MIN_GRID_WIDTH, caption, framed_images
from evaluation.learning_curves_plot import learning_curves_figure
from evaluation.metrics import (
    calibration_bins,
    class_scores,
    expected_calibration_error,
    wilson_interval,
)
from evaluation.plot_style import (
    BLACK,
    BLUE,
    COUNT_TICKS,
    GRAY,
    PERCENT_TICKS,
    TEXT_SIZE,
    VERMILION,
    WHITE,
    counted,
    fit,
    message_figure,
    new_figure,
    percent,
    save,
    style,
)

MAX_CLASSES_SCORED = 120


def choose_examples(predictions, n):
    """Chooses images to show, always the same for the same predictions.

    Returns:
      int64 [min(n, images)], distinct indices into `predictions`. Any prefix is spread over the
      classes as evenly as their sizes allow.
    """
    order = np.random.default_rng(0).permutation(len(predictions.labels))
    labels = predictions.labels[order]
    rank = np.empty_like(labels)  # within the class: 0 for its first image in this order, ...
    for label in np.unique(labels):
        members = labels == label
        rank[members] = np.arange(members.sum())
    return order[np.argsort(rank, kind="stable")][:n]


def most_confident_mistakes(predictions, n):
    """Returns int64 [min(n, mistakes)]: indices of the mistakes with the highest confidence.

    In descending order of confidence.
    """
    wrong = np.flatnonzero(~predictions.correct)
    return wrong[np.argsort(-predictions.confidence[wrong], kind="stable")][:n]


def least_confident(predictions, n):
    """Returns int64 [min(n, images)]: indices of the predictions with the lowest confidence.

    Correct or wrong, in ascending order of confidence.
    """
    return np.argsort(predictions.confidence, kind="stable")[:n]


def plot_predictions(predictions, indices, images, path):
    """Shows images with prediction, label, and the probabilities of both.

    Args:
      predictions: a `Predictions`.
      indices: int [shown], the images to show, for example of `choose_examples`.
      images: uint8 [shown, h, w, 3], or a sequence of images whose sizes differ.
      path: the PNG to write.

    Returns:
      The path.

    Raises:
      BadInput: the file cannot be written.
    """
    subtitle = f"{_correct_of_all(predictions)}, {len(indices):,} shown"
    with style():
        return save(_labeled_images(predictions, indices, images, "Predictions", subtitle), path)


def plot_mistakes(predictions, indices, images, path):
    """Shows wrong predictions, or states that there are none.

    The indices are those of `most_confident_mistakes`; otherwise as `plot_predictions`.
    """
    mistakes, num_images = int((~predictions.correct).sum()), len(predictions.labels)
    title = "Most confident mistakes"
    subtitle = f"{counted(mistakes, 'mistake')} on {counted(num_images, 'image')}"
    with style():
        if mistakes:
            subtitle += f", {len(indices):,} shown, most confident first"
            figure = _labeled_images(predictions, indices, images, title, subtitle)
        else:
            message = "All images are predicted correctly."
            figure = message_figure(MIN_GRID_WIDTH, 2.0, title, subtitle, message)
        return save(figure, path)


def plot_confusion_matrix(predictions, path):
    """Shows how often each class was predicted for each true class; color is the row's share.

    Cells contain the count and the share, the count alone, or nothing, depending on their size;
    cells with count 0 are white. With many classes only every k-th is named.

    Args:
      predictions: a `Predictions`.
      path: the PNG to write.

    Returns:
      The path.

    Raises:
      BadInput: the file cannot be written.
    """
    with style():
        return save(confusion_matrix_figure(predictions, _correct_of_all(predictions)), path)


def plot_calibration(predictions, path):
    """Shows accuracy as a function of confidence: a reliability diagram.

    Each point is a bin, at its mean confidence and accuracy, with the 95 % interval of the
    accuracy. A histogram below shows the number of images in each bin.

    Args, returns and raises as `plot_confusion_matrix`.
    """
    bins = calibration_bins(predictions)
    subtitle = (
        f"Expected calibration error {percent(expected_calibration_error(predictions), 1)}; "
        f"mean confidence {percent(predictions.confidence.mean(), 1)}, "
        f"accuracy {percent(predictions.correct.mean(), 1)}"
    )
    with style():
        body = new_figure(5.2, 5.8, "Calibration", subtitle)
        upper, lower = body.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        _draw_reliability(upper, bins)
        _draw_histogram(lower, bins)
        return save(body.figure, path)


def plot_per_class(predictions, path):
    """Shows precision, recall and F1 of each class, in descending order of F1.

    Undefined scores are left out. Of more than 120 classes the lowest F1 are shown.

    Args, returns and raises as `plot_confusion_matrix`.
    """
    scores = class_scores(predictions)
    f1 = {name: score["f1"] for name, score in scores.items() if score["f1"] is not None}
    ranked = sorted(scores, key=lambda name: f1.get(name, -1))
    shown = ranked[:MAX_CLASSES_SCORED]
    subtitle = (
        f"{len(ranked):,} classes, {counted(len(predictions.labels), 'image')}, "
        f"mean F1 {percent(np.mean(list(f1.values())), 1)}"
    )
    if len(shown) < len(ranked):
        subtitle += f"; the {len(shown)} with the lowest F1"
    with style():
        height = 1.5 + 0.15 * len(shown) + 0.1 * min(len(shown), 10)
        body = new_figure(6.4, height, "Scores per class", subtitle)
        axes = body.subplots()
        _draw_scores(axes, [scores[name] for name in shown])
        rows = range(len(shown))
        axes.set_yticks(rows, [fit(name, MAX_NAME_WIDTH) for name in shown], color=BLACK)
        axes.set_title("images", loc="right", color=GRAY, size=TEXT_SIZE - 1)
        counts = axes.secondary_yaxis("right")
        counts.set_yticks(rows, [f"{scores[name]['count']:,}" for name in shown])
        counts.spines["right"].set_visible(False)
        for side in (axes, counts):
            side.tick_params(axis="y", pad=9)  # for markers at 0 and 100 %
        return save(body.figure, path)


def plot_learning_curves(rows, path):
    """Shows accuracy and loss of training and validation over the steps.

    Args:
      rows: dicts with `step`, `split` ("train" or "validation"), `loss` and `accuracy`, as numbers
        or as the strings of a metrics.csv. Of two rows with the same step and split the later one
        counts; an empty or infinite value is left out.
      path: the PNG to write.

    Returns:
      The path.

    Raises:
      BadInput: a row is invalid, or the file cannot be written.
    """
    with style():
        return save(learning_curves_figure(rows), path)


def _correct_of_all(predictions):
    correct = predictions.correct
    total, accuracy = counted(len(correct), "image"), percent(correct.mean(), 1)
    return f"{correct.sum():,} of {total} correct ({accuracy})"


def _labeled_images(predictions, indices, images, title, subtitle):
    """The figure of `plot_predictions` and `plot_mistakes`."""
    figure, frames, width = framed_images(images, title, subtitle)
    names = predictions.class_names
    for axes, index in zip(frames, indices):
        predicted, label = predictions.predicted[index], predictions.labels[index]
        probabilities, is_correct = predictions.probabilities[index], predictions.correct[index]
        color = BLUE if is_correct else VERMILION
        axes.spines[:].set(color=color, linewidth=2)
        _draw_badge(axes, is_correct, color)
        headline = (names[predicted], percent(probabilities[predicted]))
        line = (f"label: {names[label]}", "" if is_correct else percent(probabilities[label]))
        caption(axes, width, headline, line, color)
    return figure


def _draw_badge(axes, is_correct, color):
    """Draws a sign in the corner of an image, so that color is not the only cue."""
    box = {"boxstyle": "circle" if is_correct else "square", "facecolor": color, "edgecolor": WHITE}
    axes.annotate(
        "✓" if is_correct else "✗",
        (1, 0),
        xycoords="axes fraction",
        xytext=(-9, 9),
        textcoords="offset points",
        ha="center",
        va="center",
        color=WHITE,
        weight="bold",
        bbox=box,
    )


def _draw_reliability(axes, bins):
    axes.plot([0, 1], [0, 1], color=GRAY, linewidth=1, linestyle=(0, (4, 3)))
    axes.text(0.03, 0.97, "underconfident", color=GRAY, ha="left", va="center")
    axes.text(0.97, 0.03, "overconfident", color=GRAY, ha="right", va="center")
    filled = np.flatnonzero(bins.counts)
    confidence, accuracy = bins.confidence[filled], bins.accuracy[filled]
    low, high = zip(*(wilson_interval(bins.correct[i], bins.counts[i]) for i in filled))
    axes.vlines(confidence, low, high, color=BLUE, alpha=0.45, linewidth=2, clip_on=False)
    axes.plot(
        confidence, accuracy, "o-", color=BLUE, markersize=5, linewidth=1, clip_on=False, zorder=3
    )
    axes.set(xlim=(0, 1), ylim=(-0.02, 1.02), ylabel="accuracy")
    axes.yaxis.set_major_formatter(PERCENT_TICKS)


def _draw_histogram(axes, bins):
    width = np.diff(bins.edges)
    bars = axes.bar(bins.edges[:-1], bins.counts, width, align="edge", color=BLUE, edgecolor=WHITE)
    numbers = [f"{count:,}" if count else "" for count in bins.counts]
    axes.bar_label(bars, numbers, size=TEXT_SIZE - 3, color=GRAY, padding=1)
    axes.margins(y=0.18)
    axes.set(xlabel="confidence", ylabel="images")
    axes.xaxis.set_major_formatter(PERCENT_TICKS)
    axes.yaxis.set_major_formatter(COUNT_TICKS)
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))


def _draw_scores(axes, scores):
    """Draws one row per class: F1 as a tick between the triangles of precision and recall."""
    rows = np.arange(len(scores))
    precision, recall, f1 = (
        np.array([score[name] for score in scores], dtype=float)  # None becomes NaN: not drawn
        for name in ("precision", "recall", "f1")
    )
    axes.hlines(rows, precision, recall, color=GRAY, linewidth=1)
    marker = {"linestyle": "none", "clip_on": False}
    axes.plot(precision, rows, marker="<", color=BLUE, label="precision", **marker)
    axes.plot(recall, rows, marker=">", color=VERMILION, label="recall", **marker)
    marker |= {"markersize": 9, "markeredgewidth": 1.5}
    axes.plot(f1, rows, marker="|", color=BLACK, label="F1", **marker)
    axes.set(xlim=(0, 1), ylim=(-0.7, len(scores) - 0.3))
    axes.xaxis.set_major_formatter(PERCENT_TICKS)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderpad=0)
