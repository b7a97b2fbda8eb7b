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

    def __init__(self, labels, session, signatures):
        """Takes what has been opened.

        Args:
          labels: as the attribute.
          session: of the export's graph.
          signatures: for `IMAGE_BYTES` and `IMAGES`, what to feed, and a dict of what to fetch by
            answer.
        """
        self.labels = labels
        self._session = session
        self._signatures = signatures

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
        photos_in, answers = self._signatures[IMAGE_BYTES]
        return self._session.run(answers, {photos_in: _strings(photos)})

    def answers_of_images(self, images):
        """As `answers`, of pictures: float32 [photos, any height, any width, 3] in [0, 1]."""
        images_in, answers = self._signatures[IMAGES]
        return self._session.run(answers, {images_in: images})

    def probabilities(self, photos):
        """The probabilities alone, float32 [photos, classes]; otherwise as `answers`."""
        photos_in, answers = self._signatures[IMAGE_BYTES]
        return self._session.run(answers["probabilities"], {photos_in: _strings(photos)})

    def network_inputs(self, photos):
        """The photos as the network sees them, float32 [photos, side, side, channels]."""
        photos_in, _ = self._signatures[IMAGE_BYTES]
        return self._session.run(NETWORK_INPUTS, {photos_in: _strings(photos)})

    def probabilities_of_inputs(self, inputs):
        """The probabilities, float32 [photos, classes], of what `network_inputs` gives."""
        _, answers = self._signatures[IMAGE_BYTES]
        return self._session.run(answers["probabilities"], {NETWORK_INPUTS: inputs})

    def close(self):
        """Gives back what the network takes."""
        self._session.close()


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
        super().__init__(labels, session, _signatures(meta_graph, self.path))


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
            names = (IMAGE_BYTES, IMAGES, *ANSWERS)
            tensors = {name: session.graph.get_tensor_by_name(f"{name}:0") for name in names}
        except (DecodeError, ValueError, KeyError) as error:
            raise BadInput(f"{path} is no frozen graph of photos and answers; {CURE}") from error
        answers = {name: tensors[name] for name in ANSWERS}
        signatures = {photos: (tensors[photos], answers) for photos in (IMAGE_BYTES, IMAGES)}
        super().__init__(read_labels(folder), session, signatures)


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
        others = [*newest.glob("*.tflite"), *newest.glob(FROZEN_GRAPH)]
        instead = f", but {others[0].name}: only SavedModels are read" if others else ""
        raise BadInput(f"{newest} holds no {SAVED_MODEL}{instead}; {CURE}")
    return newest


def _strings(photos):
    return np.array(photos, object)


def _signatures(meta_graph, path):
    """The names of what to feed, and of what to fetch by answer, for each kind of photos."""
    return {
        IMAGE_BYTES: _signature(meta_graph, SIGNATURE, IMAGE_BYTES, path),
        IMAGES: _signature(meta_graph, IMAGES, IMAGES, path),
    }


def _signature(meta_graph, name, photos, path):
    if name not in meta_graph.signature_def:
        raise BadInput(f"{path} has no signature {name}; {CURE}")
    signature = meta_graph.signature_def[name]
    inputs, outputs = signature.inputs, signature.outputs
    if photos not in inputs or not set(ANSWERS) <= set(outputs):
        raise BadInput(
            f"{path}: {name} takes {', '.join(inputs)} and returns {', '.join(outputs)}; "
            f"expected {photos}, and {', '.join(ANSWERS)}; {CURE}"
        )
    return inputs[photos].name, {answer: outputs[answer].name for answer in ANSWERS}
