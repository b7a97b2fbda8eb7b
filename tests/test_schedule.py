import math
from types import SimpleNamespace

import pytest

from slim_on_tf2 import tf
from training.schedule import Schedule, batch_norm_decay, last_step, learning_rate


def test_an_epoch_ends_at_the_step_that_reads_its_last_photo():
    # 7 photos in batches of 3: photos 1-3, 4-6, 7-9 (7 ends epoch 1), 10-12, 13-15 (14 ends 2).
    schedule = Schedule(num_examples=7, batch_size=3, last_step=7)
    assert [step for step in range(1, 8) if schedule.ends_epoch(step)] == [3, 5, 7]


def test_a_batch_larger_than_the_split_ends_an_epoch_each_step():
    schedule = Schedule(num_examples=3, batch_size=10, last_step=4)
    assert all(schedule.ends_epoch(step) for step in range(1, 5))


def test_validation_is_at_the_ends_of_epochs_and_at_the_last_step():
    schedule = Schedule(num_examples=10, batch_size=5, last_step=5)
    assert [step for step in range(6) if schedule.validates(step)] == [2, 4, 5]


def test_eval_steps_replaces_the_epochs():
    schedule = Schedule(num_examples=10, batch_size=5, last_step=7, eval_steps=3)
    assert [step for step in range(8) if schedule.validates(step)] == [3, 6, 7]


@pytest.mark.parametrize(
    ("photos", "batch", "epochs", "steps", "expected"),
    [(3320, 10, 70, None, 23240), (7, 3, 2, None, 5), (7, 3, 2, 0, 0), (7, 3, 2, 9, 9)],
)
def test_the_last_step_reads_every_photo_of_the_last_epoch(photos, batch, epochs, steps, expected):
    assert last_step(photos, batch, epochs, steps) == expected


def test_batch_norm_forgets_its_first_values_at_once_and_never_stops_averaging():
    step = tf.placeholder(tf.int64, [])
    decay = batch_norm_decay(step)
    with tf.Session() as session:
        decays = [session.run(decay, {step: at}) for at in range(1000)]
    assert math.prod(decays[:10]) < 1e-4  # the share of the first values after ten steps
    assert decays == sorted(decays)
    assert decays[0] == pytest.approx(0.1)
    assert decays[41] == pytest.approx(42 / 51)
    assert decays[-1] == pytest.approx(0.99)


def test_the_learning_rate_goes_down_in_stairs():
    flags = SimpleNamespace(
        learning_rate=0.0002, learning_rate_decay_factor=0.7, num_epochs_per_decay=2, batch_size=10
    )
    step = tf.placeholder(tf.int64, [])
    rate = learning_rate(step, flags, num_examples=3320)
    with tf.Session() as session:
        for at, stairs in ((0, 0), (663, 0), (664, 1), (1327, 1), (1328, 2), (23239, 34)):
            assert session.run(rate, {step: at}) == pytest.approx(0.0002 * 0.7**stairs, rel=1e-5)
