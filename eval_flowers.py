"""Evaluates a trained network on a split: metrics, plots, and a table of predictions.

    python eval_flowers.py                                     # the best checkpoint of runs/flowers
    python eval_flowers.py --log_dir runs/birds --split test   # another run, another split
    python eval_flowers.py --checkpoint latest                 # or a path
    python eval_flowers.py --watch                             # each new checkpoint of a training
    python eval_flowers.py --compare runs/flowers runs/birds   # evaluated runs side by side

The network, image size and labels are read from log_dir/run.json. Writes to log_dir/eval:
report.html, metrics.json, predictions.csv, the plots predictions.png, mistakes.png,
confusion_matrix.png, calibration.png, per_class.png, learning_curves.png, and TensorBoard's pages.
"""

from system.errors import BadInput
from system.flags import Parser, number, parse_early, path, run_main, whole_number
from training.run_checkpoints import find_checkpoint
from training.run_record import read_run


def parse_flags(argv=None):
    """Returns the flags, each checked by itself and all together."""
    parser = Parser(__doc__)
    flag, switch = parser.flag, parser.switch
    flag("log_dir", "DIR", path, "runs/flowers", "run folder, written by train_flowers.py")
    flag("checkpoint", "WHICH", str, "best", "best, latest, or a path")
    switch("moving_averages", "evaluate these instead of the raw weights")
    flag("split", "NAME", str, "validation", "split to read")
    flag("dataset_dir", "DIR", path, None, "TFRecords (default those of the training)")
    flag("eval_dir", "DIR", path, None, "output (default log_dir/eval, or log_dir/watch)")
    flag("batch_size", "N", whole_number(1), 32, "images per step; does not change the metrics")
    switch("explain", "Grad-CAM heat maps beside the mistakes")
    switch("watch", "evaluate each new checkpoint once, until the run has ended")
    flag("timeout", "S", number(above=0), None, "with --watch: seconds to wait (default no limit)")
    flag("compare", "RUN", str, None, "print evaluated runs side by side", nargs="+")
    switch("show", "open the plots in windows as well")
    flags = parser.parse_args(argv)
    given = {name for name, value in vars(flags).items() if value != parser.get_default(name)}
    for mode, others in (
        ("compare", given - {"compare"}),
        ("watch", given & {"checkpoint", "show"}),
    ):
        if mode in given and others:
            raise BadInput(f"--{sorted(others)[0]} cannot be combined with --{mode}")
    if flags.timeout is not None and not flags.watch:
        raise BadInput("--timeout requires --watch; add --watch, or leave it out")
    if not (flags.watch or flags.compare):
        read_run(flags.log_dir)
        find_checkpoint(flags.log_dir, flags.checkpoint)
    return flags


if __name__ == "__main__":  # a wrong flag is answered before TensorFlow loads, which takes seconds
    FLAGS = parse_early(parse_flags)

import contextlib
import json
from pathlib import Path

from tqdm import tqdm

from checkpointing.reading import is_readable
from checkpointing.restorer import Restorer
from datasets.batches import load_batch
from datasets.examples import encoded_at
from evaluation.comparison import compare_runs, comparison_lines
from evaluation.evaluator import Evaluator, describe_metrics
from evaluation.metrics import compute_metrics
from evaluation.outputs import ShownImages, draw_plots, write_events, write_page, write_tables
from evaluation.plot_windows import show
from evaluation.splits import get_run_split
from evaluation.watch import new_checkpoints, wait_for_run
from nets.features import penultimate
from nets.nets_factory import get_arg_scope, get_network
from preprocessing.preprocessing_factory import get_preprocessing
from serving.run_model import RunModel
from slim_on_tf2 import slim, tf
from system.device import describe_device
from training.failures import Diverged
from training.metrics_log import read_rows


