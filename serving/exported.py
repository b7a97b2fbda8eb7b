"""Opens exports with TensorFlow alone: encoded images in, class names and probabilities out.

Nothing here builds a network or preprocesses an image; that is part of the exported graph.
"""

import json
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError

from datasets.description import read_labels
from serving import versions
from slim_on_tf2 import tf
from system.device import session_config
from system.errors import BadInput

SAVED_MODEL = "saved_model.pb"
EXTRA_ASSETS = "assets.extra"  # folder of a SavedModel for files that the graph does not read
FROZEN_GRAPH = "frozen_graph.pb"
DESCRIPTION_FILE = "export.json"
TAGS = [tf.saved_model.tag_constants.SERVING]
SIGNATURE = tf.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY
# Names in the signatures and of the tensors in the graph
IMAGE_BYTES, IMAGES = "image_bytes", "images"
OUTPUTS = ("label", "probability", "classes", "probabilities")
NETWORK_INPUTS = "inputs:0"
NETWORK_LOGITS = "network_logits:0"

CURE = "pass a folder written by export_flowers.py, or export again"


class _Export:
    """An opened export: a session, and what to feed and fetch.

    Attributes:
      labels: list of str, the names of the classes in the order of `probabilities`.
    """

    def __init__(self, labels, session, signatures):
        """Initializes the export.

        Args:
          labels: see the attribute.
          session: a session of the exported graph.
          signatures: for `IMAGE_BYTES` and `IMAGES`, the tensor to feed and a dict of the tensors
            to fetch, by output.
        """
        self.labels = labels
        self._session = session
        self._signatures = signatures

    def predict(self, image_bytes):
        """Runs the export on encoded images.

        Args:
          image_bytes: a list of bytes, encoded images of any size: JPEG, PNG, GIF or BMP.

        Returns:
          A dict of arrays: `label` bytes [batch] and `probability` float32 [batch] of the most
          probable class; `classes` bytes [batch, classes], in the order of `labels`, and
          `probabilities` float32 [batch, classes].

        Raises:
          tf.errors.InvalidArgumentError: an image cannot be decoded.
        """
        return self._run(self._signatures[IMAGE_BYTES][1], image_bytes)

    def predict_images(self, images):
        """Like `predict`, on decoded images: float32 [batch, height, width, 3] in [0, 1]."""
        feed, outputs = self._signatures[IMAGES]
        return self._session.run(outputs, {feed: images})

    def probabilities(self, image_bytes):
        """Like `predict`, but returns only the probabilities, float32 [batch, classes]."""
        return self._run(self._signatures[IMAGE_BYTES][1]["probabilities"], image_bytes)

    def network_inputs(self, image_bytes):
        """Returns the preprocessed images, float32 [batch, side, side, channels]."""
        return self._run(NETWORK_INPUTS, image_bytes)

    def probabilities_of_inputs(self, inputs):
        """Returns float32 [batch, classes], the probabilities for preprocessed images."""
        outputs = self._signatures[IMAGE_BYTES][1]
        return self._session.run(outputs["probabilities"], {NETWORK_INPUTS: inputs})

    def close(self):
        """Closes the session."""
        self._session.close()

    def _run(self, fetches, image_bytes):
        feed = self._signatures[IMAGE_BYTES][0]
        return self._session.run(fetches, {feed: np.array(image_bytes, object)})


class ExportedModel(_Export):
    """A SavedModel written by export_flowers.py.

    Attributes:
      path: the folder of its version.
      needed_size: height and width in pixels of a photo that the preprocessing does not enlarge;
        None if it does not resize, or for an export of an earlier version, which decodes photos at
        full size.
    """

    def __init__(self, path):
        """Opens a SavedModel.

        Args:
          path: the folder of a version, or its parent, whose latest version is opened.

        Raises:
          BadInput: there is no SavedModel, it is truncated, or it has other signatures.
        """
        self.path = latest_version(path)
        labels = read_labels(self.path / EXTRA_ASSETS)
        self.needed_size = _needed_size(self.path / EXTRA_ASSETS / DESCRIPTION_FILE)
        session = tf.Session(graph=tf.Graph(), config=session_config())
        try:
            meta_graph = tf.saved_model.loader.load(session, TAGS, str(self.path))
        except (tf.errors.OpError, DecodeError, OSError, RuntimeError, ValueError) as error:
            raise BadInput(f"{self.path}: not a valid SavedModel; {CURE}") from error
        names = {IMAGE_BYTES: SIGNATURE, IMAGES: IMAGES}
        signatures = {
            feed: _signature(meta_graph, name, feed, self.path) for feed, name in names.items()
        }
        super().__init__(labels, session, signatures)


class FrozenGraph(_Export):
    """A frozen graph written by export_flowers.py."""

    def __init__(self, folder):
        """Opens `folder`/frozen_graph.pb.

        Raises:
          BadInput: the file is missing, truncated, or another graph.
        """
        path = Path(folder, FROZEN_GRAPH)
        if not path.is_file():
            raise BadInput(f"{path}: no such file; {CURE}")
        session = tf.Session(graph=tf.Graph(), config=session_config())
        try:
            with session.graph.as_default():
                tf.import_graph_def(tf.GraphDef.FromString(path.read_bytes()), name="")
            names = (IMAGE_BYTES, IMAGES, *OUTPUTS)
            tensors = {name: session.graph.get_tensor_by_name(f"{name}:0") for name in names}
        except (DecodeError, ValueError, KeyError) as error:
            raise BadInput(f"{path}: not a valid frozen graph of a classifier; {CURE}") from error
        outputs = {name: tensors[name] for name in OUTPUTS}
        signatures = {feed: (tensors[feed], outputs) for feed in (IMAGE_BYTES, IMAGES)}
        super().__init__(read_labels(folder), session, signatures)


def latest_version(path):
    """Returns the folder of the SavedModel at `path`: `path` itself or its highest version.

    Raises:
      BadInput: there is none.
    """
    path = Path(path)
    if (path / SAVED_MODEL).is_file():
        return path
    if not path.is_dir():
        raise BadInput(f"{path}: no such folder; {CURE}")
    known = versions.list_versions(path)
    latest = path / str(known[-1]) if known else path
    if not (latest / SAVED_MODEL).is_file():
        others = [*latest.glob("*.tflite"), *latest.glob(FROZEN_GRAPH)]
        found = f", found {others[0].name}" if others else ""
        raise BadInput(f"{latest}: expected a SavedModel ({SAVED_MODEL}){found}; {CURE}")
    return latest


def _needed_size(description):
    """Returns the attribute of an `ExportedModel`, from its export.json."""
    if not description.exists():
        return None
    try:
        size = json.loads(description.read_text())["seen_by_the_network"].get("needed_size")
        return size and (int(size[0]), int(size[1]))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise BadInput(f"{description}: not the description of an export; {CURE}") from error


def _signature(meta_graph, name, feed, path):
    """The name of the tensor to feed, and a dict of those to fetch, by output."""
    if name not in meta_graph.signature_def:
        raise BadInput(f"{path}: no signature {name}; {CURE}")
    signature = meta_graph.signature_def[name]
    inputs, outputs = signature.inputs, signature.outputs
    if feed not in inputs or not set(OUTPUTS) <= set(outputs):
        raise BadInput(
            f"{path}: signature {name} takes {', '.join(inputs)} and returns {', '.join(outputs)}; "
            f"expected {feed}, and {', '.join(OUTPUTS)}; {CURE}"
        )
    return inputs[feed].name, {output: outputs[output].name for output in OUTPUTS}
