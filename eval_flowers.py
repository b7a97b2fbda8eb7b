"""Evaluates a network on a split: metrics, plots, and a table of predictions.

    python eval_flowers.py                                     # the best checkpoint of runs/flowers
    python eval_flowers.py --log_dir runs/birds --split test   # another run, another split
    python eval_flowers.py --checkpoint latest                 # or a path
    python eval_flowers.py --watch                             # each new checkpoint of a training
    python eval_flowers.py --compare runs/flowers runs/birds   # evaluated runs side by side
    python eval_flowers.py --model_name mobilenet_v1 --dataset_dir photos   # published, untrained

The network, image size and labels are read from log_dir/run.json. Those of --model_name are the
published ones; its images are TFRecords or photos labeled with ImageNet's classes. Writes to
log_dir/eval: report.html, metrics.json, predictions.csv, the plots predictions.png, mistakes.png,
confusion_matrix.png, calibration.png, per_class.png, learning_curves.png, and TensorBoard's pages.
"""

from eval_flags import parse_flags
from system.flags import parse_early, run_main

if __name__ == "__main__":  # a wrong flag is answered before TensorFlow loads, which takes seconds
    FLAGS = parse_early(parse_flags, None, __doc__)

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
from evaluation.imagenet_split import open_imagenet_split
from evaluation.metrics import SUMMARY, compute_metrics, top_k_accuracy
from evaluation.outputs import ShownImages, write_outputs
from evaluation.plot_windows import show
from evaluation.splits import default_eval_dir, get_run_split
from evaluation.watch import new_checkpoints, wait_for_run
from nets.features import penultimate
from nets.nets_factory import get_arg_scope, get_network
from preprocessing.preprocessing_factory import get_preprocessing
from serving.run_model import RunModel
from slim_on_tf2 import slim, tf
from system.device import describe_device
from system.errors import BadInput
from training.failures import Diverged
from training.metrics_log import read_rows
from training.run_checkpoints import find_weights
from training.run_precision import with_precision
from training.run_record import read_run


