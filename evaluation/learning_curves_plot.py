"""Drawing of accuracy and loss over the steps of a training."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from evaluation.plot_style import (
    BLUE,
    COUNT_TICKS,
    PERCENT_TICKS,
    VERMILION,
    message_figure,
    new_figure,
    percent,
)
from system.errors import BadInput

FEW_POINTS = 30  # a curve with fewer has markers


def learning_curves_figure(rows):
    """The figure of `plots.plot_learning_curves`; call it within `plot_style.style()`."""
    curves = _curves(rows)
    size, title, subtitle = (8.8, 3.8), "Learning curves", _best_validation(curves)
    if not curves:
        return message_figure(*size, title, subtitle, "No metrics have been logged yet.")
    body = new_figure(*size, title, subtitle)
    for axes, metric in zip(body.subplots(1, 2), ("accuracy", "loss")):
        _draw_curves(axes, curves, metric)
    return body.figure


def _curves(rows):
    """Converts the rows of a metrics.csv to arrays.

    Returns:
      A dict: split -> {"step", "accuracy", "loss"} -> float64 [points], for each split with rows;
      values that are not finite are NaN.
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
                f"metrics.csv: row {number}: expected a step, a split (train or validation), a "
                f"loss and an accuracy, got {dict(row)}; train_flowers.py writes this file"
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


def _draw_curves(axes, curves, metric):
    """Draws the training curve, raw (faint) and smoothed, and the validation curve."""
    if "train" in curves:
        step, values = curves["train"]["step"], curves["train"][metric]
        line = {"color": BLUE, "marker": "o" if len(step) < FEW_POINTS else "", "markersize": 3}
        axes.plot(step, values, alpha=0.25, linewidth=0.8, **line)
        axes.plot(step, _smoothed(values), label="training", **line)
    if "validation" in curves:
        step, values = curves["validation"]["step"], curves["validation"][metric]
        axes.plot(step, values, "o-", color=VERMILION, label="validation", markersize=4)
    axes.update_datalim([(0, 0)])
    axes.set(title=metric, xlabel="step")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter(COUNT_TICKS)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if metric == "accuracy":
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(PERCENT_TICKS)
    else:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderpad=0)


def _smoothed(values):
    """The centered moving average over a thirtieth of the curve, ignoring NaN."""
    window = np.ones(2 * (len(values) // 60) + 1)
    known = np.isfinite(values)
    sums = np.convolve(np.where(known, values, 0), window, "same")
    counts = np.convolve(known, window, "same")
    return np.divide(sums, counts, out=np.full(len(values), np.nan), where=counts > 0)
