"""The plot of benchmarks.recipes: accuracy over the time since the start of the process."""

import numpy as np

from evaluation.plot_style import (
    BLUE,
    PERCENT_TICKS,
    VERMILION,
    message_figure,
    new_figure,
    percent,
    save,
    style,
)

GREEN, ORANGE = "#009E73", "#E69F00"  # of the palette of BLUE and VERMILION
# Variant -> color and line style; the others are not drawn.
LINES = {
    "tutorial": (VERMILION, "-"),
    "quick": (ORANGE, "-"),
    "best": (BLUE, "-"),
    "keras_1e-4": (GREEN, "-"),
    "keras_1e-5": (GREEN, "--"),
}


def plot_accuracy_over_time(results, file):
    """Draws the validation accuracy over minutes, the median of the seeds and each seed.

    Args:
      results: variant -> list of results as `benchmarks.recipes.run` returns them.
      file: the PNG to write.

    Returns:
      Its path.
    """
    curves = {
        name: [np.array(result["validations"]) for result in results[name] if result["validations"]]
        for name in LINES
        if name in results
    }
    with style():
        return save(_figure({name: runs for name, runs in curves.items() if runs}), file)


def median_curve(runs):
    """Returns the medians of seconds and accuracies over the runs, as far as all of them go.

    Args:
      runs: float [validations, 3] arrays: seconds, step, accuracy.

    Returns:
      (seconds, accuracies), float [shortest run].
    """
    shortest = min(map(len, runs))
    medians = np.median([run[:shortest] for run in runs], axis=0)
    return medians[:, 0], medians[:, 2]


def _figure(curves):
    size, title = (7.2, 4.2), "Validation accuracy over time"
    if not curves:
        message = f"None of {', '.join(LINES)} was run."
        return message_figure(*size, title, "No curves", message)
    body = new_figure(*size, title, _describe(curves))
    axes = body.subplots()
    for name, runs in curves.items():
        color, line = LINES[name]
        for run in runs if len(runs) > 1 else ():
            _draw(axes, run[:, 0], run[:, 2], color, line, alpha=0.3, linewidth=0.8, markersize=2)
        seconds, accuracies = median_curve(runs)
        label = f"{name}  {percent(accuracies[-1], 1)}"
        _draw(axes, seconds, accuracies, color, line, label=label, linewidth=1.6, markersize=4)
    axes.set(xlabel="minutes since the process started", ylabel="accuracy")
    axes.set_xlim(left=0)
    axes.yaxis.set_major_formatter(PERCENT_TICKS)
    axes.legend(loc="lower right", title="last validation", handlelength=2.6)
    return body.figure


def _describe(curves):
    """Returns the subtitle: the curve that ends highest."""
    ends = {name: [values[-1] for values in median_curve(runs)] for name, runs in curves.items()}
    name, (seconds, accuracy) = max(ends.items(), key=lambda item: item[1][1])
    number = max(map(len, curves.values()))
    seeds = "one seed" if number == 1 else f"medians of {number} seeds, which are drawn faint"
    return f"{name} ends at {percent(accuracy, 1)} after {seconds / 60:.1f} minutes; {seeds}"


def _draw(axes, seconds, accuracies, color, line, **options):
    axes.plot(seconds / 60, accuracies, line, marker="o", color=color, **options)