def build_evaluator(run, dataset, batch_size, moving_averages=False, with_features=False):
    """Builds the graph that evaluates a network on a split.

    Args:
      run: the `Run`: its network, image size and preprocessing are used.
      dataset: a `slim.dataset.Dataset` with the labels of `run`.
      batch_size: images per step; does not change the result.
      moving_averages: whether to evaluate these instead of the raw weights.
      with_features: whether to keep the input of the last layer for each image.

    Returns:
      An `Evaluator`.
    """
    with tf.Graph().as_default() as graph:
        # Data: each image of the split once, in order, without augmentation.
        batches = load_batch(
            dataset,
            batch_size,
            height=run.image_size,
            width=run.image_size,
            is_training=False,
            preprocess=get_preprocessing(
                run.preprocessing_name, is_training=False, use_grayscale=run.use_grayscale
            ),
            with_filenames=True,
        )
        iterator = tf.data.make_initializable_iterator(batches)
        batch = iterator.get_next()

        # Network in evaluation mode; every variable of it is restored, the heads too.
        with slim.arg_scope(get_arg_scope(run.model_name)):
            network = get_network(run.model_name)
            logits, _ = network(batch["images"], len(run.labels), is_training=False)
        tf.train.get_or_create_global_step()
        restorer = Restorer(moving_averages)

        # Streaming accuracy over all batches, and what is kept of each image.
        accuracy, update_accuracy = slim.metrics.streaming_accuracy(
            tf.argmax(logits, 1), batch["labels"]
        )
        with tf.control_dependencies([update_accuracy]):
            labels = tf.identity(batch["labels"])
        fetches = {
            "labels": labels,
            "filenames": batch["filenames"],
            "probabilities": tf.nn.softmax(logits),
            "losses": tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits),
        }
        if with_features:
            fetches["features"] = penultimate(logits)
        initializers = [iterator.initializer, tf.local_variables_initializer()]
        return Evaluator(graph, dataset, fetches, accuracy, initializers, restorer)


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
    """Evaluates a checkpoint of a run on a split, and writes the results.

    Args:
      log_dir: the run's folder.
      checkpoint: "best", "latest", or a path.
      split, dataset_dir, eval_dir, batch_size, moving_averages, explain: as the flags.

    Returns:
      The metrics of metrics.json with `eval_dir`, and `written`, the paths of the files.

    Raises:
      BadInput: the run, the checkpoint, the split or its labels do not exist or do not match.
    """
    path, run = find_checkpoint(log_dir, checkpoint), read_run(log_dir)
    dataset = get_run_split(run, split, dataset_dir)
    evaluator = build_evaluator(run, dataset, batch_size, moving_averages, with_features=True)
    eval_dir = eval_dir or Path(log_dir, "eval")
    return write_evaluation(evaluator, run, path, log_dir, eval_dir, moving_averages, explain)


def watch(
    log_dir,
    timeout=None,
    split="validation",
    dataset_dir=None,
    eval_dir=None,
    batch_size=32,
    moving_averages=False,
    explain=False,
):
    """Yields what `evaluate` returns for each new checkpoint of a run, until the run has ended.

    `eval_dir` is log_dir/watch by default; the other arguments are those of the flags.
    """
    wait_for_run(log_dir, timeout)
    run = read_run(log_dir)
    dataset = get_run_split(run, split, dataset_dir)
    evaluator = build_evaluator(run, dataset, batch_size, moving_averages, with_features=True)
    eval_dir = eval_dir or Path(log_dir, "watch")
    for checkpoint in new_checkpoints(log_dir, timeout):
        try:
            yield write_evaluation(
                evaluator, run, checkpoint, log_dir, eval_dir, moving_averages, explain
            )
        except BadInput:
            if is_readable(checkpoint):
                raise
            print(f"{checkpoint} was removed by the training; skipped", flush=True)


def write_evaluation(evaluator, run, checkpoint, log_dir, eval_dir, moving_averages, explain):
    """Evaluates one checkpoint, and writes the results to `eval_dir`; returns as `evaluate`."""
    # One pass over the split.
    dataset = evaluator.dataset
    with tqdm(None, dataset.split_name, dataset.num_samples, unit=" images", disable=None) as bar:
        try:
            found = evaluator.evaluate(checkpoint, on_batch=lambda b: bar.update(len(b["labels"])))
        except Diverged as error:
            raise BadInput(f"{checkpoint}: {error}; give an earlier --checkpoint") from error

    # Metrics and predictions.
    metrics = evaluator.describe(found, run)
    metrics |= compute_metrics(found.predictions, found.losses)
    tables = write_tables(eval_dir, metrics, found.predictions)

    # Plots, TensorBoard's pages, and the report that holds all of them.
    shown = ShownImages(dataset, found.predictions)
    mistakes = shown.at(shown.mistakes)
    if explain and mistakes:
        with contextlib.closing(RunModel(log_dir, checkpoint, moving_averages)) as model:
            mistakes = model.explain(encoded_at(dataset, shown.mistakes))
    curves = read_rows(Path(log_dir, "metrics.csv"))
    plots = draw_plots(eval_dir, found.predictions, shown, mistakes, curves)
    write_events(eval_dir, found, metrics, plots, shown)
    page = write_page(eval_dir, metrics, found.predictions, shown, plots, run)
    return metrics | {"eval_dir": str(eval_dir), "written": [*tables, *plots, page]}


def main(flags):
    """Evaluates or compares, and prints the results; the last line is JSON."""
    if flags.compare:
        compared = compare_runs(flags.compare)
        print(*comparison_lines(compared), sep="\n")
        print(json.dumps(compared))
        return
    print(describe_device(), flush=True)
    not_options = ("checkpoint", "watch", "timeout", "compare", "show")
    options = {name: value for name, value in vars(flags).items() if name not in not_options}
    if flags.watch:
        evaluations = watch(timeout=flags.timeout, **options)
    else:
        evaluations = [evaluate(checkpoint=flags.checkpoint, **options)]
    for metrics in evaluations:
        print(describe_metrics(metrics))
        if not flags.watch:
            print("Written:", *metrics["written"], sep="\n  ")
        names = ("checkpoint", "global_step", "split", "num_examples", "accuracy", "loss")
        print(json.dumps({name: metrics[name] for name in (*names, "eval_dir")}), flush=True)
        if flags.show:
            show([path for path in metrics["written"] if path.suffix == ".png"])


if __name__ == "__main__":
    run_main(lambda: main(FLAGS))
