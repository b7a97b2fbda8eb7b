"""TensorFlow Lite: a trained network for phones and boards, in three precisions.

The files hold the network alone. It takes one photo as the network sees it, float32
[1, side, side, channels], and gives float32 [1, classes]: decoding and resizing are a phone's own
matter, and float32 at the edges keeps the three files exchangeable.
"""

import os
import sys
import warnings
from pathlib import Path

from serving.exported import NETWORK_INPUTS
from slim_on_tf2 import stderr_held_back, tf

PRECISIONS = ("float32", "float16", "int8")
SUFFIX = ".tflite"
THREADS = min(4, os.cpu_count() or 1)  # the fast cores of a phone


def convert(frozen, precision, representative):
    """Makes a TensorFlow Lite model of the network in a frozen graph.

    Args:
      frozen: a `GraphDef` of `serving_graph.freeze`.
      precision: one of `PRECISIONS`. float16 halves the weights. int8 quantizes the weights and
        what flows between the layers (Jacob et al. 2017, "Quantization and Training of Neural
        Networks for Efficient Integer-Arithmetic-Only Inference"); what has no such form stays
        float32.
      representative: float32 [n, side, side, channels], photos as the network sees them: one gives
        the input its shape, and all show int8 the ranges that it has to span.

    Returns:
      The model's bytes.
    """
    with tf.Graph().as_default(), tf.Session() as session:
        picture = tf.placeholder(tf.float32, [1, *representative.shape[1:]], "input")
        (probabilities,) = tf.import_graph_def(
            frozen, {NETWORK_INPUTS: picture}, ["probabilities:0"], name=""
        )
        converter = tf.lite.TFLiteConverter.from_session(session, [picture], [probabilities])
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if precision == "int8":
            converter.representative_dataset = lambda: ([photo[None]] for photo in representative)
        return _quietly(converter.convert)


def _quietly(convert):
    """Calls `convert`; what its C++ side tells of itself is shown only where it fails."""
    lines = []
    try:
        with stderr_held_back(lines):
            return convert()
    except Exception:
        print(*lines, sep="\n", file=sys.stderr)
        raise


class Interpreter:
    """A TensorFlow Lite model that answers one photo at a time."""

    def __init__(self, path):
        """Opens the model file `path`, for `THREADS` threads."""
        with warnings.catch_warnings():
            # TensorFlow has not yet dropped it, and its successor is another package.
            warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter is deprec")
            self._interpreter = tf.lite.Interpreter(str(path), num_threads=THREADS)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()

    def probabilities(self, inputs):
        """Float32 [1, classes], of float32 [1, side, side, channels]."""
        self._interpreter.set_tensor(self._input["index"], inputs)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output["index"])


def models_in(folder):
    """The model files in a folder: path by precision."""
    return {precision: Path(folder, precision + SUFFIX) for precision in PRECISIONS}
