"""What an export writes: a trained network, its weights constants of the graph, in three formats.

All of it is made of one frozen graph, so that the formats differ in nothing but their form.
"""

import errno
from pathlib import Path

from datasets.description import write_labels
from serving.exported import (
    ANSWERS,
    EXTRA_ASSETS,
    FROZEN_GRAPH,
    IMAGE_BYTES,
    IMAGES,
    SIGNATURE,
    TAGS,
)
from slim_on_tf2 import tf


def write_saved_model(folder, frozen, labels):
    """Writes a SavedModel with the signatures `serving_default` and `images`.

    Args:
      folder: where to; a folder that is not there or empty.
      frozen: a `GraphDef` of `serving_graph.freeze`.
      labels: the names of the classes, which also go to assets.extra/labels.txt.

    Raises:
      OSError: it cannot be written.
    """
    with tf.Graph().as_default() as graph, tf.Session() as session:
        tf.import_graph_def(frozen, name="")

        def signature(photos):
            return tf.saved_model.predict_signature_def(
                {photos: graph.get_tensor_by_name(f"{photos}:0")},
                {name: graph.get_tensor_by_name(f"{name}:0") for name in ANSWERS},
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
    """Writes frozen_graph.pb, and labels.txt beside it; arguments and errors as above."""
    Path(folder, FROZEN_GRAPH).write_bytes(frozen.SerializeToString(deterministic=True))
    write_labels(folder, labels)
