"""Measures a trained network on a split: figures, plots, and a table of predictions.

    python eval_flowers.py                                     # the best checkpoint of runs/flowers
    python eval_flowers.py --log_dir runs/birds --split test   # another run, another split
    python eval_flowers.py --checkpoint latest                 # or a path

What network, size and labels they are is read from log_dir/run.json. Writes to log_dir/eval:
metrics.json, predictions.csv, and the plots predictions.png, mistakes.png, confusion_matrix.png,
calibration.png, per_class.png and learning_curves.png.
"""

import json
from pathlib import Path

from bad_input import BadInput
from flags import Parser, path, run, whole_number
from nets.checkpoint_files import checkpoint_at
from training.run_checkpoints import Best
from training.run_record import read_run

PHOTOS_SHOWN = 25


def parse_flags(argv=None):
    """The flags, each checked."""
    parser = Parser(__doc__)
    flag, switch = parser.flag, parser.switch
    flag("log_dir", "DIR", path, "runs/flowers", "what train_flowers.py wrote")
    flag("checkpoint", "WHICH", str, "best", "best, latest, or a path")
    flag("split", "NAME", str, "validation", "split to read")
    flag("dataset_dir", "DIR", path, None, "TFRecords (default those of the training)")
    flag("eval_dir", "DIR", path, None, "where to write (default log_dir/eval)")
    flag("batch_size", "N", whole_number(1), 32, "photos at once; no influence on the figures")
    switch("show", "open the plots in windows as well")
    return parser.parse_args(argv)


def find_checkpoint(log_dir, which):
    """The path of the checkpoint that --checkpoint names.

    Raises:
      BadInput: the run has no such checkpoint.
    """
    if which == "best":
        best = Best(log_dir)
        if best.checkpoint is None:
            raise BadInput(
                f"{log_dir} has no best checkpoint yet: no validation has ended; "
                "give --checkpoint latest"
            )
        return checkpoint_at(best.checkpoint)
    return checkpoint_at(log_dir if which == "latest" else which)


def evaluate(flags, run_record, checkpoint):
    """Reads the split once with a progress bar; returns the split and an `Evaluation`."""
    from tqdm import tqdm

    from datasets.splits import get_split
    from training.device import describe_device
    from training.evaluation import Evaluator

    print(describe_device(), flush=True)
    dataset_dir = flags.dataset_dir or run_record.dataset_dir
    if not Path(dataset_dir).is_dir():
        raise BadInput(
            f"{dataset_dir}, where the training read its photos, is no folder here; "
            "give --dataset_dir"
        )
    dataset = get_split(flags.split, dataset_dir)
    labels = [dataset.labels_to_names[label] for label in range(dataset.num_classes)]
    if labels != run_record.labels:
        raise BadInput(
            f"the labels of the photos ({', '.join(labels)}) are not those that the network was "
            f"trained on ({', '.join(run_record.labels)}); give another --dataset_dir"
        )
    evaluator = Evaluator(run_record, dataset, flags.batch_size)
    with tqdm(total=dataset.num_samples, unit=" photos", desc=flags.split, disable=None) as bar:
        evaluation = evaluator.evaluate(
            checkpoint, on_batch=lambda batch: bar.update(len(batch["labels"]))
        )
    return dataset, evaluation


def report(flags, dataset, evaluation):
    """Writes what was measured to `flags.eval_dir`; returns the figures and the plots' paths."""
    from datasets.examples import photos_at
    from reporting import metrics, plots, predictions
    from training.metrics_log import read_rows, write_evaluation

    seen = evaluation.predictions
    folder = Path(flags.eval_dir)
    figures = {
        "checkpoint": evaluation.checkpoint,
        "global_step": evaluation.global_step,
        "split": flags.split,
        **metrics.measure(seen, evaluation.losses),
    }
    metrics.write_json(folder / "metrics.json", figures)
    predictions.write_csv(folder / "predictions.csv", seen)
    examples = plots.choose_examples(seen, PHOTOS_SHOWN)
    mistakes = plots.surest_mistakes(seen, PHOTOS_SHOWN)
    written = [
        plots.plot_predictions(
            seen, examples, photos_at(dataset, examples), folder / "predictions.png"
        ),
        plots.plot_mistakes(seen, mistakes, photos_at(dataset, mistakes), folder / "mistakes.png"),
        plots.plot_confusion_matrix(seen, folder / "confusion_matrix.png"),
        plots.plot_calibration(seen, folder / "calibration.png"),
        plots.plot_per_class(seen, folder / "per_class.png"),
    ]
    curves = read_rows(Path(flags.log_dir, "metrics.csv"))
    if curves:
        written.append(plots.plot_learning_curves(curves, folder / "learning_curves.png"))
    write_evaluation(folder, figures, written)
    return figures, written


def show(plots):
    """Opens the plots in windows, one each, until they are closed."""
    import matplotlib.pyplot as plt

    if plt.get_backend().lower() == "agg":
        print("--show: there is no display to open a window on; the plots are files")
        return
    for plot in plots:
        plt.figure(plot.name).add_axes((0, 0, 1, 1), frame_on=False).imshow(plt.imread(plot))
    plt.show()


def main(argv=None):
    """Checks the flags, evaluates, and prints a last line of JSON."""
    flags = parse_flags(argv)
    run_record = read_run(flags.log_dir)
    checkpoint = find_checkpoint(flags.log_dir, flags.checkpoint)
    flags.eval_dir = flags.eval_dir or str(Path(flags.log_dir, "eval"))
    # From here on TensorFlow is imported, which takes six seconds.
    dataset, evaluation = evaluate(flags, run_record, checkpoint)
    figures, written = report(flags, dataset, evaluation)
    low, high = figures["accuracy_interval"]
    loss = "not finite" if figures["loss"] is None else f"{figures['loss']:.4f}"
    print(
        f"{checkpoint} at step {evaluation.global_step}: streaming accuracy "
        f"{evaluation.accuracy:.4f} over {figures['num_examples']} photos of {flags.split} "
        f"(95 % interval {low:.4f} to {high:.4f}), loss {loss}"
    )
    tables = [Path(flags.eval_dir, name) for name in ("metrics.json", "predictions.csv")]
    print("Written:", *tables, *written, sep="\n  ")
    if flags.show:
        show(written)
    names = ("checkpoint", "global_step", "split", "num_examples", "accuracy", "loss")
    print(json.dumps({name: figures[name] for name in names} | {"eval_dir": flags.eval_dir}))


if __name__ == "__main__":
    run(main)
