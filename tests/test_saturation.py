import numpy as np
import pytest
from sample_images import value

from preprocessing.saturation import adjust_saturation
from slim_on_tf2 import tf

# TensorFlow's conversion to HSV and back takes about ten roundings of values of up to 1.2, and it
# divides hues of grays by an epsilon of 1e-6.
TOLERANCE = 2e-5


@pytest.mark.parametrize("factor", [0.0, 0.5, 0.9, 1.0, 1.5, 20.0])
def test_equals_that_of_tensorflow(factor):
    rng = np.random.default_rng(1)
    colors = rng.uniform(-0.2, 1.2, (60, 50, 3)).astype(np.float32)  # of adjusted brightness
    colors[0] = colors[0, :, :1]  # grays
    colors[1, :, 1] = 0  # fully saturated
    colors[2] = -np.abs(colors[2])
    colors[3] = 0
    ours, expected = value(
        [adjust_saturation(tf.constant(colors), factor), tf.image.adjust_saturation(colors, factor)]
    )
    np.testing.assert_allclose(ours, expected, atol=TOLERANCE)


def test_one_color_by_hand():
    # Value 0.8; saturation 0.75, times 1.2 = 0.9: 0.8 - 1.2 * (0.8 - x).
    adjusted = value(adjust_saturation(tf.constant([[[0.8, 0.2, 0.4]]]), 1.2))
    np.testing.assert_allclose(adjusted, [[[0.8, 0.08, 0.32]]], atol=1e-6)
