"""Comparison of evaluated runs, with McNemar's test for the significance of a difference."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.stats

from evaluation.plot_style import counted, percent
from evaluation.predictions import read_csv
from system.errors import BadInput

MISSING = "-"

# Entries of metrics.json. Files of earlier versions lack some of the optional ones.
REQUIRED = ("checkpoint", "global_step", "split", "num_examples", "accuracy", "accuracy_interval")
OPTIONAL = ("network", "image_size", "parameters", "checkpoint_bytes", "images_per_second")

HEADINGS = ("run", "network", "step", "accuracy", "95 % interval", "gained", "lost", "p")
HEADINGS += ("parameters", "MB", "s/image")
TEXT_COLUMNS = 2  # left-aligned; the others are numbers


def compare_runs(log_dirs):
    """Compares the evaluations in the `eval` folders of two or more runs.

    Images are matched by filename. Each run is compared with the first by McNemar's exact test:
    under the null hypothesis, each of the images that only one of the two runs predicts correctly
    is equally likely to be the one's or the other's.

    Sources: Q. McNemar, "Note on the sampling error of the difference between correlated
    proportions or percentages", Psychometrika 12 (1947); T. G. Dietterich, "Approximate statistical
    tests for comparing supervised classification learning algorithms", Neural Computation 10
    (1998), section 3.1.

    Args:
      log_dirs: the folders of the runs; the first is the baseline.

    Returns:
      A list of one dict per run, which can be written as JSON: `run` (its folder); the entries
      `REQUIRED` and `OPTIONAL` of its metrics.json, the latter None if missing; and `mcnemar`, None
      for the first run, else the dict of `mcnemar`.

    Raises:
      BadInput: there are fewer than two runs, an evaluation is missing or broken, or the runs were
        evaluated on different images.
    """
    if len(log_dirs) < 2:
        raise BadInput(f"--compare: expected two or more runs, got {len(log_dirs)}")
    runs = [_read(str(log_dir)) for log_dir in log_dirs]
    first = runs[0]
    for run in runs[1:]:
        _check_same_images(first, run)
    return [
        {"run": run.log_dir}
        | {name: run.metrics[name] for name in REQUIRED}
        | {name: run.metrics.get(name) for name in OPTIONAL}
        | {"mcnemar": None if run is first else mcnemar(first.correct, run.correct)}
        for run in runs
    ]


def mcnemar(first, second):
    """McNemar's exact test of two classifiers on the same images; see `compare_runs`.

    Args:
      first, second: bool [n], whether each image is predicted correctly.

    Returns:
      A dict: `gained` and `lost`, the numbers of images that only the second or only the first
      predicts correctly; `p_value`, two-sided, 1 where both numbers are 0.
    """
    gained, lost = int((second & ~first).sum()), int((first & ~second).sum())
    discordant = gained + lost
    p_value = float(scipy.stats.binomtest(gained, discordant).pvalue) if discordant else 1.0
    return {"gained": gained, "lost": lost, "p_value": p_value}


def comparison_lines(compared):
    """Formats the result of `compare_runs` as lines of text: a sentence and a table."""
    first = compared[0]
    rows = [HEADINGS, *(_cells(run) for run in compared)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    table = []
    for row in rows:
        cells = [
            cell.ljust(width) if column < TEXT_COLUMNS else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ]
        table.append("  ".join(cells).rstrip())
    return [
        f"{counted(first['num_examples'], 'image')} of {first['split']}; gained, lost: images that "
        f"only this run or only {first['run']} predicts correctly; p: McNemar's test",
        *table,
    ]


@dataclass(frozen=True, eq=False)
class _Evaluation:
    """The files of an evaluation, images sorted by filename."""

    log_dir: str
    metrics: dict
    filenames: np.ndarray  # str [n]
    labels: np.ndarray  # str [n], class names: their order may differ between runs
    correct: np.ndarray  # bool [n]


def _read(log_dir):
    """Reads the evaluation of a run; errors contain the command that makes it."""
    folder = Path(log_dir, "eval")
    cure = f"give: python eval_flowers.py --log_dir {shlex.quote(log_dir)}"
    for path in (folder / "metrics.json", folder / "predictions.csv"):
        if not path.is_file():
            raise BadInput(f"{log_dir} is not evaluated ({path} is missing); {cure}")
    metrics = _read_metrics(folder / "metrics.json", cure)
    predictions = read_csv(folder / "predictions.csv")
    if metrics["accuracy"] != predictions.correct.mean():
        raise BadInput(
            f"{folder}: the accuracy is {metrics['accuracy']:.4f} in metrics.json, but "
            f"{predictions.correct.mean():.4f} in predictions.csv; {cure}"
        )
    filenames = np.array(predictions.filenames)
    labels = np.array(predictions.class_names)[predictions.labels]
    order = np.argsort(filenames, kind="stable")
    return _Evaluation(
        log_dir, metrics, filenames[order], labels[order], predictions.correct[order]
    )


def _read_metrics(path, cure):
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        if "photos_per_second" in metrics:  # its name in earlier versions
            metrics["images_per_second"] = metrics.pop("photos_per_second")
        return {name: metrics[name] for name in REQUIRED} | metrics
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(f"{path}: expected a JSON object of metrics ({error}); {cure}") from error
    except KeyError as error:
        raise BadInput(f"{path} lacks {error}; {cure}") from error


def _check_same_images(first, run):
    """Raises BadInput where two runs were evaluated on different images or labels."""
    cure = "evaluate both with the same --split and --dataset_dir"
    if not np.array_equal(first.filenames, run.filenames):
        differences = []
        for one, other in ((first, run), (run, first)):
            only = np.setdiff1d(one.filenames, other.filenames)
            if only.size:
                count = counted(only.size, "image")
                differences.append(f"{count} only in {one.log_dir}, such as {only[0]}")
        raise BadInput(
            f"{first.log_dir} and {run.log_dir} were evaluated on different images "
            f"({'; '.join(differences) or 'some occur twice'}); {cure}"
        )
    for name, one, other in zip(first.filenames, first.labels.tolist(), run.labels.tolist()):
        if one != other:
            raise BadInput(
                f"{name} is {one!r} in {first.log_dir}, but {other!r} in {run.log_dir}; {cure}"
            )


def _cells(run):
    """A run's row of the table."""
    low, high = run["accuracy_interval"]
    test = run["mcnemar"] or {"gained": None, "lost": None, "p_value": None}
    return (
        run["run"],
        run["network"] or MISSING,
        f"{run['global_step']:,}",
        percent(run["accuracy"], 1),
        f"{percent(low, 1)} to {percent(high, 1)}",
        _cell(test["gained"], "{:,}".format),
        _cell(test["lost"], "{:,}".format),
        _cell(test["p_value"], lambda value: f"{value:.3f}" if value >= 0.001 else "<0.001"),
        _cell(run["parameters"], "{:,}".format),
        _cell(run["checkpoint_bytes"], lambda size: f"{size / 1e6:.1f}"),
        _cell(run["images_per_second"], lambda speed: f"{1 / speed:.4f}"),
    )


def _cell(value, text_of):
    return MISSING if value is None else text_of(value)
