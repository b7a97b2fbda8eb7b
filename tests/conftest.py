"""What every test gets: a graph of its own with a fixed seed."""

import pytest


@pytest.fixture(autouse=True)
def fresh_graph():
    """Builds each test's operations in an empty graph, so that no test sees another's."""
    from slim_on_tf2 import tf

    with tf.Graph().as_default():
        tf.set_random_seed(0)
        yield
