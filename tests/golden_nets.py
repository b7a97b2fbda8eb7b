"""Compares a network with the published one, described in tests/golden/<network>.json.

A file holds the name, shape and trainability of every variable. For the weights and images of
`golden_fill`, in evaluation mode, it holds the logits and the shape, mean and standard deviation of
every end point.
"""

import json
from pathlib import Path

import golden_fill
import numpy as np

from slim_on_tf2 import slim, tf

# Up to 500 layers sum up to 5,000 products each. Their rounding errors add up like a random walk,
# to this fraction of the largest value.
ROUNDING = float(np.sqrt(500 * 5000) * np.finfo(np.float32).eps)


def read(network):
    """The content of the JSON file of `network`, a dict."""
    return json.loads((Path(__file__).parent / "golden" / f"{network}.json").read_text())


def fill(session):
    """Assigns the values of `golden_fill` to the model variables of the session's graph."""
    with session.graph.as_default():
        variables = slim.get_model_variables()
    values = {
        variable.initializer.inputs[1]: golden_fill.variable_value(
            variable.op.name, variable.shape.as_list()
        )
        for variable in variables
    }
    session.run([variable.initializer for variable in variables], values)


def check_variables(golden):
    """Checks name, shape and trainability of the model variables in the default graph."""
    expected = {name: (shape, trainable) for name, shape, trainable in golden["variables"]}
    actual = {v.op.name: (v.shape.as_list(), v.trainable) for v in slim.get_model_variables()}
    assert actual == expected
    trainable = sum(np.prod(v.shape.as_list(), dtype=int) for v in tf.trainable_variables())
    assert trainable == golden["num_parameters"]


def check_shapes(golden, end_points):
    """Checks names and shapes of end points, tensors for two images."""
    expected = {name: value["shape"] for name, value in golden["end_points"].items()}
    assert {name: end_point.shape.as_list() for name, end_point in end_points.items()} == expected


def check_logits(logits, expected):
    """Checks logits up to rounding."""
    np.testing.assert_allclose(logits, expected, rtol=0, atol=ROUNDING * np.abs(expected).max())


def check_outputs(golden, logits, end_points):
    """Checks logits, and name, shape, mean and standard deviation of end points."""
    check_logits(logits, golden["logits"])
    assert set(end_points) == set(golden["end_points"])
    for name, expected in golden["end_points"].items():
        value = end_points[name].astype(np.float64)
        assert list(value.shape) == expected["shape"], name
        tolerance = ROUNDING * expected["std"]
        np.testing.assert_allclose(value.mean(), expected["mean"], atol=tolerance, err_msg=name)
        np.testing.assert_allclose(value.std(), expected["std"], atol=tolerance, err_msg=name)
