"""Writes the formats of an export from one frozen graph, with the weights as constants."""

import errno
from pathlib import Path

from datasets.description import write_labels
from serving.exported import (
    EXTRA_ASSETS,
    FROZEN_GRAPH,
    IMAGE_BYTES,
    IMAGES,
    OUTPUTS,
    SIGNATURE,
    TAGS,
)
from slim_on_tf2 import tf


def write_saved_model(folder, frozen, labels):
    """Writes a SavedModel with the signatures `serving_default` and `images`.

    Args:
      folder: the folder to write to; it must not exist or be empty.
      frozen: a `GraphDef` from `serving_graph.freeze`.
      labels: the names of the classes, also written to assets.extra/labels.txt.

    Raises:
      OSError: the files cannot be written.
    """
    with tf.Graph().as_default() as graph, tf.Session() as session:
        tf.import_graph_def(frozen, name="")

        def signature(feed):
            return tf.saved_model.predict_signature_def(
                {feed: graph.get_tensor_by_name(f"{feed}:0")},
                {name: graph.get_tensor_by_name(f"{name}:0") for name in OUTPUTS},
            )

        signatures = {SIGNATURE: signature(IMAGE_BYTES), IMAGES: signature(IMAGES)}
        try:
            builder = tf.saved_model.Builder(str(folder))
            builder.add_meta_graph_and_variables(
                session, TAGS, signatures, strip_default_attrs=True
            )
            builder.save()
        except tf.errors.OpError as error:
            raise OSError(errno.EIO, error.message.rpartition("; ")[2]) from error
    write_labels(Path(folder, EXTRA_ASSETS), labels)


def write_frozen_graph(folder, frozen, labels):
    """Writes frozen_graph.pb and labels.txt; the arguments are those of `write_saved_model`."""
    Path(folder, FROZEN_GRAPH).write_bytes(frozen.SerializeToString(deterministic=True))
    write_labels(folder, labels)
