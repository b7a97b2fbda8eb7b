"""The evaluation of a run: a split read once; figures, plots, tables and a page of them all."""

import contextlib
import datetime
from pathlib import Path

from tqdm import tqdm

from bad_input import BadInput
from datasets.examples import encoded_at, photos_at
from datasets.splits import get_split
from nets.checkpoint_files import is_whole, size_of
from reporting import metrics, plots, predictions, report
from training import run_checkpoints, tensorboard_pages
from training.evaluator import Diverged, Evaluator
from training.metrics_log import read_rows, write_evaluation
from training.run_model import RunModel
from training.run_record import read_run
from training.watch import new_checkpoints, wait_for_run

PHOTOS_SHOWN = 25
SMALL = 128  # pixels, of a photo in TensorBoard's projector


def evaluate(
    log_dir,
    checkpoint="best",
    split="validation",
    dataset_dir=None,
    eval_dir=None,
    batch_size=32,
    moving_averages=False,
    explain=False,
):
    """Measures a run on a split, and writes what was found.

    Args:
      log_dir: the run's folder.
      checkpoint: "best", "latest", or a path.
      split: the split to read.
      dataset_dir: its TFRecords; by default those of the training.
      eval_dir: where to write; by default log_dir/eval.
      batch_size: photos at once; no influence on the figures.
      moving_averages: whether to take these in the place of the weights.
      explain: whether mistakes.png shows, beside each photo, where the network saw its answer.

    Returns:
      The figures: those of metrics.json with `eval_dir`, and `written`, the paths of the files.

    Raises:
      BadInput: the run, the checkpoint, the split or its labels are at fault; says which.
    """
    path = run_checkpoints.find(log_dir, checkpoint)
    evaluation = _Evaluation(
        log_dir, split, dataset_dir, eval_dir, batch_size, moving_averages, explain
    )
    return evaluation.of(path)


def watch(log_dir, timeout=None, eval_dir=None, **options):
    """Measures each checkpoint of a run once, as it appears; yields what `evaluate` returns.

    Args:
      log_dir: the run's folder.
      timeout: seconds without a new checkpoint after which it ends, even if the run has not.
      eval_dir: where to write; by default log_dir/watch, so that the evaluation of the best stays.
      **options: as for `evaluate`, all but `checkpoint`.
    """
    wait_for_run(log_dir, timeout)
    evaluation = _Evaluation(log_dir, eval_dir=eval_dir or Path(log_dir, "watch"), **options)
    for checkpoint in new_checkpoints(log_dir, timeout):
        try:
            yield evaluation.of(checkpoint)
        except BadInput:
            if is_whole(checkpoint):
                raise
            print(f"{checkpoint} was removed by the training before it was read", flush=True)


def find_split(run, split, dataset_dir=None):
    """The `slim.dataset.Dataset` of a split of the photos that `run` was trained on, or others.

    Raises:
      BadInput: there is no such folder or split, or its labels are not the run's.
    """
    dataset_dir = dataset_dir or run.dataset_dir
    if not Path(dataset_dir).is_dir():
        raise BadInput(
            f"{dataset_dir}, where the training read its photos, is no folder here; "
            "give --dataset_dir"
        )
    dataset = get_split(split, dataset_dir)
    labels = [dataset.labels_to_names[label] for label in range(dataset.num_classes)]
    if labels != run.labels:
        raise BadInput(
            f"the labels of the photos ({', '.join(labels)}) are not those that the network was "
            f"trained on ({', '.join(run.labels)}); give another --dataset_dir"
        )
    return dataset


