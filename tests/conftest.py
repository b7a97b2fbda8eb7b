"""What every test gets: a graph of its own with a fixed seed; and a run to look at."""

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def fresh_graph():
    """Builds each test's operations in an empty graph, so that no test sees another's."""
    from slim_on_tf2 import tf

    with tf.Graph().as_default():
        tf.set_random_seed(0)
        yield


@pytest.fixture(autouse=True)
def float32_machine(monkeypatch):
    """Lets each test compute in float32, so that its result does not depend on the processor."""
    from system import precision

    monkeypatch.setattr(precision, "fast_format", lambda: "off")


@pytest.fixture
def run_dir(tmp_path):
    """A run with checkpoints of the steps 3, 6 and 9, whose variable holds the step."""
    from slim_on_tf2 import tf

    step = tf.train.get_or_create_global_step()
    weights = tf.get_variable("weights", [1000])
    saver = tf.train.Saver(save_relative_paths=True)
    with tf.Session() as session:
        for value in (3, 6, 9):
            session.run([step.assign(value), weights.assign(np.full(1000, value))])
            saver.save(session, str(tmp_path / "model.ckpt"), global_step=value)
    return tmp_path
