import time

import numpy as np
import pytest

from bad_input import BadInput
from nets.factory import get_network_fn
from slim_on_tf2 import slim, tf
from training.schedule import batch_norm_decay
from training.step import losses, next_batch, training_step, variables_to_train

LOGITS = np.array([[2.0, 0.0, -1.0], [0.5, 0.5, 3.0]])
AUXILIARY = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
LABELS = np.array([0, 1])


def cross_entropy(logits, smoothing=0.0):
    """The mean over a batch, in numpy."""
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    targets = np.eye(3)[LABELS] * (1 - smoothing) + smoothing / 3
    return -(targets * logs).sum(axis=1).mean()


def test_losses_are_those_of_a_hand_count():
    weights = tf.constant([3.0])
    tf.losses.add_loss(0.5 * tf.reduce_sum(weights), tf.GraphKeys.REGULARIZATION_LOSSES)
    end_points = {"AuxLogits": tf.constant(AUXILIARY, tf.float32)}
    named = losses(tf.constant(LOGITS, tf.float32), end_points, tf.constant(LABELS), 0.1)
    with tf.Session() as session:
        values = session.run(named)
    expected = {
        "loss": cross_entropy(LOGITS, 0.1),
        "auxiliary_loss": 0.4 * cross_entropy(AUXILIARY, 0.1),
        "regularization_loss": 1.5,
    }
    assert values.pop("total_loss") == pytest.approx(sum(expected.values()), rel=1e-5)
    assert values == pytest.approx(expected, rel=1e-5)


def linear_network(images):
    """Three classes, one layer, begun at zero."""
    logits = slim.fully_connected(
        slim.flatten(images), 3, activation_fn=None, weights_initializer=tf.zeros_initializer()
    )
    return logits, {}


def test_a_step_is_the_gradient_step_of_a_hand_count():
    pictures = np.arange(8, dtype=np.float32).reshape(2, 2, 2, 1) / 8
    batch = {"images": tf.constant(pictures), "labels": tf.constant(LABELS), "waited": 0.0}
    tf.train.get_or_create_global_step()
    step = training_step(batch, linear_network, "sgd", tf.constant(0.5))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        first, measures = session.run([step.global_step, step.measures])
        weights = session.run(tf.trainable_variables()[0])
    # At zero weights each class has probability 1/3; the gradient is x (p - y), meaned.
    flat = pictures.reshape(2, 4)
    expected = -0.5 * flat.T @ (np.full((2, 3), 1 / 3) - np.eye(3)[LABELS]) / 2
    np.testing.assert_allclose(weights, expected, rtol=1e-5)
    assert first == 1
    assert measures["loss"] == pytest.approx(np.log(3), rel=1e-5)
    assert measures["accuracy"] == 0.5  # equal logits: class 0 is predicted for both
    assert measures["learning_rate"] == 0.5


def test_an_infinite_loss_is_shown_as_nan():
    pictures = tf.fill([2, 2, 2, 1], np.inf)
    batch = {"images": pictures, "labels": tf.constant(LABELS), "waited": 0.0}
    tf.train.get_or_create_global_step()
    step = training_step(batch, linear_network, "sgd", tf.constant(0.5))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert np.isnan(session.run(step.total_loss))


def test_only_the_chosen_scopes_train():
    for scope in ("Net/a", "Net/b", "Net/bb"):
        tf.get_variable(f"{scope}/weights", [1])
    assert [v.op.name for v in variables_to_train(["Net/b"])] == ["Net/b/weights"]
    assert len(variables_to_train([])) == 3
    with pytest.raises(BadInput, match="its scopes are Net/a, Net/b, Net/bb"):
        variables_to_train(["Net/c"])


def test_the_wait_for_input_holds_the_time_that_its_making_took():
    def make(index):
        started = time.time()
        return sum(range(100_000)) * 0 + index, time.time() - started

    dataset = tf.data.Dataset.range(3).map(
        lambda index: tf.py_func(make, [index], [tf.int64, tf.float64])
    )
    named = dataset.map(lambda index, seconds: {"labels": index, "seconds": seconds})
    batch = next_batch(tf.data.make_one_shot_iterator(named))
    with tf.Session() as session:
        values = session.run(batch)
    assert values["labels"] == 0
    assert values["waited"] >= values["seconds"] > 0


def accuracies_while_training(choose_decay, look_at):
    """Trains on 96 noisy pictures; their accuracy after some steps, measured in two ways.

    Args:
      choose_decay: a function of the global step that gives batch norm's decay.
      look_at: the steps after which to measure.

    Returns:
      For each of them: accuracy by the moving averages, accuracy by the batch's own statistics.
    """
    random = np.random.RandomState(0)
    truth = np.arange(96) % 3
    pictures = random.uniform(-0.6, 0.6, (96, 32, 32, 3)) + (truth - 1)[:, None, None, None] * 0.2
    chosen = tf.placeholder(tf.int32, [None])
    images = tf.gather(tf.constant(pictures, tf.float32), chosen)
    labels = tf.gather(tf.constant(truth), chosen)
    decay = choose_decay(tf.train.get_or_create_global_step())
    train = get_network_fn("mobilenet_v1_025", 3, is_training=True, batch_norm_decay=decay)
    step = training_step({"images": images, "labels": labels}, train, "adam", tf.constant(0.001))
    by_averages, _ = get_network_fn("mobilenet_v1_025", 3)(images, reuse=True)
    by_batch, _ = train(images, reuse=True)
    seen = []
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for number in range(1, max(look_at) + 1):
            session.run(step.global_step, {chosen: random.choice(96, 24, replace=False)})
            if number in look_at:
                logits = session.run([by_averages, by_batch], {chosen: range(96)})
                seen.append([(x.argmax(axis=1) == truth).mean() for x in logits])
    return np.array(seen)


def test_evaluation_is_as_good_as_batch_statistics_early_and_late():
    """The tutorial's oldest complaint is a network that trains well and evaluates badly."""
    by_averages, by_batch = accuracies_while_training(batch_norm_decay, (20, 40, 100)).T
    assert by_batch[-1] > 0.9  # chance is a third
    assert (by_averages > by_batch - 0.1).all()


def test_the_published_decay_would_betray_a_short_run():
    [[by_averages, by_batch]] = accuracies_while_training(lambda step: 0.9997, (100,))
    assert by_batch > 0.9
    assert by_averages < 0.4
