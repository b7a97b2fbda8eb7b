"""Exports as their users meet them: opened by TensorFlow alone, photos in, names out.

Nothing here builds a network or prepares a photo; what an export answers comes out of its own
graph.
"""

from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError

from bad_input import BadInput
from datasets.description import read_labels
from serving import versions
from slim_on_tf2 import tf
from training.device import session_config

SAVED_MODEL = "saved_model.pb"
EXTRA_ASSETS = "assets.extra"  # the folder of a SavedModel for what no graph reads
FROZEN_GRAPH = "frozen_graph.pb"
TAGS = [tf.saved_model.tag_constants.SERVING]
SIGNATURE = tf.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY
# Of the signatures; and in the graph, whose tensors are called the same.
IMAGE_BYTES, IMAGES = "image_bytes", "images"
ANSWERS = ("label", "probability", "classes", "probabilities")
NETWORK_INPUTS = "inputs:0"

CURE = "give a folder that export_flowers.py wrote, or export again"


class Exported:
    """An opened export: a session, and what to feed and fetch in it.

    Attributes:
      labels: list of str, the names of the classes in the order of `probabilities`.
    """

    def __init__(self, labels, session, image_bytes, answers):
        """Takes what `open_saved_model` and `open_frozen_graph` have read."""
        self.labels = labels
        self._session = session
        self._image_bytes = image_bytes
        self._answers = answers

    def answers(self, photos):
        """What the export says of some photos.

        Args:
          photos: a list of bytes, encoded photos of any size: JPEG, PNG, GIF or BMP.

        Returns:
          A dict of arrays: `label` bytes [photos] and `probability` float32 [photos] of the most
          probable class; `classes` bytes [photos, classes], in the order of `labels`, and
          `probabilities` float32 [photos, classes].

        Raises:
          tf.errors.InvalidArgumentError: one of the photos cannot be decoded.
        """
        return self._session.run(self._answers, self._feed(photos))

    def probabilities(self, photos):
        """The probabilities alone, float32 [photos, classes]; otherwise as `answers`."""
        return self._session.run(self._answers["probabilities"], self._feed(photos))

    def network_inputs(self, photos):
        """The photos as the network sees them, float32 [photos, side, side, channels]."""
        return self._session.run(NETWORK_INPUTS, self._feed(photos))

    def probabilities_of_inputs(self, inputs):
        """The probabilities, float32 [photos, classes], of what `network_inputs` gives."""
        return self._session.run(self._answers["probabilities"], {NETWORK_INPUTS: inputs})

    def close(self):
        """Gives back what the network takes."""
        self._session.close()

    def _feed(self, photos):
        return {self._image_bytes: np.array(photos, object)}


class ExportedModel(Exported):
    """A SavedModel that export_flowers.py wrote; `path` is the folder of its version."""

    def __init__(self, path):
        """Opens a SavedModel.

        Args:
          path: the folder of a version, or the one above it, of which the newest is taken.

        Raises:
          BadInput: there is no export, it was cut off, or it has other signatures.
        """
        self.path = newest_version(path)
        labels = read_labels(self.path / EXTRA_ASSETS)
        session = tf.Session(graph=tf.Graph(), config=session_config())
        try:
            meta_graph = tf.saved_model.loader.load(session, TAGS, str(self.path))
        except (tf.errors.OpError, DecodeError, OSError, RuntimeError, ValueError) as error:
            raise BadInput(f"{self.path} is no SavedModel that can be served; {CURE}") from error
        super().__init__(labels, session, *_tensors_of_serving(meta_graph, self.path))


class FrozenGraph(Exported):
    """A frozen graph that export_flowers.py wrote."""

    def __init__(self, folder):
        """Opens `folder`/frozen_graph.pb.

        Raises:
          BadInput: it is not there, was cut off, or is the graph of something else.
        """
        path = Path(folder, FROZEN_GRAPH)
        if not path.is_file():
            raise BadInput(f"there is no {path}; {CURE}")
        session = tf.Session(graph=tf.Graph(), config=session_config())
        try:
            with session.graph.as_default():
                tf.import_graph_def(tf.GraphDef.FromString(path.read_bytes()), name="")
            tensors = [session.graph.get_tensor_by_name(f"{n}:0") for n in (IMAGE_BYTES, *ANSWERS)]
        except (DecodeError, ValueError, KeyError) as error:
            raise BadInput(f"{path} is no frozen graph of photos and answers; {CURE}") from error
        super().__init__(read_labels(folder), session, tensors[0], dict(zip(ANSWERS, tensors[1:])))


def newest_version(path):
    """The folder of the SavedModel that `path` means: itself, or the highest version in it.

    Raises:
      BadInput: there is none.
    """
    path = Path(path)
    if (path / SAVED_MODEL).is_file():
        return path
    if not path.is_dir():
        raise BadInput(f"{path}: there is no such folder; {CURE}")
    known = versions.numbers(path)
    newest = path / str(known[-1]) if known else path
    if not (newest / SAVED_MODEL).is_file():
        raise BadInput(f"{newest} holds no {SAVED_MODEL}; {CURE}")
    return newest


def _tensors_of_serving(meta_graph, path):
    """The names of what to feed, and of what to fetch by answer, of the default signature."""
    if SIGNATURE not in meta_graph.signature_def:
        raise BadInput(f"{path} has no signature {SIGNATURE}; {CURE}")
    signature = meta_graph.signature_def[SIGNATURE]
    inputs, outputs = signature.inputs, signature.outputs
    if IMAGE_BYTES not in inputs or not set(ANSWERS) <= set(outputs):
        raise BadInput(
            f"{path}: {SIGNATURE} takes {', '.join(inputs)} and returns {', '.join(outputs)}; "
            f"expected {IMAGE_BYTES}, and {', '.join(ANSWERS)}; {CURE}"
        )
    return inputs[IMAGE_BYTES].name, {name: outputs[name].name for name in ANSWERS}
