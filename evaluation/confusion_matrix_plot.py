"""Drawing of a confusion matrix with labels and numbers that fit the size of its cells."""

import math

import numpy as np

from evaluation.metrics import confusion_matrix
from evaluation.plot_style import (
    BLACK,
    LIGHT_GRAY,
    PERCENT_TICKS,
    POINTS_PER_INCH,
    SHARE_COLORMAP,
    TEXT_SIZE,
    WHITE,
    fit,
    new_figure,
    percent,
    text_width,
)

MAX_NAME_WIDTH = 1.7  # inches
MIN_TEXT_SIZE = 5.5  # points; numbers that would have to be smaller are left out


def confusion_matrix_figure(predictions, subtitle):
    """The figure of `plots.plot_confusion_matrix`; call it within `plot_style.style()`."""
    counts = confusion_matrix(predictions)
    totals = counts.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, np.newaxis]
    side = min(max(2.5 + 0.3 * len(counts), 3.4), 13)  # inches
    cell = side / len(counts) * POINTS_PER_INCH

    # Tick labels: the name of every class, or of every k-th class if they would overlap.
    size = min(TEXT_SIZE, max(0.8 * cell, MIN_TEXT_SIZE))
    step = math.ceil(1.2 * size / cell)
    labels = range(0, len(counts), step)
    names = [predictions.class_names[label] for label in labels]
    columns = [fit(name, MAX_NAME_WIDTH, size) for name in names]
    numbers = [f" ({totals[label]:,})" for label in labels]
    rows = [
        fit(name, MAX_NAME_WIDTH - text_width(number, size), size) + number
        for name, number in zip(names, numbers)
    ]
    column_width = max(text_width(name, size) for name in columns)
    is_horizontal = column_width < 0.9 * step * cell / POINTS_PER_INCH
    left = max(text_width(row, size) for row in rows)
    below = size / POINTS_PER_INCH if is_horizontal else column_width

    body = new_figure(side + left + 1.5, side + below + 1.1, "Confusion matrix", subtitle)
    axes = body.subplots()
    mesh = axes.pcolormesh(
        np.ma.masked_equal(shares, 0),
        cmap=SHARE_COLORMAP,
        vmin=0,
        vmax=1,
        edgecolors=LIGHT_GRAY,
        linewidth=0.4 if cell > MIN_TEXT_SIZE else 0,
    )
    axes.set(aspect="equal", xlabel="predicted class", ylabel="true class (images)")
    axes.invert_yaxis()
    axes.grid(False)
    axes.spines[:].set_visible(False)
    centers = [label + 0.5 for label in labels]
    font = {"size": size, "color": BLACK}
    axes.set_xticks(centers, columns, rotation=0 if is_horizontal else 90, **font)
    axes.set_yticks(centers, rows, **font)
    _write_numbers(axes, counts, shares, cell)
    colorbar = body.colorbar(  # of the same width whatever the side
        mesh, ax=axes, shrink=0.5, aspect=0.5 * side / 0.12, pad=0.1 / side, format=PERCENT_TICKS
    )
    colorbar.set_label("share of the true class")
    colorbar.outline.set_visible(False)
    return body.figure


def _write_numbers(axes, counts, shares, cell):
    """Writes the count and the share, or the count alone, into each cell that is `cell` points."""
    available = 0.85 * cell
    count_width = text_width(f"{counts.max():,}", size=1) * POINTS_PER_INCH
    share_width = text_width("100 %", size=1) * POINTS_PER_INCH
    size = min(TEXT_SIZE, available / max(count_width, share_width), available / 2.5)
    with_share = size >= MIN_TEXT_SIZE
    if not with_share:
        size = min(TEXT_SIZE, available / count_width, available / 1.25)
    if size < MIN_TEXT_SIZE:
        return
    for row, column in np.argwhere(counts):
        count, share = counts[row, column], shares[row, column]
        axes.text(
            column + 0.5,
            row + 0.5,
            f"{count:,}\n{percent(share)}" if with_share else f"{count:,}",
            ha="center",
            va="center",
            size=size,
            color=WHITE if share > 0.5 else BLACK,
            clip_on=True,  # so that the layout need not measure each number
        )
