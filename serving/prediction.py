"""What a trained network says about photos: from its run, or from an export of it.

    from training import predict

    for prediction in predict("runs/flowers", ["garden/", "rose.jpg"]):
        print(prediction.filename, prediction.labels[0], prediction.probabilities[0])

`predict_batches` is underneath: it reads photos ahead in threads, and keeps one batch in memory.
"""

import contextlib
import itertools
import os

import numpy as np

from bad_input import BadInput
from datasets.photo_files import find_photo_files, read_photos
from datasets.photos import BadPhoto
from flags import checked_value, path, truth, whole_number
from reporting.prediction_table import Prediction
from serving.exported import ExportedModel
from slim_on_tf2 import tf
from training.run_model import RunModel


def predict(
    log_dir,
    photos,
    top_k=3,
    checkpoint="best",
    moving_averages=False,
    export_dir=None,
    batch_size=32,
):
    """Predicts what photos show.

    Args:
      log_dir: the run's folder; None with `export_dir`, and only then.
      photos: a path or several: files, folders, patterns; see `photo_files.find_photo_files`.
        Of several, one that matches nothing is an error like a file that is no photo.
      top_k: how many names to give for each photo, where there are so many classes.
      checkpoint: of the run: "best", "latest", or a path.
      moving_averages: whether to take these in the place of the run's weights.
      export_dir: predicts with this export in the place of a run, so without a checkpoint too.
      batch_size: photos at once; no influence on what is predicted.

    Returns:
      A list of `Prediction`s, one for each photo; a file that is no photo has an `error`.

    Raises:
      BadInput: no path matches anything; an argument is not what is documented here; or the run,
        the checkpoint or the export is at fault.
    """
    log_dir = checked_value("log_dir", path, log_dir)
    export_dir = checked_value("export_dir", path, export_dir)
    checkpoint = checked_value("checkpoint", path, str(checkpoint))
    moving_averages = checked_value("moving_averages", truth, str(moving_averages))
    top_k = checked_value("top_k", whole_number(1), str(top_k))
    batch_size = checked_value("batch_size", whole_number(1), str(batch_size))
    _check_source(log_dir, checkpoint, moving_averages, export_dir)
    files = find_photo_files(_paths(photos))
    with contextlib.closing(open_model(log_dir, checkpoint, moving_averages, export_dir)) as model:
        batches = predict_batches(model, files, top_k, batch_size)
        return [prediction for batch in batches for prediction, _ in batch]


def _check_source(log_dir, checkpoint, moving_averages, export_dir):
    """Raises `BadInput` unless there is a run or an export, and nothing of a run with an export."""
    if export_dir is None and log_dir is None:
        raise BadInput("log_dir: expected the folder of a run; or give export_dir")
    of_a_run = {
        "log_dir": log_dir is not None,
        "checkpoint": checkpoint != "best",
        "moving_averages": moving_averages,
    }
    for name, is_given in of_a_run.items():
        if export_dir is not None and is_given:
            raise BadInput(f"{name} is of a run, export_dir has none: leave out one of them")


def _paths(photos):
    """The paths, as str, of a path or several."""
    try:
        if isinstance(photos, str | bytes | os.PathLike):
            return [os.fsdecode(photos)]
        return [os.fsdecode(photo) for photo in photos]
    except TypeError as error:
        raise BadInput(f"photos: expected a path or several ({error})") from error


def open_model(log_dir, checkpoint="best", moving_averages=False, export_dir=None):
    """Loads a run or an export; arguments as `predict`.

    Returns:
      A `RunModel` or an `ExportedModel`; both have `labels`, `probabilities`, `close`.

    Raises:
      BadInput: the run, the checkpoint or the export is at fault.
    """
    if export_dir is not None:
        return ExportedModel(export_dir)
    return RunModel(log_dir, checkpoint, moving_averages)


def predict_batches(model, files, top_k, batch_size):
    """Predicts what photos show, reading a bounded distance ahead.

    Args:
      model: of `open_model`.
      files: `PhotoFile`s.
      top_k: how many names to give for each photo, where there are so many classes.
      batch_size: photos at once.

    Yields:
      Lists of (`Prediction`, `Photo`), one pair for each of at most `batch_size` files, in order;
      None stands for the `Photo` where the prediction is an error.

    Raises:
      BadInput: the network gives no probabilities, as one that has diverged.
    """
    with contextlib.closing(read_photos(files)) as photos:
        while batch := list(itertools.islice(photos, batch_size)):
            yield _predict_batch(model, batch, top_k)


def _predict_batch(model, batch, top_k):
    """The pairs of (`Prediction`, `Photo`) for pairs of (`PhotoFile`, `Photo` or `BadPhoto`)."""
    good = [photo.jpeg for _, photo in batch if not isinstance(photo, BadPhoto)]
    answers = iter(_probabilities(model, good))
    pairs = []
    for file, photo in batch:
        answer = photo if isinstance(photo, BadPhoto) else next(answers)
        if isinstance(answer, BadPhoto):
            pairs.append((Prediction(file.name, error=str(answer)), None))
        else:
            pairs.append((_ranked(file.name, answer, model.labels, top_k), photo))
    return pairs


def _probabilities(model, jpegs):
    """For each photo its probabilities, float32 [classes], or the `BadPhoto` that TensorFlow found.

    A photo that TensorFlow cannot decode fails together with all that are fed with it; so each of
    them is tried alone then.
    """
    if not jpegs:
        return []
    try:
        return model.probabilities(jpegs)
    except tf.errors.InvalidArgumentError:
        if len(jpegs) == 1:
            return [BadPhoto("TensorFlow cannot decode it")]
        return [answer for jpeg in jpegs for answer in _probabilities(model, [jpeg])]


def _ranked(name, probabilities, labels, top_k):
    if not np.isfinite(probabilities).all():
        raise BadInput(
            f"{name}: the network answers {probabilities[0]} and no probabilities, as one that has "
            "diverged; use an earlier checkpoint"
        )
    best = np.argsort(-probabilities, kind="stable")[:top_k]
    return Prediction(name, [labels[i] for i in best], probabilities[best].tolist())
