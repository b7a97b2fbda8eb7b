import numpy as np
import pytest
import scripts
from tiny_run import make_dataset, train, words

import train_flowers
from checkpointing.restorer import Restorer
from nets.nets_factory import get_network_fn
from slim_on_tf2 import slim, tf
from system.errors import BadInput

NAME = "MobilenetV1/Conv2d_0/weights"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of three steps with moving averages, and its dataset."""
    folder = tmp_path_factory.mktemp("run")
    data, flags = make_dataset(folder), {"save_steps": 1, "moving_average_decay": 0.9}
    for name, steps in (("log", 3), ("initial", 0)):  # with the same initial weights
        log_dir = folder / name
        scripts.run(train_flowers, words(data, log_dir, max_number_of_steps=steps, **flags))
    return folder


def restored(checkpoint, moving_averages):
    """Returns the restored weights of the first layer, and the global step."""
    with tf.Graph().as_default(), tf.Session() as session:
        get_network_fn("mobilenet_v1_025", 3)(tf.zeros([1, 32, 32, 3]))
        Restorer(moving_averages).restore(session, checkpoint)
        return session.run([slim.get_variables_by_name("weights")[0], tf.train.get_global_step()])


def test_restored_moving_averages_are_those_of_the_steps(run):
    weights = [
        tf.train.load_checkpoint(str(run / name / f"model.ckpt-{step}")).get_tensor(NAME)
        for name, step in (("initial", 0), ("log", 1), ("log", 2), ("log", 3))
    ]
    average = weights[0].astype(np.float64)
    for step in (1, 2, 3):  # as documented in tf.train.ExponentialMovingAverage
        decay = min(0.9, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * weights[step]
    found, global_step = restored(str(run / "log" / "model.ckpt-3"), moving_averages=True)
    assert global_step == 3
    # Three updates in float32, each with three roundings.
    rounding = 9 * 2.0**-23 * np.abs(average).max()
    np.testing.assert_allclose(found, average, rtol=0, atol=rounding)
    found, _ = restored(str(run / "log" / "model.ckpt-3"), moving_averages=False)
    np.testing.assert_array_equal(found, weights[3])


def test_missing_moving_averages_are_an_error(run, capsys, tmp_path):
    train(run / "data", tmp_path, capsys, max_number_of_steps=1)
    with pytest.raises(BadInput, match="--moving_averages: .* train with --moving_average_decay"):
        restored(str(tmp_path / "model.ckpt-1"), moving_averages=True)


def test_run_is_not_resumed_with_another_decay(run, capsys):
    with pytest.raises(BadInput, match="moving_average_decay 0.9 there, None here"):
        train(run / "data", run / "log", capsys, max_number_of_steps=4)
