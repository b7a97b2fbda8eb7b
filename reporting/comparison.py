"""Evaluated runs side by side: which is better, by how much, and whether that may be chance."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.stats

from bad_input import BadInput
from reporting.predictions import Predictions, read_csv
from reporting.style import counted, percent

NOTHING = "-"

# What an evaluation says of its network and its time; older ones lack some of it.
OPTIONAL = ("network", "image_size", "parameters", "checkpoint_bytes", "photos_per_second")
NEEDED = ("checkpoint", "global_step", "split", "num_examples", "accuracy", "accuracy_interval")

HEADINGS = ("run", "network", "step", "accuracy", "95 % interval", "gained", "lost", "p")
HEADINGS += ("parameters", "MB", "s/photo")
WORDS = 2  # so many columns are words, which begin on the left; the others are numbers


def compare(log_dirs):
    """Compares what `eval_flowers.py` wrote to the `eval` folders of two runs or more.

    The photos are matched by file name. Whether a run is better than the first is McNemar's exact
    test: of the photos that one of the two got right and the other wrong, each of the two has half
    by chance.

    Sources: Q. McNemar, "Note on the sampling error of the difference between correlated
    proportions or percentages", Psychometrika 12 (1947); T. G. Dietterich, "Approximate statistical
    tests for comparing supervised classification learning algorithms", Neural Computation 10
    (1998), section 3.1.

    Args:
      log_dirs: the runs' folders, the first of them what the others are held against.

    Returns:
      A list with a dict a run, which can be written as JSON: `run` (its folder); `checkpoint`,
      `global_step`, `split`, `num_examples`, `accuracy` and `accuracy_interval`, as in its
      metrics.json; `network`, `image_size`, `parameters`, `checkpoint_bytes` and
      `photos_per_second`, None where that says nothing of them; and `mcnemar`, None for the first
      run, else {"gained": photos that this run alone got right, "lost": photos that the first run
      alone got right, "p_value": in [0, 1], two-sided}.

    Raises:
      BadInput: there are fewer than two runs, one has no whole evaluation, or they are not of the
        same photos.
    """
    if len(log_dirs) < 2:
        raise BadInput(f"--compare: expected two runs or more, got {len(log_dirs)}")
    runs = [_read(str(log_dir)) for log_dir in log_dirs]
    first = runs[0]
    for run in runs[1:]:
        _check_same_photos(first, run)
    return [
        {"run": run.log_dir}
        | {name: run.figures[name] for name in NEEDED}
        | {name: run.figures.get(name) for name in OPTIONAL}
        | {"mcnemar": None if run is first else mcnemar(first.correct, run.correct)}
        for run in runs
    ]


def mcnemar(first, second):
    """McNemar's exact test of two classifiers on the same photos; see `compare`.

    Args:
      first, second: bool [n], whether each got a photo right.

    Returns:
      A dict of `gained`, `lost` and `p_value`; the last is 1 where both got the same photos right.
    """
    gained, lost = int((second & ~first).sum()), int((first & ~second).sum())
    differ = gained + lost
    p_value = float(scipy.stats.binomtest(gained, differ, 0.5).pvalue) if differ else 1.0
    return {"gained": gained, "lost": lost, "p_value": p_value}


def comparison_lines(compared):
    """Spells what `compare` gives as lines of text: a sentence and a table."""
    first = compared[0]
    rows = [HEADINGS, *(_cells(run) for run in compared)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    table = []
    for row in rows:
        words = [cell.ljust(width) for cell, width in zip(row[:WORDS], widths)]
        numbers = [cell.rjust(width) for cell, width in zip(row[WORDS:], widths[WORDS:])]
        table.append("  ".join(words + numbers).rstrip())
    return [
        f"{counted(first['num_examples'], 'photo')} of {first['split']}; gained and lost: photos "
        f"that are right in one run alone, p by McNemar's test, both against {first['run']}",
        *table,
    ]


@dataclass(frozen=True, eq=False)
class _Evaluated:
    """An evaluation as it was read, its photos sorted by file name."""

    log_dir: str
    figures: dict
    filenames: np.ndarray  # str [n]
    truths: np.ndarray  # str [n], names of classes
    correct: np.ndarray  # bool [n]


def _read(log_dir):
    """Reads an evaluation; says how to make it anew where it is missing or broken."""
    folder = Path(log_dir, "eval")
    command = f"python eval_flowers.py --log_dir {shlex.quote(log_dir)}"
    for path in (folder / "metrics.json", folder / "predictions.csv"):
        if not path.is_file():
            raise BadInput(f"{log_dir} is not evaluated ({path} is missing); give: {command}")
    figures = _read_figures(folder / "metrics.json", command)
    predictions = read_csv(folder / "predictions.csv")
    if figures["accuracy"] != predictions.correct.mean():
        raise BadInput(
            f"{folder}: the accuracy of metrics.json is {figures['accuracy']:.4f}, that of "
            f"predictions.csv {predictions.correct.mean():.4f}; give: {command}"
        )
    return _sorted_by_name(log_dir, figures, predictions)


def _read_figures(path, command):
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
        return {name: figures[name] for name in NEEDED} | figures
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(f"{path} is not the JSON of figures ({error}); give: {command}") from error
    except KeyError as error:
        raise BadInput(f"{path} lacks {error}; give: {command}") from error


def _sorted_by_name(log_dir, figures, predictions: Predictions):
    """Of photos of the same name, which only foreign shards hold, the order stays."""
    filenames = np.array(predictions.filenames)
    order = np.argsort(filenames, kind="stable")
    truths = np.array(predictions.class_names)[predictions.labels]
    return _Evaluated(log_dir, figures, filenames[order], truths[order], predictions.correct[order])


def _check_same_photos(first, run):
    """Raises BadInput where two runs were evaluated on other photos, or under other labels."""
    cure = "evaluate both with the same --split and --dataset_dir"
    if not np.array_equal(first.filenames, run.filenames):
        examples = []
        for one, other in ((first, run), (run, first)):
            missing = np.setdiff1d(one.filenames, other.filenames)
            if missing.size:
                examples.append(
                    f"{counted(missing.size, 'photo')} only in {one.log_dir}, as {missing[0]}"
                )
        raise BadInput(
            f"{first.log_dir} and {run.log_dir} were evaluated on other photos "
            f"({'; '.join(examples) or 'some are there twice'}); {cure}"
        )
    for name, one, other in zip(first.filenames, first.truths.tolist(), run.truths.tolist()):
        if one != other:
            raise BadInput(
                f"{name} is {one!r} in {first.log_dir} and {other!r} in {run.log_dir}; {cure}"
            )


def _cells(run):
    """A run's row of the table."""
    low, high = run["accuracy_interval"]
    test = run["mcnemar"]
    speed = run["photos_per_second"]
    size = run["checkpoint_bytes"]
    parameters = run["parameters"]
    return (
        run["run"],
        run["network"] or NOTHING,
        f"{run['global_step']:,}",
        percent(run["accuracy"], 1),
        f"{percent(low, 1)} to {percent(high, 1)}",
        NOTHING if test is None else f"{test['gained']:,}",
        NOTHING if test is None else f"{test['lost']:,}",
        NOTHING if test is None else _p_value(test["p_value"]),
        NOTHING if parameters is None else f"{parameters:,}",
        NOTHING if size is None else f"{size / 1e6:.1f}",
        NOTHING if not speed else f"{1 / speed:.4f}",
    )


def _p_value(value):
    return f"{value:.3f}" if value >= 0.001 else "<0.001"
