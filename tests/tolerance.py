"""The tolerance of tests that compare two float32 evaluations of the same network."""

import math

UNIT_ROUNDOFF = 2.0**-24  # the largest relative error of rounding to float32


def float32_tolerance(num_layers, fan_in=4096):
    """Returns the relative difference to expect between two float32 evaluations of a network.

    Evaluations differ in the order of sums: with the processor, the number of threads, the batch
    size, or batch norm folded into convolutions. A sum of n terms then has a relative error of
    about sqrt(n) * u, with u the unit roundoff (Higham and Mary, "A New Approach to Probabilistic
    Rounding Error Analysis", 2019). Each layer adds its own error to that of its input, and two
    evaluations differ by at most the sum of their errors: 2 * num_layers * sqrt(n) * u.

    The result is also the absolute tolerance for probabilities: softmax changes by at most half the
    change of the logits, which in the tests are at most 2 or 3.

    Args:
      num_layers: layers with weights, one after another; preprocessing or softmax alone are 1.
      fan_in: the largest number of terms in a sum.
    """
    return 2 * num_layers * math.sqrt(fan_in) * UNIT_ROUNDOFF
