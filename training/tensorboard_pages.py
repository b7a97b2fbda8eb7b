"""TensorBoard's pages beyond scalars and images: precision-recall curves, projector, hparams.

The curves and the projector are of an evaluation and lie in its folder; the hparams are of a
training and lie in its log_dir, so that `tensorboard --logdir runs` compares all runs in it.
"""

import math
from pathlib import Path

import numpy as np
from google.protobuf import text_format
from PIL import Image, ImageOps
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import summary as hparams_summary
from tensorboard.plugins.pr_curve import summary as pr_curve_summary
from tensorboard.plugins.projector import ProjectorConfig, metadata

from files import written_aside
from slim_on_tf2 import tf

POINTS_SHOWN = 2000  # in the projector: a browser lays out so many in seconds
SPRITE_SIDE = 8192  # pixels: graphics cards take no larger picture, and so does TensorBoard
THUMBNAIL_SIDE = 64  # pixels, or less where there are many photos

# Flags that say where something lies or how often something is said. All others shape the result.
BOOKKEEPING = {
    "log_dir",
    "dataset_dir",
    "checkpoints_dir",
    "checkpoints_mirror",
    "eval_steps",
    "save_steps",
    "summary_steps",
}


def write_pr_curves(eval_dir, predictions, step):
    """Writes a precision-recall curve a class, each class against all others.

    Args:
      eval_dir: where the event file goes.
      predictions: a `Predictions`.
      step: the global step of the checkpoint.
    """
    values = []
    for label, name in enumerate(predictions.class_names):
        curve = pr_curve_summary.pb(
            f"pr_curves/{name}",
            labels=predictions.labels == label,
            # Rounding may lift a probability a little above 1, where the last threshold is.
            predictions=np.minimum(predictions.probabilities[:, label], 1),
            display_name=name,
            description="This class against all others.",
        )
        values += tf.Summary.FromString(curve.SerializeToString()).value
    with tf.Graph().as_default():
        # The suffix keeps this file from the name of another that was begun in the same second.
        writer = tf.summary.FileWriter(str(eval_dir), filename_suffix=".pr_curves")
        writer.add_summary(tf.Summary(value=values), step)
        writer.close()


def write_projector(eval_dir, predictions, indices, features, photos):
    """Writes features for TensorBoard's projector, with names and a small photo at each point.

    Writes `projector_config.pbtxt` to `eval_dir`, and what it names to `eval_dir`/projector. The
    configuration is empty while the rest changes, so what TensorBoard reads belongs together.

    Args:
      eval_dir: the folder of an evaluation; with its event files it is a run to TensorBoard.
      predictions: a `Predictions`.
      indices: int [shown], the photos to show, for example `POINTS_SHOWN` of `choose_examples`.
      features: float [shown, depth], for example `nets.features.penultimate` of those photos.
      photos: an iterable of `shown` uint8 arrays [height, width, 3], each cut to a square.

    Raises:
      BadInput: a file cannot be written.
      ValueError: there is not one row of features and one photo for each of `indices`.
    """
    if len(features) != len(indices):
        raise ValueError(f"expected features of {len(indices)} photos, got {len(features)}")
    config_path = Path(eval_dir, metadata.PROJECTOR_FILENAME)
    folder = Path(eval_dir, "projector")
    with written_aside(config_path) as aside:
        aside.touch()
    with written_aside(folder / "features.tsv") as aside:
        # As text: of raw bytes TensorBoard can only guess that they are no text.
        np.savetxt(aside, features, fmt="%.6g", delimiter="\t")
    with written_aside(folder / "metadata.tsv") as aside:
        aside.write_bytes(_metadata(predictions, indices).encode("utf-8", "replace"))
    sprite, side = _sprite(photos, len(indices))
    with written_aside(folder / "sprite.png") as aside:
        sprite.save(aside, "png")
    config = ProjectorConfig()
    embedding = config.embeddings.add(
        tensor_name="penultimate",
        tensor_path="projector/features.tsv",
        metadata_path="projector/metadata.tsv",
    )
    embedding.sprite.image_path = "projector/sprite.png"
    embedding.sprite.single_image_dim.extend([side, side])
    with written_aside(config_path) as aside:
        aside.write_text(text_format.MessageToString(config), encoding="utf-8")


def _metadata(predictions, indices):
    """The table of the points, tab-separated, with a header."""
    lines = [("file", "label", "prediction", "confidence", "verdict")]
    for index in indices:
        lines.append(
            (
                predictions.filenames[index],
                predictions.class_names[predictions.labels[index]],
                predictions.class_names[predictions.predicted[index]],
                f"{predictions.confidence[index]:.4f}",
                "right" if predictions.correct[index] else "wrong",
            )
        )
    # A tab or a line feed in a name would begin another column or point.
    return "".join("\t".join(" ".join(cell.split()) for cell in line) + "\n" for line in lines)


def _sprite(photos, count):
    """Puts `count` photos into a square of squares, row by row.

    Returns:
      The picture, and the side of each photo in it in pixels.
    """
    columns = max(1, math.ceil(math.sqrt(count)))
    side = min(THUMBNAIL_SIDE, SPRITE_SIDE // columns)
    sprite = Image.new("RGB", (columns * side, columns * side))
    for place, photo in zip(range(count), photos, strict=True):
        row, column = divmod(place, columns)
        thumbnail = ImageOps.fit(Image.fromarray(photo), (side, side))
        sprite.paste(thumbnail, (column * side, row * side))
    return sprite, side


def write_session_start(log_dir, flags):
    """Says to TensorBoard's hparams page with which flags a training begins.

    The page's other columns are all scalars of the run and of those below it, `validation.accuracy`
    among them. Of a run that goes on TensorBoard keeps the flags that it was begun with.

    Args:
      log_dir: the training's; its events go to the writer that `FileWriterCache` holds for it.
      flags: name -> value of all flags; those of `BOOKKEEPING` are left out.
    """
    told = {
        # Spelled out, so that TensorBoard sees it differ from a value that another run was given.
        name: "default" if value is None else value
        for name, value in flags.items()
        if name not in BOOKKEEPING
    }
    _add_summary(log_dir, hparams_summary.session_start_pb(told))


def write_session_end(log_dir, succeeded):
    """Says to TensorBoard's hparams page how a training ended.

    TensorBoard keeps the first end that it reads of a run. So this is for a training that reached
    its last step or failed for good, and not for one that was interrupted and may go on.

    Args:
      log_dir: as for `write_session_start`.
      succeeded: whether the last step was reached.
    """
    status = api_pb2.STATUS_SUCCESS if succeeded else api_pb2.STATUS_FAILURE
    _add_summary(log_dir, hparams_summary.session_end_pb(status))


def _add_summary(log_dir, summary):
    """Adds a summary at step 0, which no run that goes on takes back."""
    writer = tf.summary.FileWriterCache.get(str(log_dir))
    writer.add_summary(summary, 0)
    writer.flush()
