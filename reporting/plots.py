"""The plots of a run: photos with predictions, mistakes, confusions, calibration, scores, curves.

Each `plot_` function takes data and a path, writes a PNG there (an older one is replaced only when
the new one is whole) and returns the path. Photos are shown by index, so that a caller keeps only
those in memory that `choose_examples` and `surest_mistakes` ask for.
"""

import math

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bad_input import BadInput
from reporting.framed_photos import NARROWEST_GRID, caption, framed_photos
from reporting.metrics import (
    calibration_bins,
    class_scores,
    confusion_matrix,
    expected_calibration_error,
    wilson_interval,
)
from reporting.style import (
    BLUE,
    GREY,
    INK,
    LINE,
    PAPER,
    POINTS_PER_INCH,
    SHARES,
    TEXT_SIZE,
    VERMILLION,
    counted,
    fit,
    new_figure,
    percent,
    save,
    style,
    text_width,
)

PERCENT_TICKS = FuncFormatter(lambda share, _: percent(share))
COUNT_TICKS = FuncFormatter(lambda count, _: f"{count:,.0f}")

# In inches
WIDEST_NAME = 1.7  # beside an axis

FEW_POINTS = 30  # of a curve: so few are marked one by one
SMALLEST_TEXT = 5.5  # points; numbers that would have to be smaller are left out
MOST_CLASSES_SCORED = 120


def choose_examples(predictions, n, seed=0):
    """Chooses photos to show: of each class as many as of any other, as far as there are any.

    Args:
      predictions: a `Predictions`.
      n: how many to choose.
      seed: the same seed chooses the same photos.

    Returns:
      int64 [min(n, photos)], different indices into `predictions`; any first k of them are as
      evenly spread over the classes as k allows.
    """
    order = np.random.default_rng(seed).permutation(len(predictions.labels))
    labels = predictions.labels[order]
    turn = np.empty_like(labels)  # 0 for the first photo of its class in this order, then 1, ...
    for label in np.unique(labels):
        members = labels == label
        turn[members] = np.arange(members.sum())
    return order[np.argsort(turn, kind="stable")][:n]


def surest_mistakes(predictions, n):
    """Finds the wrong predictions of the highest confidence.

    Returns:
      int64 [min(n, mistakes)], indices into `predictions`, the surest first.
    """
    wrong = np.flatnonzero(~predictions.correct)
    return wrong[np.argsort(-predictions.confidence[wrong], kind="stable")][:n]


def least_sure(predictions, n):
    """Finds the predictions of the lowest confidence, right or wrong.

    Returns:
      int64 [min(n, photos)], indices into `predictions`, the least sure first.
    """
    return np.argsort(predictions.confidence, kind="stable")[:n]


def plot_predictions(predictions, indices, photos, path):
    """Shows photos with what was predicted, how surely, and what is true.

    Args:
      predictions: a `Predictions`.
      indices: int [shown], the photos to show, for example of `choose_examples`.
      photos: uint8 [shown, h, w, 3], or a sequence of photos whose sizes differ.
      path: the PNG to write.

    Returns:
      The path.

    Raises:
      BadInput: the file cannot be written.
    """
    subtitle = f"{_right_of_all(predictions)}, {len(indices):,} shown"
    with style():
        return save(_photo_grid(predictions, indices, photos, "Predictions", subtitle), path)


def plot_mistakes(predictions, indices, photos, path):
    """Shows wrong predictions, or says that there are none; arguments as `plot_predictions`.

    The indices are those of `surest_mistakes`, and the photos stand in their order.
    """
    title, mistakes = "The surest mistakes", int((~predictions.correct).sum())
    subtitle = f"{counted(mistakes, 'mistake')} on {counted(len(predictions.labels), 'photo')}"
    with style():
        if mistakes == 0:
            body = new_figure(NARROWEST_GRID, 2.0, title, subtitle)
            return save(_say(body, "Every photo is predicted right."), path)
        subtitle += f", {len(indices):,} shown, the surest first"
        return save(_photo_grid(predictions, indices, photos, title, subtitle), path)


def plot_confusion_matrix(predictions, path):
    """Shows how many photos of each class were taken for which; colour is the row's share.

    Cells hold the count and the row's share, the count alone, or nothing, as their size allows;
    a cell without photos is white. Where there are too many classes to name, every k-th is named.

    Args:
      predictions: a `Predictions`.
      path: the PNG to write.

    Returns:
      The path.

    Raises:
      BadInput: the file cannot be written.
    """
    counts = confusion_matrix(predictions)
    totals = counts.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, np.newaxis]
    side = min(max(2.5 + 0.3 * len(counts), 3.4), 13)
    cell = side / len(counts) * POINTS_PER_INCH
    with style():
        ticks = _matrix_ticks(predictions.class_names, totals, cell)
        body = new_figure(
            side + ticks["left"] + 1.5,
            side + ticks["below"] + 1.1,
            "Confusion matrix",
            _right_of_all(predictions),
        )
        axes = body.subplots()
        look = {"edgecolors": LINE, "linewidth": 0.4 if cell > SMALLEST_TEXT else 0}
        coloured = np.ma.masked_equal(shares, 0)
        mesh = axes.pcolormesh(coloured, cmap=SHARES, vmin=0, vmax=1, **look)
        _label_matrix(axes, ticks)
        _number_cells(axes, counts, shares, cell)
        _explain_colours(body, mesh, axes, side)
        return save(body.figure, path)


