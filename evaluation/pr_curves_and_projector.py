"""TensorBoard's PR Curves dashboard and projector, written to the folder of an evaluation."""

import math
from pathlib import Path

import numpy as np
from google.protobuf import text_format
from PIL import Image, ImageOps
from tensorboard.plugins.pr_curve import summary as pr_curve_summary
from tensorboard.plugins.projector import ProjectorConfig, metadata

from slim_on_tf2 import tf
from system.files import atomic_write

POINTS_SHOWN = 2000  # in the projector, which takes seconds to lay them out
SPRITE_SIDE = 8192  # pixels; the limit of TensorBoard and of many graphics cards
THUMBNAIL_SIDE = 64  # pixels; less if the sprite would exceed its limit


def write_pr_curves(eval_dir, predictions, step):
    """Writes a one-vs-rest precision-recall curve for each class.

    Args:
      eval_dir: the folder for the event file.
      predictions: a `Predictions`.
      step: the global step of the checkpoint.
    """
    values = []
    for label, name in enumerate(predictions.class_names):
        curve = pr_curve_summary.pb(
            f"pr_curves/{name}",
            labels=predictions.labels == label,
            # Rounding may lift a probability slightly above 1, the last threshold.
            predictions=np.minimum(predictions.probabilities[:, label], 1),
            display_name=name,
            description="This class against all others.",
        )
        values += tf.Summary.FromString(curve.SerializeToString()).value
    with tf.Graph().as_default():
        # Event files are named by the second; the suffix keeps this one from replacing another.
        writer = tf.summary.FileWriter(str(eval_dir), filename_suffix=".pr_curves")
        writer.add_summary(tf.Summary(value=values), step)
        writer.close()


def write_projector(eval_dir, predictions, indices, features, images):
    """Writes features for TensorBoard's projector, with metadata and a thumbnail for each point.

    Writes `projector_config.pbtxt` to `eval_dir`, and the files that it refers to to
    `eval_dir`/projector. The configuration is empty while they are written, so TensorBoard never
    mixes old and new files.

    Args:
      eval_dir: the folder of an evaluation; TensorBoard needs an event file in it.
      predictions: a `Predictions`.
      indices: int [shown], the images to show, for example of `choose_examples`.
      features: float [shown, depth], for example `nets.features.penultimate` of these images.
      images: an iterable of `shown` uint8 arrays [height, width, 3]; they are cropped to squares.

    Raises:
      BadInput: a file cannot be written.
      ValueError: the numbers of indices, features and images differ.
    """
    if len(features) != len(indices):
        raise ValueError(f"expected features of {len(indices)} images, got {len(features)}")
    config_path = Path(eval_dir, metadata.PROJECTOR_FILENAME)
    folder = Path(eval_dir, "projector")
    with atomic_write(config_path) as temporary:
        temporary.touch()
    with atomic_write(folder / "features.tsv") as temporary:
        # As text, because TensorBoard may mistake a binary file for text.
        np.savetxt(temporary, features, fmt="%.6g", delimiter="\t")
    with atomic_write(folder / "metadata.tsv") as temporary:
        temporary.write_bytes(_metadata(predictions, indices).encode("utf-8", "replace"))
    sprite, side = _sprite(images, len(indices))
    with atomic_write(folder / "sprite.png") as temporary:
        sprite.save(temporary, "png")
    config = ProjectorConfig()
    embedding = config.embeddings.add(
        tensor_name="penultimate",
        tensor_path="projector/features.tsv",
        metadata_path="projector/metadata.tsv",
    )
    embedding.sprite.image_path = "projector/sprite.png"
    embedding.sprite.single_image_dim.extend([side, side])
    with atomic_write(config_path) as temporary:
        temporary.write_text(text_format.MessageToString(config), encoding="utf-8")


def _metadata(predictions, indices):
    """The tab-separated table of the points, with a header."""
    rows = [("filename", "label", "prediction", "confidence", "result")]
    for index in indices:
        rows.append(
            (
                predictions.filenames[index],
                predictions.class_names[predictions.labels[index]],
                predictions.class_names[predictions.predicted[index]],
                f"{predictions.confidence[index]:.4f}",
                "correct" if predictions.correct[index] else "wrong",
            )
        )
    # A tab or a line feed within a name would start another column or row.
    return "".join("\t".join(" ".join(cell.split()) for cell in row) + "\n" for row in rows)


def _sprite(images, count):
    """Arranges `count` thumbnails in a square, row by row.

    Returns:
      The sprite, and the side of a thumbnail in pixels.
    """
    columns = max(1, math.ceil(math.sqrt(count)))
    side = min(THUMBNAIL_SIDE, SPRITE_SIDE // columns)
    sprite = Image.new("RGB", (columns * side, columns * side))
    for position, image in zip(range(count), images, strict=True):
        row, column = divmod(position, columns)
        thumbnail = ImageOps.fit(Image.fromarray(image), (side, side))
        sprite.paste(thumbnail, (column * side, row * side))
    return sprite, side
