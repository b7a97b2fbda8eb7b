import golden_nets
import numpy as np
import pytest

from nets.inception_blocks import auxiliary_logits
from slim_on_tf2 import slim, tf


@pytest.mark.parametrize(("side", "kernel"), [(4, 1), (8, 2), (17, 5), (20, 6)])
def test_auxiliary_kernel_has_size_of_pooled_grid(side, kernel):
    logits = auxiliary_logits(tf.zeros([2, side, side, 1088]), 7)
    assert logits.shape.as_list() == [2, 7]
    (weights,) = slim.get_model_variables("AuxLogits/Conv2d_2a_5x5/weights")
    assert weights.shape.as_list() == [kernel, kernel, 128, 768]


def test_auxiliary_head_of_small_grid_in_numpy():
    grid = np.random.RandomState(0).uniform(0, 1, [2, 4, 4, 1088]).astype(np.float32)
    logits = auxiliary_logits(tf.constant(grid), 7)
    with tf.Session() as session:
        golden_nets.fill(session)
        result = session.run(logits)
        value = {v.op.name: session.run(v) for v in slim.get_model_variables()}

    expected = grid.mean((1, 2))
    for layer in ("Conv2d_1b_1x1", "Conv2d_2a_5x5"):
        weights = value[f"AuxLogits/{layer}/weights"][0, 0]
        expected = np.maximum(expected @ weights + value[f"AuxLogits/{layer}/biases"], 0)
    expected = expected @ value["AuxLogits/Logits/weights"] + value["AuxLogits/Logits/biases"]
    golden_nets.check_logits(result, expected)
