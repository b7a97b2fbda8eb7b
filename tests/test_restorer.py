import numpy as np
import pytest
from tiny_run import make_dataset, train, words

import train_flowers
from bad_input import BadInput
from nets.factory import get_network_fn
from slim_on_tf2 import slim, tf
from training.restorer import Restorer

NAME = "MobilenetV1/Conv2d_0/weights"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of three steps that keeps moving averages, and its dataset."""
    folder = tmp_path_factory.mktemp("run")
    flags = {"max_number_of_steps": 3, "save_steps": 1, "moving_average_decay": 0.9}
    with tf.Graph().as_default():
        train_flowers.main(words(make_dataset(folder), folder / "log", **flags))
    return folder


def restored(checkpoint, moving_averages):
    """The first layer's weights, restored by themselves or from their averages."""
    with tf.Graph().as_default(), tf.Session() as session:
        get_network_fn("mobilenet_v1_025", 3)(tf.zeros([1, 32, 32, 3]))
        Restorer(moving_averages).restore(session, checkpoint)
        return session.run([slim.get_variables_by_name("weights")[0], tf.train.get_global_step()])


def test_moving_averages_are_those_of_the_steps_and_take_the_weights_place(run):
    weights = [
        tf.train.load_checkpoint(str(run / "log" / f"model.ckpt-{step}")).get_tensor(NAME)
        for step in range(4)
    ]
    average = weights[0].astype(np.float64)
    for step in (1, 2, 3):  # the decay that tf.train.ExponentialMovingAverage documents
        decay = min(0.9, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * weights[step]
    found, global_step = restored(str(run / "log" / "model.ckpt-3"), moving_averages=True)
    assert global_step == 3
    np.testing.assert_allclose(found, average, rtol=1e-4, atol=1e-7)
    found, _ = restored(str(run / "log" / "model.ckpt-3"), moving_averages=False)
    np.testing.assert_array_equal(found, weights[3])


def test_averages_that_a_checkpoint_lacks_are_named(run, capsys, tmp_path):
    train(run / "data", tmp_path, capsys, max_number_of_steps=1)
    with pytest.raises(BadInput, match="--moving_averages: .* train with --moving_average_decay"):
        restored(str(tmp_path / "model.ckpt-1"), moving_averages=True)


def test_a_run_does_not_go_on_with_other_averages(run, capsys):
    with pytest.raises(BadInput, match="moving_average_decay 0.9 there, None here"):
        train(run / "data", run / "log", capsys, max_number_of_steps=4)
