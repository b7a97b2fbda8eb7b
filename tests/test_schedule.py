import math
from types import SimpleNamespace

import pytest

from slim_on_tf2 import tf
from training.optimization import batch_norm_decay, configure_learning_rate
from training.schedule import Schedule, make_schedule


def test_epoch_ends_at_the_step_that_reads_its_last_image():
    # 7 images in batches of 3: images 1-3, 4-6, 7-9 (7 ends epoch 1), 10-12, 13-15 (14 ends 2).
    schedule = Schedule(num_examples=7, batch_size=3, last_step=7)
    assert [step for step in range(1, 8) if schedule.ends_epoch(step)] == [3, 5, 7]


def test_batch_larger_than_the_split_ends_an_epoch_each_step():
    schedule = Schedule(num_examples=3, batch_size=10, last_step=4)
    assert all(schedule.ends_epoch(step) for step in range(1, 5))


def test_validation_follows_each_epoch_and_the_last_step():
    schedule = Schedule(num_examples=10, batch_size=5, last_step=5)
    assert [step for step in range(6) if schedule.validates(step)] == [2, 4, 5]


def test_eval_steps_replaces_the_epochs():
    schedule = Schedule(num_examples=10, batch_size=5, last_step=7, eval_steps=3)
    assert [step for step in range(8) if schedule.validates(step)] == [3, 6, 7]


@pytest.mark.parametrize(
    ("examples", "batch_size", "num_epochs", "max_number_of_steps", "last_step"),
    [(3320, 10, 70, None, 23240), (7, 3, 2, None, 5), (7, 3, 2, 0, 0), (7, 3, 2, 9, 9)],
)
def test_last_step_reads_every_image_of_the_last_epoch(
    examples, batch_size, num_epochs, max_number_of_steps, last_step
):
    flags = SimpleNamespace(
        batch_size=batch_size,
        num_epochs=num_epochs,
        max_number_of_steps=max_number_of_steps,
        summary_steps=10,
        eval_steps=None,
    )
    assert make_schedule(flags, examples).last_step == last_step


def test_batch_norm_decay_grows_to_its_maximum():
    step = tf.placeholder(tf.int64, [])
    decay = batch_norm_decay(step)
    with tf.Session() as session:
        decays = [session.run(decay, {step: at}) for at in range(1000)]
    assert math.prod(decays[:10]) < 1e-4  # the share of the first values after ten steps
    assert decays == sorted(decays)
    assert decays[0] == pytest.approx(0.1)
    assert decays[41] == pytest.approx(42 / 51)
    assert decays[-1] == pytest.approx(0.99)


def test_learning_rate_is_a_staircase():
    flags = SimpleNamespace(
        learning_rate=0.0002, learning_rate_decay_factor=0.7, num_epochs_per_decay=2, batch_size=10
    )
    step = tf.placeholder(tf.int64, [])
    rate = configure_learning_rate(flags, step, num_examples=3320)
    with tf.Session() as session:
        for at, stairs in ((0, 0), (663, 0), (664, 1), (1327, 1), (1328, 2), (23239, 34)):
            assert session.run(rate, {step: at}) == pytest.approx(0.0002 * 0.7**stairs, rel=1e-5)