class _Evaluation:
    """Evaluates checkpoints of one run on one split, in a graph that is built once."""

    def __init__(
        self,
        log_dir,
        split="validation",
        dataset_dir=None,
        eval_dir=None,
        batch_size=32,
        moving_averages=False,
        explain=False,
    ):
        """Finds the photos and builds the graph; arguments as for `evaluate`."""
        self._log_dir = Path(log_dir)
        self._folder = Path(eval_dir or Path(log_dir, "eval"))
        self._run = read_run(log_dir)
        self._moving_averages, self._explain = moving_averages, explain
        self._dataset = find_split(self._run, split, dataset_dir)
        self._evaluator = Evaluator(
            self._run, self._dataset, batch_size, moving_averages, with_features=True
        )

    def of(self, checkpoint):
        """Measures one checkpoint; returns and writes as `evaluate`."""
        total, split = self._dataset.num_samples, self._dataset.split_name
        with tqdm(total=total, unit=" photos", desc=split, disable=None) as bar:
            found = self._measure(checkpoint, bar)
        figures = self._figures(found)
        tables = [self._folder / "metrics.json", self._folder / "predictions.csv"]
        metrics.write_json(tables[0], figures)
        predictions.write_csv(tables[1], found.predictions)
        photos = _Photos(self._dataset, found.predictions)
        drawn = self._draw(found, photos)
        self._show_in_tensorboard(found, figures, drawn, photos)
        page = self._write_page(found.predictions, figures, drawn, photos)
        return figures | {"eval_dir": str(self._folder), "written": [*tables, *drawn, page]}

    def _measure(self, checkpoint, bar):
        try:
            return self._evaluator.evaluate(
                checkpoint, on_batch=lambda batch: bar.update(len(batch["labels"]))
            )
        except Diverged as error:
            raise BadInput(f"{checkpoint}: {error}; give an earlier --checkpoint") from error

    def _figures(self, found):
        return {
            "checkpoint": found.checkpoint,
            "global_step": found.global_step,
            "split": self._dataset.split_name,
            "evaluated_at": datetime.datetime.now().isoformat(" ", "minutes"),
            "network": self._run.model_name,
            "image_size": self._run.image_size,
            "parameters": found.parameters,
            "checkpoint_bytes": size_of(found.checkpoint),
            "photos_per_second": found.photos_per_second,
            "streaming_accuracy": found.accuracy,
            **metrics.measure(found.predictions, found.losses),
        }

    def _draw(self, found, photos):
        """Writes the plots; returns their paths."""
        seen, folder = found.predictions, self._folder
        examples, mistakes = photos.examples, photos.mistakes
        wrong = photos.at(mistakes)
        if self._explain and wrong:
            model = RunModel(self._log_dir, found.checkpoint, self._moving_averages)
            with contextlib.closing(model):
                wrong = model.explain(encoded_at(self._dataset, mistakes))
        written = [
            plots.plot_predictions(seen, examples, photos.at(examples), folder / "predictions.png"),
            plots.plot_mistakes(seen, mistakes, wrong, folder / "mistakes.png"),
            plots.plot_confusion_matrix(seen, folder / "confusion_matrix.png"),
            plots.plot_calibration(seen, folder / "calibration.png"),
            plots.plot_per_class(seen, folder / "per_class.png"),
        ]
        curves = read_rows(self._log_dir / "metrics.csv")
        if curves:
            written.append(plots.plot_learning_curves(curves, folder / "learning_curves.png"))
        return written

    def _show_in_tensorboard(self, found, figures, drawn, photos):
        """Writes scalars, plots, precision-recall curves, and the projector's points."""
        shown = photos.points
        write_evaluation(self._folder, figures, drawn)
        tensorboard_pages.write_pr_curves(self._folder, found.predictions, found.global_step)
        tensorboard_pages.write_projector(
            self._folder, found.predictions, shown, found.features[shown], photos.small
        )

    def _write_page(self, seen, figures, drawn, photos):
        """Writes report.html; returns its path."""
        return report.write_report(
            self._folder / "report.html",
            figures,
            seen,
            dict(zip(photos.reported, photos.at(photos.reported))),
            [path for path in drawn if path.stem not in ("predictions", "mistakes")],
            self._run.flags,
            self._run.versions,
            f"{self._run.dataset_name}, {self._run.model_name}",
        )


class _Photos:
    """The photos that are shown, chosen by their predictions.

    Each of `examples`, `mistakes`, `reported` and `points` is int64 [shown]; `small` holds the
    photos of `points`, which are many.
    """

    def __init__(self, dataset, seen):
        self.examples = plots.choose_examples(seen, PHOTOS_SHOWN)
        self.mistakes = plots.surest_mistakes(seen, PHOTOS_SHOWN)
        self.reported = report.photos_shown(seen)
        self.points = plots.choose_examples(seen, tensorboard_pages.POINTS_SHOWN)
        large = {*self.examples, *self.mistakes, *self.reported}
        self._photos = dict(zip(large, photos_at(dataset, large)))
        self.small = photos_at(dataset, self.points, SMALL)

    def at(self, indices):
        """A list of uint8 [height, width, 3], one for each of `indices` but those of `points`."""
        return [self._photos[index] for index in indices]
