"""What an evaluation writes: tables, plots, TensorBoard's pages, the report, and their images."""

from dataclasses import replace
from pathlib import Path

from datasets.examples import images_at
from evaluation import plots, pr_curves_and_projector, report
from evaluation.metrics import write_json
from evaluation.predictions import write_csv
from slim_on_tf2 import tf
from training.metrics_log import LOSS_TAG, scalar_summary

IMAGES_SHOWN = 25  # in a plot
SMALL = 128  # pixels, in TensorBoard's projector


class ShownImages:
    """Images chosen by their predictions.

    Attributes:
      examples: int64 [shown], indices of images of all classes.
      mistakes: int64 [shown], indices of the most confident mistakes.
      reported: int64 [shown], indices of the images in report.html.
      points: int64 [shown], indices of the images in TensorBoard's projector.
      thumbnails: the images of `points`, a list of uint8 [height, width, 3].
    """

    def __init__(self, dataset, predictions):
        """Reads the images from a `slim.dataset.Dataset`, of which `predictions` were made."""
        self.examples = plots.choose_examples(predictions, IMAGES_SHOWN)
        self.mistakes = plots.most_confident_mistakes(predictions, IMAGES_SHOWN)
        self.reported = report.images_shown(predictions)
        self.points = plots.choose_examples(predictions, pr_curves_and_projector.POINTS_SHOWN)
        indices = {*self.examples, *self.mistakes, *self.reported}
        self._images = dict(zip(indices, images_at(dataset, indices)))
        self.thumbnails = images_at(dataset, self.points, SMALL)

    def at(self, indices):
        """Returns the images of `examples`, `mistakes` or `reported`: uint8 [height, width, 3]."""
        return [self._images[index] for index in indices]


def write_outputs(eval_dir, evaluation, reported, metrics, shown, mistakes, curves, run):
    """Writes all files of an evaluation.

    Args:
      eval_dir: the output folder.
      evaluation: an `Evaluation` with features.
      reported: its `Predictions`, or those of a part of its classes, for scores, plots and curves.
      metrics: the content of metrics.json.
      shown: the `ShownImages`.
      mistakes, curves: as for `draw_plots`.
      run: the `Run`.

    Returns:
      The paths of the tables, the plots and the report.
    """
    tables = write_tables(eval_dir, metrics, evaluation.predictions)
    drawn = draw_plots(eval_dir, reported, shown, mistakes, curves)
    write_events(eval_dir, replace(evaluation, predictions=reported), metrics, drawn, shown)
    page = write_page(eval_dir, metrics, evaluation.predictions, shown, drawn, run)
    return [*tables, *drawn, page]


def write_tables(eval_dir, metrics, predictions):
    """Writes metrics.json and predictions.csv; returns their paths."""
    paths = [Path(eval_dir, "metrics.json"), Path(eval_dir, "predictions.csv")]
    write_json(paths[0], metrics)
    write_csv(paths[1], predictions)
    return paths


def draw_plots(eval_dir, predictions, shown, mistakes, curves):
    """Writes the plots of an evaluation.

    Args:
      eval_dir: the output folder.
      predictions: a `Predictions`.
      shown: its `ShownImages`.
      mistakes: uint8 [height, width, 3] arrays, the images of `shown.mistakes` or their heat maps.
      curves: the rows of the run's metrics.csv; empty for no learning curves.

    Returns:
      The paths of the PNGs.
    """
    folder = Path(eval_dir)
    examples = shown.at(shown.examples)
    written = [
        plots.plot_predictions(predictions, shown.examples, examples, folder / "predictions.png"),
        plots.plot_mistakes(predictions, shown.mistakes, mistakes, folder / "mistakes.png"),
        plots.plot_confusion_matrix(predictions, folder / "confusion_matrix.png"),
        plots.plot_calibration(predictions, folder / "calibration.png"),
        plots.plot_per_class(predictions, folder / "per_class.png"),
    ]
    if curves:
        written.append(plots.plot_learning_curves(curves, folder / "learning_curves.png"))
    return written


def write_page(eval_dir, metrics, predictions, shown, drawn, run):
    """Writes report.html with the plots `drawn`; arguments as for `draw_plots`, and the `Run`."""
    return report.write_report(
        Path(eval_dir, "report.html"),
        metrics,
        predictions,
        dict(zip(shown.reported, shown.at(shown.reported))),
        [path for path in drawn if path.stem not in ("predictions", "mistakes")],
        run.flags,
        run.versions,
        f"{run.dataset_name}, {run.model_name}",
    )


def write_events(eval_dir, evaluation, metrics, drawn, shown):
    """Writes an evaluation for TensorBoard: scalars, plots, curves, and the projector's points.

    Args:
      eval_dir: the output folder.
      evaluation: an `Evaluation` with features.
      metrics: a dict with `accuracy` and `loss` (None if it is not finite).
      drawn: the paths of the plots.
      shown: the `ShownImages`.
    """
    scalars = {"accuracy": metrics["accuracy"], LOSS_TAG: metrics["loss"]}
    summary = scalar_summary({tag: value for tag, value in scalars.items() if value is not None})
    for path in drawn:
        image = tf.Summary.Image(encoded_image_string=path.read_bytes())
        summary.value.add(tag=f"plots/{path.stem}", image=image)
    with tf.Graph().as_default():
        writer = tf.summary.FileWriter(str(eval_dir))
        writer.add_summary(summary, evaluation.global_step)
        writer.close()
    predictions, points = evaluation.predictions, shown.points
    pr_curves_and_projector.write_pr_curves(eval_dir, predictions, evaluation.global_step)
    pr_curves_and_projector.write_projector(
        eval_dir, predictions, points, evaluation.features[points], shown.thumbnails
    )