def plot_calibration(predictions, path):
    """Shows whether the network is right as often as it is sure: a reliability diagram.

    Each point is a bin of confidence, at its mean confidence and accuracy, with the 95 % interval
    of the accuracy; below stands the number of photos in each bin.

    Args, returns and raises as `plot_confusion_matrix`.
    """
    bins = calibration_bins(predictions)
    with style():
        body = new_figure(
            5.2,
            5.8,
            "Calibration",
            f"Expected calibration error {percent(expected_calibration_error(predictions), 1)}; "
            f"mean confidence {percent(predictions.confidence.mean(), 1)}, "
            f"accuracy {percent(predictions.correct.mean(), 1)}",
        )
        upper, lower = body.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        _draw_reliability(upper, bins)
        _draw_counts(lower, bins)
        return save(body.figure, path)


def plot_per_class(predictions, path):
    """Shows precision, recall and F1 of each class, the best F1 first.

    A score that has nothing to divide by is left out. Of more than 120 classes the worst are shown.

    Args, returns and raises as `plot_confusion_matrix`.
    """
    scores = class_scores(predictions)
    defined = {name: score["f1"] for name, score in scores.items() if score["f1"] is not None}
    ranked = sorted(scores, key=lambda name: defined.get(name, -1))
    shown = ranked[:MOST_CLASSES_SCORED]
    cut = "" if len(shown) == len(ranked) else f"; the {len(shown)} with the lowest F1"
    with style():
        body = new_figure(
            6.4,
            1.5 + 0.15 * len(shown) + 0.1 * min(len(shown), 10),
            "Scores per class",
            f"{len(ranked):,} classes, {counted(len(predictions.labels), 'photo')}, "
            f"mean F1 {percent(np.mean(list(defined.values())), 1)}{cut}",
        )
        axes = body.subplots()
        _draw_scores(axes, [scores[name] for name in shown])
        rows = range(len(shown))
        axes.set_yticks(rows, [fit(name, WIDEST_NAME) for name in shown], color=INK)
        axes.set_title("photos", loc="right", color=GREY, size=TEXT_SIZE - 1)
        photos = axes.secondary_yaxis("right")
        photos.set_yticks(rows, [f"{scores[name]['count']:,}" for name in shown])
        photos.spines["right"].set_visible(False)
        for side in (axes, photos):
            side.tick_params(axis="y", pad=9)  # so that a marker at 0 or 100 % has room
        return save(body.figure, path)


def plot_learning_curves(rows, path):
    """Shows accuracy and loss in training and on the validation split over the steps.

    Args:
      rows: mappings with `step`, `split` ("train" or "validation"), `loss` and `accuracy`, as
        numbers or as the text that `csv.DictReader` reads from a metrics.csv. Of two rows with the
        same step and split the later counts; an empty or infinite value is left out.
      path: the PNG to write.

    Returns:
      The path.

    Raises:
      BadInput: a row lacks one of these or holds something else, or the file cannot be written.
    """
    curves = _curves(rows)
    with style():
        body = new_figure(8.8, 3.8, "Learning curves", _best_validation(curves))
        if curves:
            for axes, quantity in zip(body.subplots(1, 2), ("accuracy", "loss")):
                _draw_curves(axes, curves, quantity)
        else:
            _say(body, "No step was measured.")
        return save(body.figure, path)


def _right_of_all(predictions):
    right, photos = int(predictions.correct.sum()), len(predictions.labels)
    return f"{right:,} of {counted(photos, 'photo')} right ({percent(right / photos, 1)})"


def _say(body, message):
    """Puts one sentence where a plot would stand; returns the figure."""
    axes = body.subplots()
    axes.set_axis_off()
    axes.text(0.5, 0.5, message, ha="center", va="center", size=TEXT_SIZE + 1)
    return body.figure


def _photo_grid(predictions, indices, photos, title, subtitle):
    """Makes the figure of `plot_predictions` and `plot_mistakes`."""
    figure, frames, width = framed_photos(photos, title, subtitle)
    for axes, index in zip(frames, indices):
        _mark_photo(axes, right=predictions.correct[index])
        _caption_photo(axes, predictions, index, width)
    return figure


