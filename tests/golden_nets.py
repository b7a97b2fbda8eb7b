"""Compares a network with the published one, of which tests/golden/<network>.json holds figures.

A file holds every variable's name, shape and trainability; and for weights and images made by
`golden_fill`, in evaluation mode, the logits and each end point's shape, mean and deviation.
"""

import json
from pathlib import Path

import golden_fill
import numpy as np

from slim_on_tf2 import slim, tf


def read(network):
    """The figures of `network`: a dict as the JSON file has it."""
    return json.loads((Path(__file__).parent / "golden" / f"{network}.json").read_text())


def fill(session):
    """Gives each model variable of the session's graph its golden value."""
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
    """The default graph's model variables are the published ones: name, shape, trainability."""
    expected = {name: (shape, trainable) for name, shape, trainable in golden["variables"]}
    actual = {v.op.name: (v.shape.as_list(), v.trainable) for v in slim.get_model_variables()}
    assert actual == expected
    trainable = sum(np.prod(v.shape.as_list(), dtype=int) for v in tf.trainable_variables())
    assert trainable == golden["num_parameters"]


def check_shapes(golden, end_points):
    """End points, tensors for two images, by name and shape."""
    expected = {name: value["shape"] for name, value in golden["end_points"].items()}
    assert {name: end_point.shape.as_list() for name, end_point in end_points.items()} == expected


def check_outputs(golden, logits, end_points):
    """Logits within 1e-3 relative; end points by name and shape, mean and deviation within 1e-4."""
    rounding = 1e-5 * np.abs(golden["logits"]).max()  # for a logit near 0 among large ones
    np.testing.assert_allclose(logits, golden["logits"], rtol=1e-3, atol=rounding)
    assert set(end_points) == set(golden["end_points"])
    for name, expected in golden["end_points"].items():
        value = end_points[name].astype(np.float64)
        assert list(value.shape) == expected["shape"], name
        tolerance = 1e-4 * expected["std"]
        np.testing.assert_allclose(value.mean(), expected["mean"], atol=tolerance, err_msg=name)
        np.testing.assert_allclose(value.std(), expected["std"], atol=tolerance, err_msg=name)
