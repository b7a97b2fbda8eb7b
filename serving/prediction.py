"""Predictions for image files, by a run, an export of it, or a published network."""

import contextlib
import itertools
import sys

import numpy as np

from datasets.parallel import in_parallel
from datasets.photo_files import read_jpegs
from datasets.photos import BadPhoto, fault_of
from serving.exported import ExportedModel
from serving.prediction_table import Prediction
from serving.run_model import RunModel
from slim_on_tf2 import capture_stderr, tf
from system.errors import BadInput
from system.precision_names import AUTO
from training.run_checkpoints import find_weights
from training.run_precision import with_precision
from training.run_record import read_run


def open_model(
    log_dir=None,
    checkpoint="best",
    moving_averages=False,
    export_dir=None,
    network=None,
    mixed_precision=AUTO,
):
    """Loads an export or a published network, or a run if there is neither.

    Args:
      log_dir: the run's folder.
      checkpoint: of the run: "best", "latest", or a path.
      moving_averages: whether to use these instead of the run's raw weights.
      export_dir: the folder of an export, which replaces the first three.
      network: a `PublishedNetwork`, which replaces the first three.
      mixed_precision: as the flag; `auto` is that of the training, and `off` for an export.

    Returns:
      A `RunModel` or an `ExportedModel`; both have `labels`, `needed_size`, `probabilities`
      and `close`.

    Raises:
      BadInput: the run, the checkpoint or the export is at fault, or the precision is one that this
        machine does not compute fast.
    """
    if export_dir is not None:
        return ExportedModel(export_dir)
    run = with_precision(network.run if network else read_run(log_dir), mixed_precision)
    if network is not None:
        return RunModel(run, network.fetch(), moving_averages=None)
    path, uses_averages = find_weights(log_dir, checkpoint, moving_averages)
    if uses_averages:
        print(f"Weights: the moving averages of {path}", flush=True)
    return RunModel(run, path, uses_averages)


def predict_batches(model, files, top_k, batch_size):
    """Predicts image files, reading a bounded distance ahead in threads.

    Args:
      model: a model of `open_model`.
      files: `PhotoFile`s.
      top_k: number of classes for each image, at most all.
      batch_size: images per step.

    Yields:
      Lists of (`Prediction`, the image as an upright JPEG, bytes), one pair for each of at most
      `batch_size` files, in order; the image is None if the prediction is an error.

    Raises:
      BadInput: the network has diverged.
    """
    with contextlib.closing(read_jpegs(files, model.needed_size)) as images:
        while batch := list(itertools.islice(images, batch_size)):
            yield _predict_batch(model, batch, top_k)


def _predict_batch(model, batch, top_k):
    """Returns (`Prediction`, JPEG) pairs for (`PhotoFile`, JPEG or `BadPhoto`) pairs."""
    readable = [jpeg for _, jpeg in batch if not isinstance(jpeg, BadPhoto)]
    results = iter(_probabilities(model, readable))
    pairs = []
    for file, jpeg in batch:
        result = jpeg if isinstance(jpeg, BadPhoto) else next(results)
        if isinstance(result, BadPhoto):
            pairs.append((Prediction(file.name, error=str(result)), None))
        else:
            pairs.append((_top_predictions(file.name, result, model.labels, top_k), jpeg))
    return pairs


def _probabilities(model, jpegs):
    """Returns for each image float32 [classes], or the `BadPhoto` that was found."""
    if not jpegs:
        return []
    messages = []
    try:
        with capture_stderr(messages):
            return model.probabilities(jpegs)
    except tf.errors.InvalidArgumentError:
        messages.clear()  # of the decoder about a broken image, whose `BadPhoto` says it better
        return _probabilities_of_sound(model, jpegs)
    finally:
        for line in messages:
            print(line, file=sys.stderr)


def _probabilities_of_sound(model, jpegs):
    """Like `_probabilities`, of a batch that failed because of a broken image in it.

    The broken ones are found and left out; if none is, each image is tried alone.
    """
    faults = list(in_parallel(fault_of, jpegs))
    if len(jpegs) == 1:
        return [BadPhoto(faults[0] or "TensorFlow cannot decode it")]
    if not any(faults):
        return [result for jpeg in jpegs for result in _probabilities(model, [jpeg])]
    sound = iter(_probabilities(model, [jpeg for jpeg, fault in zip(jpegs, faults) if not fault]))
    return [BadPhoto(fault) if fault else next(sound) for fault in faults]


def _top_predictions(name, probabilities, labels, top_k):
    if not np.isfinite(probabilities).all():
        raise BadInput(
            f"{name}: the network returns {probabilities[0]} as a probability: it has diverged; "
            "give an earlier --checkpoint"
        )
    best = np.argsort(-probabilities, kind="stable")[:top_k]
    return Prediction(name, [labels[i] for i in best], probabilities[best].tolist())