def _mark_photo(axes, right):
    """Marks a photo by colour and by sign."""
    colour = BLUE if right else VERMILLION
    axes.spines[:].set(color=colour, linewidth=2)
    axes.annotate(
        "✓" if right else "✗",
        (1, 0),
        xycoords="axes fraction",
        xytext=(-9, 9),
        textcoords="offset points",
        ha="center",
        va="center",
        color=PAPER,
        weight="bold",
        bbox={"boxstyle": "circle" if right else "square", "facecolor": colour, "edgecolor": PAPER},
    )


def _caption_photo(axes, predictions, index, width):
    """Writes prediction and truth above a photo `width` inches wide, and how probable each was."""
    names, probabilities = predictions.class_names, predictions.probabilities[index]
    predicted, label = predictions.predicted[index], predictions.labels[index]
    right = predicted == label
    headline = (names[predicted], percent(probabilities[predicted]))
    truth = (f"truth: {names[label]}", "" if right else percent(probabilities[label]))
    caption(axes, width, headline, truth, BLUE if right else VERMILLION)


def _matrix_ticks(names, totals, cell):
    """Decides how the rows and columns of a matrix with cells of `cell` points are named.

    Returns:
      A dict: `size` of the text in points, named `labels`, their `rows` and `columns` as text, the
      `rotation` of the columns, and the room in inches that these take `left` and `below`.
    """
    size = min(TEXT_SIZE, max(0.8 * cell, SMALLEST_TEXT))
    step = math.ceil(1.2 * size / cell)
    labels = range(0, len(names), step)
    columns = [fit(names[label], WIDEST_NAME, size) for label in labels]
    rows = []
    for label in labels:
        count = f" ({totals[label]:,})"
        rows.append(fit(names[label], WIDEST_NAME - text_width(count, size), size) + count)
    widest = max(text_width(name, size) for name in columns)
    lies = widest < 0.9 * step * cell / POINTS_PER_INCH
    return {
        "size": size,
        "labels": labels,
        "rows": rows,
        "columns": columns,
        "rotation": 0 if lies else 90,
        "left": max(text_width(row, size) for row in rows),
        "below": size / POINTS_PER_INCH if lies else widest,
    }


def _label_matrix(axes, ticks):
    """Names the rows and columns of a matrix as `_matrix_ticks` decided."""
    axes.set(aspect="equal", xlabel="prediction", ylabel="truth (photos)")
    axes.invert_yaxis()
    axes.grid(False)
    axes.spines[:].set_visible(False)
    centres = [label + 0.5 for label in ticks["labels"]]
    look = {"size": ticks["size"], "color": INK}
    axes.set_xticks(centres, ticks["columns"], rotation=ticks["rotation"], **look)
    axes.set_yticks(centres, ticks["rows"], **look)


def _number_cells(axes, counts, shares, cell):
    """Writes into each cell that is not empty what its side of `cell` points has room for."""
    room = 0.85 * cell
    widest = text_width(f"{counts.max():,}", size=1) * POINTS_PER_INCH
    widest_share = text_width("100 %", size=1) * POINTS_PER_INCH
    with_share = min(TEXT_SIZE, room / max(widest, widest_share), room / 2.5)
    alone = min(TEXT_SIZE, room / widest, room / 1.25)
    if alone < SMALLEST_TEXT:
        return
    for row, column in np.argwhere(counts):
        share = shares[row, column]
        text = f"{counts[row, column]:,}"
        if with_share >= SMALLEST_TEXT:
            text += f"\n{percent(share)}"
        axes.text(
            column + 0.5,
            row + 0.5,
            text,
            ha="center",
            va="center",
            size=with_share if with_share >= SMALLEST_TEXT else alone,
            color=PAPER if share > 0.5 else INK,
            clip_on=True,  # spares the layout a look at each number
        )


def _explain_colours(body, mesh, axes, side):
    """Adds a colour bar of the same width beside a matrix of any `side`, in inches."""
    bar = body.colorbar(
        mesh, ax=axes, shrink=0.5, aspect=0.5 * side / 0.12, pad=0.1 / side, format=PERCENT_TICKS
    )
    bar.set_label("share of the true class")
    bar.outline.set_visible(False)


def _draw_reliability(axes, bins):
    """Draws accuracy over confidence beside the diagonal on which the two are equal."""
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    axes.text(0.03, 0.97, "too modest", color=GREY, ha="left", va="center")
    axes.text(0.97, 0.03, "too sure", color=GREY, ha="right", va="center")
    filled = np.flatnonzero(bins.counts)
    confidence, accuracy = bins.confidence[filled], bins.accuracy[filled]
    low, high = zip(*(wilson_interval(bins.correct[i], bins.counts[i]) for i in filled))
    axes.vlines(confidence, low, high, color=BLUE, alpha=0.45, linewidth=2, clip_on=False)
    axes.plot(
        confidence, accuracy, "o-", color=BLUE, markersize=5, linewidth=1, clip_on=False, zorder=3
    )
    axes.set(xlim=(0, 1), ylim=(-0.02, 1.02), ylabel="accuracy")
    axes.yaxis.set_major_formatter(PERCENT_TICKS)


