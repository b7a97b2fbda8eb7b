"""TensorFlow Lite models of a trained network, in three precisions.

They hold the network alone: float32 [1, side, side, channels], one preprocessed image, to float32
[1, classes], the probabilities. Decoding and resizing are left to the device. The three models
have the same input and output, so they can replace one another.
"""

import os
import sys
import warnings
from pathlib import Path

from datasets.description import write_labels
from serving.exported import NETWORK_INPUTS, NETWORK_LOGITS
from slim_on_tf2 import capture_stderr, tf

PRECISIONS = ("float32", "float16", "int8")
SUFFIX = ".tflite"
THREADS = min(4, os.cpu_count() or 1)  # as many as a phone has fast cores


def convert(frozen, precision, representative_inputs):
    """Converts the network of a frozen graph to TensorFlow Lite.

    Args:
      frozen: a `GraphDef` from `serving_graph.freeze`.
      precision: one of `PRECISIONS`. float16 halves the size of the weights. int8 quantizes weights
        and activations (Jacob et al. 2017, "Quantization and Training of Neural Networks for
        Efficient Integer-Arithmetic-Only Inference"); operations without an int8 version stay
        float32.
      representative_inputs: float32 [n, side, side, channels], n >= 1 preprocessed images. They
        give the input shape, and the ranges of the activations for int8.

    Returns:
      The model as bytes.
    """
    network = _network_alone(frozen, representative_inputs.shape[1:])
    with tf.Graph().as_default(), tf.Session() as session:
        image, probabilities = tf.import_graph_def(
            network, return_elements=["input:0", "probabilities:0"], name=""
        )
        converter = tf.lite.TFLiteConverter.from_session(session, [image], [probabilities])
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if precision == "int8":
            converter.representative_dataset = lambda: ([x[None]] for x in representative_inputs)
        return _convert_quietly(converter)


def _network_alone(frozen, input_shape):
    """Returns a `GraphDef` from `input`, one image, to `probabilities`, without the decoding."""
    with tf.Graph().as_default() as graph:
        image = tf.placeholder(tf.float32, [1, *input_shape], "input")
        # Ends at the network's logits, ahead of the operations for an empty batch
        (logits,) = tf.import_graph_def(
            frozen, {NETWORK_INPUTS: image}, [NETWORK_LOGITS], name="network"
        )
        probabilities = tf.nn.softmax(logits, name="probabilities")
        return tf.graph_util.extract_sub_graph(graph.as_graph_def(), [probabilities.op.name])


def _convert_quietly(converter):
    """Runs the converter and shows its messages, many of them from C++, only if it fails."""
    lines = []
    try:
        with capture_stderr(lines):
            return converter.convert()
    except Exception:
        print(*lines, sep="\n", file=sys.stderr)
        raise


class Interpreter:
    """Runs a TensorFlow Lite model on one image at a time."""

    def __init__(self, path):
        """Loads the model file `path`, for `THREADS` threads."""
        with warnings.catch_warnings():
            # Deprecated in favor of another package, but still part of TensorFlow
            warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter is deprec")
            self._interpreter = tf.lite.Interpreter(str(path), num_threads=THREADS)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()

    def probabilities(self, inputs):
        """Returns float32 [1, classes] for float32 [1, side, side, channels]."""
        self._interpreter.set_tensor(self._input["index"], inputs)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output["index"])


def model_paths(folder):
    """Returns the paths of the model files in a folder, by precision."""
    return {precision: Path(folder, precision + SUFFIX) for precision in PRECISIONS}


def write_models(folder, models, labels):
    """Writes model files and labels.txt.

    Args:
      folder: an existing folder.
      models: precision -> the bytes of the model.
      labels: the class names.
    """
    for precision, path in model_paths(folder).items():
        path.write_bytes(models[precision])
    write_labels(folder, labels)