def build_evaluator(run, dataset, batch_size, moving_averages=False, with_features=False):
    """Returns an `Evaluator`, which has the graph that evaluates a network on a split.

    Args:
      run: the `Run`: its network, image size, preprocessing and precision are used.
      dataset: a `slim.dataset.Dataset` with the labels of `run`.
      batch_size: images per step; does not change the result.
      moving_averages: as for `Restorer`.
      with_features: whether to keep the input of the last layer for each image.
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
        predicted = tf.argmax(tf.nn.softmax(logits), 1)  # as in metrics.json, also where it rounds
        accuracy, update_op = slim.metrics.streaming_accuracy(predicted, batch["labels"])
        with tf.control_dependencies([update_op]):
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
        return Evaluator(run, graph, dataset, fetches, accuracy, initializers, restorer)


def evaluate(
    log_dir,
    checkpoint="best",
    split="validation",
    dataset_dir=None,
    eval_dir=None,
    batch_size=32,
    moving_averages=False,
    explain=False,
    mixed_precision="auto",
):
    """Evaluates a checkpoint of a run on a split, and writes the results.

    Args:
      log_dir: the run's folder.
      checkpoint: "best", "latest", or a path.
      split, dataset_dir, and so on: as the flags of these names.

    Returns:
      The metrics of metrics.json with `eval_dir`, and `written`, the paths of the files.

    Raises:
      BadInput: the run, the checkpoint, the split or its labels do not exist or do not match.
    """
    path, moving_averages = find_weights(log_dir, checkpoint, moving_averages)
    run = with_precision(read_run(log_dir), mixed_precision)
    dataset = get_run_split(run, split, dataset_dir)
    evaluator = build_evaluator(run, dataset, batch_size, moving_averages, with_features=True)
    eval_dir = eval_dir or default_eval_dir(log_dir, split)
    return write_evaluation(evaluator, path, eval_dir, moving_averages, explain, log_dir)


def evaluate_published(
    network,
    dataset_dir,
    split="validation",
    eval_dir=None,
    batch_size=32,
    explain=False,
    mixed_precision="auto",
):
    """Evaluates a network with its published checkpoint, and writes the results.

    Args:
      network: a `PublishedNetwork`, such as `find_published("mobilenet_v1")`.
      dataset_dir: TFRecords or photos labeled with ImageNet's classes; see `open_imagenet_split`.
      split, batch_size, explain, mixed_precision: as the flags.
      eval_dir: the output folder, by default eval/ and the name of the network.

    Returns:
      As `evaluate`. All classes of the network compete for each image; scores and plots show those
      that are a label or were predicted.

    Raises:
      BadInput: there is no such checkpoint or split, or a label is not a class of ImageNet.
    """
    run, path = with_precision(network.run, mixed_precision), network.fetch()
    with open_imagenet_split(run, dataset_dir, split) as dataset:
        evaluator = build_evaluator(run, dataset, batch_size, None, with_features=True)
        eval_dir = eval_dir or Path("eval", run.model_name)
        return write_evaluation(evaluator, path, eval_dir, None, explain)


def watch(
    log_dir,
    timeout=None,
    split="validation",
    dataset_dir=None,
    eval_dir=None,
    batch_size=32,
    moving_averages=False,
    explain=False,
    mixed_precision="auto",
):
    """Yields what `evaluate` returns for each new checkpoint of a run, until the run has ended.

    `eval_dir` is log_dir/watch by default; the other arguments are those of the flags.
    """
    wait_for_run(log_dir, timeout)
    run = with_precision(read_run(log_dir), mixed_precision)
    dataset = get_run_split(run, split, dataset_dir)
    evaluator = build_evaluator(run, dataset, batch_size, moving_averages, with_features=True)
    eval_dir = eval_dir or Path(log_dir, "watch")
    for path in new_checkpoints(log_dir, timeout):
        try:
            yield write_evaluation(evaluator, path, eval_dir, moving_averages, explain, log_dir)
        except BadInput:
            if is_readable(path):
                raise
            print(f"{path} was removed by the training; skipped", flush=True)


def write_evaluation(evaluator, checkpoint, eval_dir, moving_averages, explain, log_dir=None):
    """Evaluates one checkpoint, and writes the results to `eval_dir`; returns as `evaluate`."""
    # One pass over the split.
    run, dataset = evaluator.run, evaluator.dataset
    with tqdm(None, dataset.split_name, dataset.num_samples, unit=" images", disable=None) as bar:
        try:
            found = evaluator.evaluate(checkpoint, on_batch=lambda b: bar.update(len(b["labels"])))
        except Diverged as error:
            raise BadInput(f"{checkpoint}: {error}; give an earlier --checkpoint") from error

    # Metrics. A published network, which has no log_dir, has too many classes to show all of them.
    reported = found.predictions if log_dir else found.predictions.of_occurring_classes()
    metrics = evaluator.describe(found) | compute_metrics(reported, found.losses)
    metrics |= {"top_k": top_k_accuracy(found.predictions), "moving_averages": moving_averages}

    # Tables, plots, TensorBoard's pages, and the report that holds all of them.
    shown = ShownImages(dataset, found.predictions)
    mistakes = shown.at(shown.mistakes)
    if explain and mistakes:
        with contextlib.closing(RunModel(run, checkpoint, moving_averages)) as model:
            mistakes = model.explain(encoded_at(dataset, shown.mistakes))
    curves = read_rows(Path(log_dir, "metrics.csv")) if log_dir else []
    written = write_outputs(eval_dir, found, reported, metrics, shown, mistakes, curves, run)
    return metrics | {"eval_dir": str(eval_dir), "written": written}


def main(flags):
    """Evaluates or compares, and prints the results; the last line is JSON."""
    if flags.compare:
        compared = compare_runs(flags.compare)
        print(*comparison_lines(compared), sep="\n")
        print(json.dumps(compared))
        return
    print(describe_device(), flush=True)
    names = ["split", "dataset_dir", "eval_dir", "batch_size", "explain", "mixed_precision"]
    names += [] if flags.network else ["moving_averages"]
    options = {name: getattr(flags, name) for name in names}
    if flags.network:
        print(flags.network.describe(), flush=True)
        evaluations = [evaluate_published(flags.network, **options)]
    elif flags.watch:
        evaluations = watch(flags.log_dir, flags.timeout, **options)
    else:
        evaluations = [evaluate(flags.log_dir, flags.checkpoint, **options)]
    for metrics in evaluations:
        print(describe_metrics(metrics))
        if not flags.watch:
            print("Written:", *metrics["written"], sep="\n  ")
        print(json.dumps({name: metrics[name] for name in SUMMARY}), flush=True)
        if flags.show:
            show([path for path in metrics["written"] if path.suffix == ".png"])


if __name__ == "__main__":
    run_main(lambda: main(FLAGS))