def _draw_counts(axes, bins):
    """Draws the photos in each bin of confidence as bars with their numbers."""
    bars = axes.bar(
        bins.edges[:-1],
        bins.counts,
        width=np.diff(bins.edges),
        align="edge",
        color=BLUE,
        edgecolor=PAPER,
    )
    numbers = [f"{count:,}" if count else "" for count in bins.counts]
    axes.bar_label(bars, numbers, size=TEXT_SIZE - 3, color=GREY, padding=1)
    axes.margins(y=0.18)
    axes.set(xlabel="confidence", ylabel="photos")
    axes.xaxis.set_major_formatter(PERCENT_TICKS)
    axes.yaxis.set_major_formatter(COUNT_TICKS)
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))


def _draw_scores(axes, scores):
    """Draws a row a class: F1 as a stroke between the triangles of precision and recall."""
    rows = np.arange(len(scores))
    precision, recall, f1 = (
        np.array([score[name] for score in scores], dtype=float)  # None becomes NaN: not drawn
        for name in ("precision", "recall", "f1")
    )
    axes.hlines(rows, precision, recall, color=GREY, linewidth=1)
    look = {"linestyle": "none", "clip_on": False}
    axes.plot(precision, rows, marker="<", color=BLUE, label="precision", **look)
    axes.plot(recall, rows, marker=">", color=VERMILLION, label="recall", **look)
    look |= {"markersize": 9, "markeredgewidth": 1.5}
    axes.plot(f1, rows, marker="|", color=INK, label="F1", **look)
    axes.set(xlim=(0, 1), ylim=(-0.7, len(scores) - 0.3))
    axes.xaxis.set_major_formatter(PERCENT_TICKS)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderpad=0)


def _curves(rows):
    """Sorts the rows of a metrics.csv.

    Returns:
      A dict: split -> {"step", "accuracy", "loss"} -> float64 [points], for each split with points;
      what is not finite is NaN.
    """
    points = {"train": {}, "validation": {}}
    for number, row in enumerate(rows, start=1):
        try:
            step = int(row["step"])
            accuracy, loss = (
                float("nan" if row[column] == "" else row[column])
                for column in ("accuracy", "loss")
            )
            points[row["split"]][step] = (step, accuracy, loss)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(
                f"row {number} of the metrics: expected a step, a split (train or validation), a "
                f"loss and an accuracy, got {dict(row)}; train_flowers.py writes such rows"
            ) from error
    curves = {}
    for split, by_step in points.items():
        if by_step:
            table = np.array([by_step[step] for step in sorted(by_step)])
            table[~np.isfinite(table)] = np.nan
            curves[split] = dict(zip(("step", "accuracy", "loss"), table.T))
    return curves


def _best_validation(curves):
    curve = curves.get("validation")
    if curve is None or np.isnan(curve["accuracy"]).all():
        return "No validation yet"
    best = np.nanargmax(curve["accuracy"])
    accuracy, step = curve["accuracy"][best], int(curve["step"][best])
    return f"Best validation accuracy {percent(accuracy, 1)} at step {step:,}"


def _draw_curves(axes, curves, quantity):
    """Draws the training curve, faint and smoothed, and the validation curve over it."""
    if "train" in curves:
        step, values = curves["train"]["step"], curves["train"][quantity]
        look = {"color": BLUE, "marker": "o" if len(step) < FEW_POINTS else "", "markersize": 3}
        axes.plot(step, values, alpha=0.25, linewidth=0.8, **look)
        axes.plot(step, _smoothed(values), label="training", **look)
    if "validation" in curves:
        step, values = curves["validation"]["step"], curves["validation"][quantity]
        axes.plot(step, values, "o-", color=VERMILLION, label="validation", markersize=4)
    axes.update_datalim([(0, 0)])
    axes.set(title=quantity, xlabel="step")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter(COUNT_TICKS)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if quantity == "accuracy":
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(PERCENT_TICKS)
    else:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderpad=0)


def _smoothed(values):
    """The running mean over a thirtieth of the curve, centred; NaN values do not count."""
    window = np.ones(2 * (len(values) // 60) + 1)
    known = np.isfinite(values)
    sums = np.convolve(np.where(known, values, 0), window, "same")
    counts = np.convolve(known, window, "same")
    return np.divide(sums, counts, out=np.full(len(values), np.nan), where=counts > 0)
