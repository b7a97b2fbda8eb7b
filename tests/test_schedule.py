import math
from types import SimpleNamespace

import pytest

from slim_on_tf2 import tf
from system.errors import BadInput
from training.optimization import batch_norm_decay
from training.recipes import RECIPES
from training.schedule import Schedule, make_schedule


def schedule_flags(**changes):
    """The flags that a schedule reads."""
    flags = {
        "batch_size": 10,
        "accumulate_steps": 1,
        "num_epochs": 1,
        "max_number_of_steps": None,
        "summary_steps": 10,
        "eval_steps": None,
        "warmup_epochs": 0.0,
        "head_init": "zeros",
        "continue_from": None,
        "learning_rate_decay_type": "exponential",
        "recipe": "tutorial",
    }
    return SimpleNamespace(**flags | changes)


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
    flags = schedule_flags(
        batch_size=batch_size, num_epochs=num_epochs, max_number_of_steps=max_number_of_steps
    )
    assert make_schedule(flags, examples).last_step == last_step


def test_accumulated_batches_make_fewer_steps():
    flags = schedule_flags(batch_size=5, num_epochs=2, accumulate_steps=4)
    schedule = make_schedule(flags, 100)
    assert (schedule.last_step, schedule.batch_size, schedule.epoch(10)) == (10, 20, 2.0)


def test_fitted_head_is_validated_before_the_first_step():
    assert make_schedule(schedule_flags(head_init="fit"), 100).validates(0)
    assert not make_schedule(schedule_flags(), 100).validates(0)


def test_warmup_of_a_recipe_takes_a_tenth_of_a_short_run():
    recipe = {"recipe": "best", "warmup_epochs": RECIPES["best"]["warmup_epochs"][0]}
    flags = schedule_flags(batch_size=10, num_epochs=1, **recipe)
    make_schedule(flags, 100)
    assert flags.warmup_epochs == 0.1
    flags = schedule_flags(batch_size=10, num_epochs=70, **recipe)
    make_schedule(flags, 100)
    assert flags.warmup_epochs == recipe["warmup_epochs"]


def test_warmup_longer_than_the_run_is_refused():
    flags = schedule_flags(batch_size=10, num_epochs=2, warmup_epochs=2)
    with pytest.raises(BadInput, match=r"--warmup_epochs 2: the run has only 2 epochs"):
        make_schedule(flags, 100)


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
