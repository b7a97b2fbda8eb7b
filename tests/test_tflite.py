import os

import numpy as np
import pytest
from tiny_serving import freeze_tiny, images_of_all_formats
from tolerance import float32_tolerance

from serving import tflite
from slim_on_tf2 import tf

NUM_LAYERS = 4  # lenet
TOLERANCES = {
    "float32": float32_tolerance(NUM_LAYERS),
    # Each layer adds the error of its weights: relative 2**-11 when rounded to float16; half a step
    # of 2**-7 of their range when rounded to int8, where the activations add as much again.
    "float16": NUM_LAYERS * 2**-11,
    "int8": NUM_LAYERS * 2**-7,
}


@pytest.fixture(scope="module")
def network():
    """A frozen network, preprocessed images, and the probabilities that it predicts for them."""
    frozen, expected = freeze_tiny()
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(frozen, name="")
        inputs = session.run("inputs:0", {"image_bytes:0": images_of_all_formats()})
    return frozen, inputs, expected


@pytest.fixture(scope="module")
def models(network, tmp_path_factory):
    """Paths of the converted models, by precision."""
    paths = tflite.model_paths(tmp_path_factory.mktemp("tflite"))
    for precision, path in paths.items():
        path.write_bytes(tflite.convert(network[0], precision, network[1]))
    return paths


@pytest.mark.parametrize("precision", tflite.PRECISIONS)
def test_model_predicts_like_the_network(network, models, precision):
    _, inputs, expected = network
    interpreter = tflite.Interpreter(models[precision])
    found = [interpreter.probabilities(image[np.newaxis])[0] for image in inputs]
    np.testing.assert_allclose(found, expected, atol=TOLERANCES[precision])


def test_file_size_follows_from_the_precision(network, models):
    weights = sum(
        np.prod([axis.size for axis in node.attr["value"].tensor.tensor_shape.dim])
        for node in network[0].node
        if node.op == "Const" and node.name.endswith("/weights")
    )
    for precision, bytes_per_weight in (("float32", 4), ("float16", 2), ("int8", 1)):
        size = models[precision].stat().st_size / (bytes_per_weight * weights)
        assert 1 < size < 1.02  # biases, scales and the graph add little


def test_successful_conversion_prints_nothing(network, capfd):
    tflite.convert(network[0], "float32", network[1])
    assert capfd.readouterr().err == ""


def test_failed_conversion_prints_the_messages_of_the_converter(network, monkeypatch, capfd):
    def fail(converter):
        os.write(2, b"the reason\n")
        raise ValueError

    monkeypatch.setattr(tf.lite.TFLiteConverter, "convert", fail)
    with pytest.raises(ValueError):
        tflite.convert(network[0], "float32", network[1])
    assert capfd.readouterr().err == "the reason\n"


def test_model_has_only_the_operations_of_the_network(models):
    interpreter = tflite.Interpreter(models["float32"])._interpreter
    operations = [operation["op_name"] for operation in interpreter._get_ops_details()]
    convolutions = ["CONV_2D", "MAX_POOL_2D"] * 2
    dense = ["RESHAPE", "FULLY_CONNECTED", "FULLY_CONNECTED", "SOFTMAX"]
    assert [name for name in operations if name != "DELEGATE"] == convolutions + dense
