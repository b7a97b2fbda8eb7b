import math
from types import SimpleNamespace

import numpy as np
import pytest

from slim_on_tf2 import tf
from training.learning_rates import describe_learning_rate, learning_rate_at, learning_rates
from training.schedule import Schedule

TUTORIAL = {
    "learning_rate": 0.0002,
    "learning_rate_decay_type": "exponential",
    "learning_rate_decay_factor": 0.7,
    "num_epochs_per_decay": 2.0,
    "end_learning_rate": 0.0,
    "warmup_epochs": 0.0,
}


def flags(**changes):
    return SimpleNamespace(**TUTORIAL | changes)


def schedule(last_step=100, num_examples=100, batch_size=10):
    return Schedule(num_examples, batch_size, last_step)


def test_exponential_is_a_staircase_that_counts_epochs():
    rates = learning_rates(
        [0, 663, 664, 1327, 1328, 23239], flags(), schedule(23240, num_examples=3320)
    )
    stairs = np.array([0, 0, 1, 1, 2, 34])
    np.testing.assert_allclose(rates, 0.0002 * 0.7**stairs, rtol=1e-5)


def test_cosine_follows_its_closed_form_to_the_end_rate():
    cosine = flags(learning_rate=0.5, learning_rate_decay_type="cosine", end_learning_rate=0.1)
    expected = [0.1 + 0.4 * (1 + math.cos(math.pi * step / 100)) / 2 for step in range(0, 101, 10)]
    np.testing.assert_allclose(
        learning_rates(range(0, 101, 10), cosine, schedule()), expected, rtol=1e-5
    )


def test_polynomial_is_a_line_and_fixed_is_constant():
    line = flags(learning_rate=0.5, learning_rate_decay_type="polynomial", end_learning_rate=0.1)
    np.testing.assert_allclose(
        learning_rates([0, 25, 50, 100, 120], line, schedule()),
        [0.5, 0.4, 0.3, 0.1, 0.1],
        rtol=1e-5,
    )
    fixed = flags(learning_rate=0.5, learning_rate_decay_type="fixed")
    assert learning_rates([0, 99], fixed, schedule()) == [0.5, 0.5]


def test_warmup_grows_in_a_line_and_the_cosine_begins_after_it():
    warm = flags(learning_rate=0.4, learning_rate_decay_type="cosine", warmup_epochs=2.0)
    # Two epochs are 20 steps: the first has a twentieth of the rate, the last all of it.
    rates = learning_rates([0, 9, 19, 20, 60], warm, schedule())
    np.testing.assert_allclose(rates, [0.02, 0.2, 0.4, 0.4, 0.2], rtol=1e-5)


@pytest.mark.parametrize("kind", ["cosine", "polynomial"])
def test_longer_run_stretches_the_schedule(kind):
    stretched = flags(learning_rate_decay_type=kind)
    short = learning_rates([25, 50, 75], stretched, schedule(last_step=100))
    long = learning_rates([50, 100, 150], stretched, schedule(last_step=200))
    np.testing.assert_allclose(short, long, rtol=1e-5)


def test_shortened_run_has_a_warmup_that_is_shorter_by_the_same_factor():
    """Of 100 steps 50 are left: 20 steps of warmup become 10, and the cosine spans the other 40."""
    warm = flags(learning_rate=0.4, learning_rate_decay_type="cosine", warmup_epochs=2.0)
    with tf.Graph().as_default(), tf.Session() as session:
        step, last_step = tf.placeholder(tf.int64, []), tf.constant(50, tf.int64)
        rate = learning_rate_at(step, warm, schedule(), last_step)
        rates = [session.run(rate, {step: at}) for at in (0, 4, 9, 10, 30, 50)]
    np.testing.assert_allclose(rates, [0.04, 0.2, 0.4, 0.4, 0.2, 0.0], rtol=1e-5, atol=1e-8)


def test_negligible_rate_before_half_of_the_run_gets_a_warning():
    # 0.7 ** 13 is below a hundredth; 26 epochs of 10 steps.
    lines = describe_learning_rate(flags(), schedule(last_step=540), 0)
    assert lines[0] == "Learning rate: 0.0002, times 0.7 every 2 epochs"
    assert "Warning: the learning rate is 1.9e-06 at step 270, half of the run" in lines[1]
    assert len(describe_learning_rate(flags(), schedule(last_step=500), 0)) == 1


def test_run_that_trains_nothing_has_no_rate():
    assert describe_learning_rate(flags(), schedule(last_step=0), 0) == []


def test_finished_run_that_trains_on_says_its_rate_and_the_cure():
    lines = describe_learning_rate(flags(), schedule(last_step=900), 700)
    assert "; 7.58e-10 at step 700" in lines[0]
    assert "--continue_from" in lines[1]
    cosine = flags(learning_rate_decay_type="cosine")
    (line,) = describe_learning_rate(cosine, schedule(last_step=200), 100)
    assert line == "Learning rate: 0.0002, cosine to 0 at step 200; 0.0001 at step 100"
