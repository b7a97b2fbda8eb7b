"""Where a run's figures go: log_dir/metrics.csv, and TensorBoard's event files.

Training writes events to log_dir and validation to log_dir/validation, under the same tags, so that
TensorBoard draws both curves in one chart.
"""

import csv
from pathlib import Path

from files import written_aside
from slim_on_tf2 import tf

# Column of metrics.csv -> TensorBoard's tag. `loss` is the cross-entropy, for both splits.
TAGS = {
    "loss": "losses/cross_entropy",
    "accuracy": "accuracy",
    "total_loss": "losses/total",
    "regularization_loss": "losses/regularization",
    "auxiliary_loss": "losses/auxiliary",
    "learning_rate": "learning_rate",
    "photos_per_second": "speed/photos_per_second",
    "input_wait": "speed/input_wait",
}
COLUMNS = ["step", "epoch", "split", *TAGS]


class MetricsLog:
    """Appends a run's figures; a run that goes on drops what was written after its checkpoint."""

    def __init__(self, log_dir, schedule, first_step=0):
        """Opens the log of `log_dir` for a run that goes on after `first_step` steps."""
        self._schedule = schedule
        self._path = Path(log_dir, "metrics.csv")
        self._writers = {
            "train": tf.summary.FileWriterCache.get(str(log_dir)),
            "validation": tf.summary.FileWriter(str(Path(log_dir, "validation"))),
        }
        self._drop_after(first_step)

    def _drop_after(self, first_step):
        rows = [row for row in read_rows(self._path) if int(row["step"]) <= first_step]
        with written_aside(self._path) as aside, aside.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        for writer in self._writers.values():  # TensorBoard drops events from this step on
            writer.add_session_log(
                tf.SessionLog(status=tf.SessionLog.START), global_step=first_step + 1
            )

    def validations(self):
        """The accuracy of each validation so far: step -> accuracy in [0, 1], in order."""
        rows = [row for row in read_rows(self._path) if row["split"] == "validation"]
        return {int(row["step"]): float(row["accuracy"]) for row in rows}

    def add(self, step, split, figures):
        """Writes `figures` (column -> number) of `split` at `step`."""
        row = {"step": step, "epoch": f"{self._schedule.epoch(step):.4f}", "split": split}
        row |= {name: f"{value:.9g}" for name, value in figures.items()}
        with self._path.open("a", newline="") as file:
            csv.DictWriter(file, COLUMNS).writerow(row)
        values = [
            tf.Summary.Value(tag=TAGS[name], simple_value=value) for name, value in figures.items()
        ]
        self._write(split, tf.Summary(value=values), step)

    def add_picture(self, step, tag, png):
        """Writes a picture (a PNG's bytes) for TensorBoard's image page."""
        picture = tf.Summary.Image(encoded_image_string=png)
        self._write("train", tf.Summary(value=[tf.Summary.Value(tag=tag, image=picture)]), step)

    def add_settings(self, settings):
        """Writes the run's settings (name -> value) as a table for TensorBoard's text page."""
        from tensorboard.summary.v1 import text_pb

        lines = ["setting | value", "--- | ---"]
        lines += [f"{name} | {value}" for name, value in settings.items()]
        summary = tf.Summary.FromString(text_pb("settings", "\n".join(lines)).SerializeToString())
        self._write("train", summary, 0)

    def _write(self, split, summary, step):
        self._writers[split].add_summary(summary, step)
        self._writers[split].flush()


def read_rows(path):
    """The rows of a metrics.csv as dicts of strings; none where there is no file.

    A last line without its end is left out: a run was killed while it wrote it.
    """
    if not Path(path).is_file():
        return []
    lines = Path(path).read_text().splitlines(keepends=True)
    return list(csv.DictReader(line for line in lines if line.endswith("\n")))


def write_evaluation(eval_dir, figures, plots):
    """Writes the figures and plots of an evaluation for TensorBoard, at the checkpoint's step.

    Args:
      eval_dir: where the event file goes.
      figures: a dict with `global_step`, `accuracy` and `loss` (None where it is not finite).
      plots: paths of PNGs.
    """
    values = [
        tf.Summary.Value(tag=TAGS[name], simple_value=figures[name])
        for name in ("accuracy", "loss")
        if figures[name] is not None
    ]
    for path in plots:
        picture = tf.Summary.Image(encoded_image_string=path.read_bytes())
        values.append(tf.Summary.Value(tag=f"plots/{path.stem}", image=picture))
    with tf.Graph().as_default():
        writer = tf.summary.FileWriter(str(eval_dir))
        writer.add_summary(tf.Summary(value=values), figures["global_step"])
        writer.close()
