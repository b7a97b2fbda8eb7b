import os

import numpy as np
import pytest
from tiny_serving import freeze_tiny, photos_of_all_kinds

from serving import tflite
from slim_on_tf2 import tf


@pytest.fixture(scope="module")
def network():
    """A frozen network, what it sees of some photos, and what it says of them."""
    frozen, expected = freeze_tiny()
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(frozen, name="")
        inputs = session.run("inputs:0", {"image_bytes:0": photos_of_all_kinds()})
    return frozen, inputs, expected


@pytest.fixture(scope="module")
def models(network, tmp_path_factory):
    """The network's model files, by precision."""
    paths = tflite.models_in(tmp_path_factory.mktemp("tflite"))
    for precision, path in paths.items():
        path.write_bytes(tflite.convert(network[0], precision, network[1]))
    return paths


@pytest.mark.parametrize(
    ("precision", "difference"), [("float32", 1e-5), ("float16", 0.01), ("int8", 0.1)]
)
def test_each_precision_answers_as_the_network(network, models, precision, difference):
    _, inputs, expected = network
    interpreter = tflite.Interpreter(models[precision])
    found = [interpreter.probabilities(photo[np.newaxis])[0] for photo in inputs]
    np.testing.assert_allclose(found, expected, atol=difference)


def test_fewer_bits_make_smaller_files(network, models):
    weights = sum(
        np.prod([axis.size for axis in node.attr["value"].tensor.tensor_shape.dim])
        for node in network[0].node
        if node.op == "Const" and node.name.endswith("/weights")
    )
    for precision, bytes_a_weight in (("float32", 4), ("float16", 2), ("int8", 1)):
        size = models[precision].stat().st_size
        assert bytes_a_weight * weights < size < bytes_a_weight * weights + 30_000


def test_the_converter_does_not_chatter(network, capfd):
    tflite.convert(network[0], "float32", network[1])
    assert capfd.readouterr().err == ""


def test_a_conversion_that_fails_says_all_that_was_held_back(network, monkeypatch, capfd):
    def fail(converter):
        os.write(2, b"the reason\n")
        raise ValueError

    monkeypatch.setattr(tf.lite.TFLiteConverter, "convert", fail)
    with pytest.raises(ValueError):
        tflite.convert(network[0], "float32", network[1])
    assert capfd.readouterr().err == "the reason\n"
