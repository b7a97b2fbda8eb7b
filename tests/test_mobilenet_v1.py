import golden_nets
import numpy as np
import pytest

from nets.mobilenet_v1 import mobilenet_v1, mobilenet_v1_base
from slim_on_tf2 import slim, tf


def test_number_of_parameters_equals_that_of_keras():
    mobilenet_v1(tf.zeros([1, 224, 224, 3]), 1000)  # biases instead of batch norm
    with_biases = sum(np.prod(v.shape.as_list(), dtype=int) for v in slim.get_model_variables())
    normalized = 32 + sum(  # channels of all batch norms, from Table 1 of the paper
        depth_in + depth_out
        for depth_in, depth_out in zip(
            [32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024],
            [64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024],
        )
    )
    # Batch norm has gamma, beta and two moving averages per channel instead of one bias.
    assert with_biases + 3 * normalized == 4_253_864


@pytest.mark.parametrize("last", ["Conv2d_0", "Conv2d_1_depthwise", "Conv2d_7_pointwise"])
def test_base_ends_at_any_end_point(last):
    names = list(golden_nets.read("mobilenet_v1")["end_points"])
    net, end_points = mobilenet_v1_base(tf.zeros([2, 64, 64, 3]), final_endpoint=last)
    assert list(end_points) == names[: names.index(last) + 1]
    assert net is end_points[last]


def test_depths_are_scaled_down_to_minimum():
    _, end_points = mobilenet_v1_base(tf.zeros([1, 32, 32, 3]), depth_multiplier=0.06)
    depths = [end_points[f"Conv2d_{n}_pointwise"].shape[3] for n in range(1, 14)]
    assert depths == [8, 8, 8, 15, 15, 30, 30, 30, 30, 30, 30, 61, 61]
