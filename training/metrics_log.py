"""Where a run's metrics go: log_dir/metrics.csv and TensorBoard's event files.

Training writes events to log_dir, validation to log_dir/validation. Both use the same tags, so
TensorBoard draws their curves in one chart.
"""

import csv
from pathlib import Path

from tensorboard.summary.v1 import text_pb

from slim_on_tf2 import tf
from system.files import atomic_write
from training.hparams import write_session_start

LOSS_TAG = "losses/cross_entropy"  # TensorBoard's tag of the metric `loss`
BASE_COLUMNS = ("step", "epoch", "split", "loss", "accuracy")
# Columns of metrics.csv that earlier versions named otherwise.
LEGACY_COLUMNS = {"photos_per_second": "images_per_second"}


class MetricsLog:
    """Appends a run's metrics; a resumed run drops the rows written after its checkpoint."""

    def __init__(self, log_dir, schedule, start_step=0):
        """Opens the log of `log_dir` for a run that resumes after `start_step` steps."""
        self._schedule = schedule
        self._has_graph = False
        self._path = Path(log_dir, "metrics.csv")
        self._writers = {
            "train": tf.summary.FileWriter(str(log_dir)),
            "validation": tf.summary.FileWriter(str(Path(log_dir, "validation"))),
        }
        rows = [row for row in read_rows(self._path) if int(row["step"]) <= start_step]
        self._columns = list(
            dict.fromkeys([*BASE_COLUMNS, *(name for row in rows for name in row)])
        )
        self._write_rows(rows)
        for writer in self._writers.values():  # TensorBoard drops events from this step on
            writer.add_session_log(
                tf.SessionLog(status=tf.SessionLog.START), global_step=start_step + 1
            )

    def add(self, step, split, metrics):
        """Appends a row of `metrics` (name -> number) of `split` at `step` to metrics.csv."""
        row = {"step": step, "epoch": f"{self._schedule.epoch(step):.4f}", "split": split}
        row |= {name: f"{value:.9g}" for name, value in metrics.items()}
        new_columns = [name for name in row if name not in self._columns]
        if new_columns:
            self._columns += new_columns
            self._write_rows(read_rows(self._path))
        with self._path.open("a", newline="") as file:
            csv.DictWriter(file, self._columns).writerow(row)

    def add_scalars(self, step, split, scalars):
        """Writes `scalars` (tag -> number) of `split` at `step` for TensorBoard."""
        self.add_summary(step, scalar_summary(scalars), split)

    def add_summary(self, step, summary, split="train"):
        """Writes a `tf.Summary`, or its serialized bytes, for TensorBoard; None writes nothing.

        The first one of the training comes with the graph, for TensorBoard's graph page.
        """
        if split == "train" and not self._has_graph:
            self._writers["train"].add_graph(tf.get_default_graph())
            self._has_graph = True
        if summary is not None:
            self._writers[split].add_summary(summary, step)
        self._writers[split].flush()

    def add_image(self, step, tag, png):
        """Writes the bytes of a PNG for TensorBoard's image page."""
        image = tf.Summary.Image(encoded_image_string=png)
        self.add_summary(step, tf.Summary(value=[tf.Summary.Value(tag=tag, image=image)]))

    def add_settings(self, flags, versions):
        """Writes flags and versions (name -> value) for TensorBoard's text and hparams pages."""
        write_session_start(self._writers["train"], flags)
        lines = ["setting | value", "--- | ---"]
        lines += [f"{name} | {value}" for name, value in {**flags, **versions}.items()]
        text = text_pb("settings", "\n".join(lines))
        self.add_summary(0, tf.Summary.FromString(text.SerializeToString()))

    def validations(self):
        """The accuracy of each validation so far: step -> accuracy in [0, 1], in order."""
        rows = [row for row in read_rows(self._path) if row["split"] == "validation"]
        return {int(row["step"]): float(row["accuracy"]) for row in rows}

    def _write_rows(self, rows):
        with atomic_write(self._path) as path, path.open("w", newline="") as file:
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(rows)


def scalar_summary(scalars):
    """Returns a `tf.Summary` of `scalars`, tag -> number."""
    values = [tf.Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
    return tf.Summary(value=values)


def read_rows(path):
    """Reads the rows of a metrics.csv as dicts of strings; none if there is no file.

    A last line without a line end is dropped: the run was killed while writing it. Damaged rows are
    dropped with a line on the console: a log never stands between a user and the checkpoints.
    """
    if not Path(path).is_file():
        return []
    lines = Path(path).read_text(errors="replace").splitlines(keepends=True)
    header, *rows = [_fields(line) for line in lines if line.endswith("\n")] or [[]]
    names = [LEGACY_COLUMNS.get(name, name) for name in header]
    found = [dict(zip(names, row)) for row in rows if len(row) == len(names)]
    found = [row for row in found if _is_row(row)]
    if len(found) < len(rows):
        print(f"{path}: {len(rows) - len(found)} damaged rows are left out", flush=True)
    return found


def _fields(line):
    """The values of a line; none if it is no line of a CSV."""
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def _is_row(row):
    """Whether a row has a step, a split and numbers."""
    try:
        numbers = [float(row[name]) for name in row if name != "split" and row[name]]
        return bool(row["split"] and int(row["step"]) >= 0 and numbers)
    except (KeyError, ValueError):
        return False
