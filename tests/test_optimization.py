import time
from types import SimpleNamespace

import numpy as np
import pytest

from checkpointing.warm_start import NO_VALUES
from nets.nets_factory import get_network_fn
from slim_on_tf2 import slim, tf
from system.errors import BadInput
from training.inputs import next_batch
from training.optimization import (
    add_moving_averages,
    batch_norm_decay,
    get_variables_to_train,
    outside_scopes,
)


def test_variables_to_train_lie_in_the_scopes():
    for scope in ("Net/a", "Net/b", "Net/bb"):
        tf.get_variable(f"{scope}/weights", [1])
    assert [v.op.name for v in get_variables_to_train(["Net/b"])] == ["Net/b/weights"]
    assert len(get_variables_to_train([])) == 3
    with pytest.raises(BadInput, match="its scopes are Net/a, Net/b, Net/bb"):
        get_variables_to_train(["Net/c"])


def test_batch_norm_is_frozen_outside_the_trained_scopes():
    assert outside_scopes([]) is False
    frozen = outside_scopes(["Net/b"])
    assert [frozen(scope) for scope in ("Net/a", "Net/b/BatchNorm", "Net/bb")] == [
        True,
        False,
        True,
    ]


def test_moving_averages_follow_the_weights_after_the_step():
    step = tf.train.get_or_create_global_step()
    weights = slim.model_variable("weights", [1], initializer=tf.ones_initializer())
    with tf.control_dependencies([weights.assign([5.0])]):
        train_op = step.assign_add(1)
    update, init_fn = add_moving_averages(
        SimpleNamespace(moving_average_decay=0.9), train_op, NO_VALUES
    )
    (average,) = tf.global_variables("weights/ExponentialMovingAverage")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        weights.load([2.0], session)  # like a restored value
        init_fn(None, session)
        session.run(update)
        (value,) = session.run(average)
    # After step n = 1 the decay is (1 + n) / (10 + n): from 2 to 5 by 9 of 11 parts.
    assert value == pytest.approx(2 + 3 * 9 / 11, rel=1e-6)


def test_wait_for_the_batch_includes_the_time_of_its_making():
    def make(index):
        started = time.time()
        return sum(range(100_000)) * 0 + index, time.time() - started

    dataset = tf.data.Dataset.range(3).map(
        lambda index: tf.py_func(make, [index], [tf.int64, tf.float64])
    )
    batch = next_batch(dataset.map(lambda index, seconds: {"labels": index, "seconds": seconds}))
    with tf.Session() as session:
        session.run(tf.tables_initializer())
        values = session.run(batch)
    assert values["labels"] == 0
    assert values["waited"] >= values["seconds"] > 0


def accuracies_while_training(choose_decay, look_at):
    """Trains on 96 noisy images; measures their accuracy after some steps in two ways.

    Args:
      choose_decay: a function of the global step that gives batch norm's decay.
      look_at: the steps after which to measure.

    Returns:
      For each of them: accuracy by the moving averages, and by the statistics of the batch.
    """
    random = np.random.RandomState(0)
    truth = np.arange(96) % 3
    noisy = random.uniform(-0.6, 0.6, (96, 32, 32, 3)) + (truth - 1)[:, None, None, None] * 0.2
    chosen = tf.placeholder(tf.int32, [None])
    images = tf.gather(tf.constant(noisy, tf.float32), chosen)
    labels = tf.gather(tf.constant(truth), chosen)
    decay = choose_decay(tf.train.get_or_create_global_step())
    train = get_network_fn("mobilenet_v1_025", 3, is_training=True, batch_norm_decay=decay)
    logits, _ = train(images)
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    train_op = slim.learning.create_train_op(loss, tf.train.AdamOptimizer(0.001))
    by_averages, _ = get_network_fn("mobilenet_v1_025", 3)(images, reuse=True)
    by_batch, _ = train(images, reuse=True)
    seen = []
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for number in range(1, max(look_at) + 1):
            session.run(train_op, {chosen: random.choice(96, 24, replace=False)})
            if number in look_at:
                logits = session.run([by_averages, by_batch], {chosen: range(96)})
                seen.append([(x.argmax(axis=1) == truth).mean() for x in logits])
    return np.array(seen)


def test_growing_decay_evaluates_as_well_as_batch_statistics():
    """A network that trains well and evaluates badly is the usual problem of the tutorial."""
    by_averages, by_batch = accuracies_while_training(batch_norm_decay, (20, 40, 100)).T
    assert by_batch[-1] > 0.9  # chance is a third
    assert (by_averages > by_batch - 0.1).all()


def test_published_decay_evaluates_a_short_run_at_chance():
    [[by_averages, by_batch]] = accuracies_while_training(lambda step: 0.9997, (100,))
    assert by_batch > 0.9
    assert by_averages < 0.4
