"""--xla and --recompute change how a step is computed, and not what."""

import numpy as np
import pytest
import tiny_run

from nets.nets_factory import get_network_fn
from slim_on_tf2 import tf
from training import session
from training.recomputation import mark_recomputed
from training.session import training_config


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_run.make_dataset(tmp_path_factory.mktemp("dataset"))


def operations_run(config, fetch):
    """Runs a tensor; returns the types and the names of the operations that were executed."""
    metadata = tf.RunMetadata()
    with tf.Session(config=config) as session:
        session.run(tf.global_variables_initializer())
        session.run(
            fetch, options=tf.RunOptions(output_partition_graphs=True), run_metadata=metadata
        )
    nodes = [node for graph in metadata.partition_graphs for node in graph.node]
    return {node.op for node in nodes}, {node.name for node in nodes}


@pytest.mark.parametrize("is_on", [False, True])
def test_xla_compiles_clusters_on_the_cpu(is_on):
    matrix = tf.get_variable("matrix", [8, 8])
    product = tf.reduce_sum(tf.exp(tf.nn.relu(tf.matmul(matrix, matrix) * 2 + 1)) * matrix)
    types, _ = operations_run(training_config("off", xla=is_on), product)
    assert ("_XlaRun" in types) == is_on


@pytest.mark.parametrize("is_on", [False, True])
def test_gradients_recompute_normalizations_and_activations(is_on):
    images = tf.random.stateless_uniform([2, 32, 32, 3], [1, 2])
    logits, _ = get_network_fn("mobilenet_v1_025", 3, is_training=True)(images)
    gradients = tf.gradients(tf.reduce_sum(logits), tf.trainable_variables())
    if is_on:
        mark_recomputed()
    _, names = operations_run(training_config("off", recompute=is_on), gradients[0])
    recomputed = [name for name in names if name.startswith("Recomputed/MobilenetV1")]
    assert any("FusedBatchNorm" in name for name in recomputed) == is_on
    assert any("Relu6" in name for name in recomputed) == is_on
    assert not any("Conv2D" in name or "depthwise" in name.split("/")[-1] for name in recomputed)


@pytest.mark.parametrize(
    ("flags", "tolerance"),
    # XLA draws other numbers for dropout, which here drops one unit of a thousand.
    [({"xla": "on"}, 0.03), ({"recompute": True}, 1e-3)],
)
def test_losses_are_those_of_a_plain_run(data, tmp_path, capsys, flags, tolerance):
    losses = []
    # SGD, because Adam's first steps have the size of the rate whatever the gradient, and so make
    # another order of summation a difference of the weights.
    common = {"max_number_of_steps": 3, "optimizer": "sgd", "learning_rate": 0.01}
    for name, changed in (("plain", {}), ("changed", flags)):
        status, _, _ = tiny_run.train(data, tmp_path / name, capsys, **common, **changed)
        assert status == 0
        losses.append([float(row["total_loss"]) for row in tiny_run.rows(tmp_path / name)])
    np.testing.assert_allclose(losses[1], losses[0], rtol=tolerance)
    assert len(set(losses[0])) == 3


@pytest.mark.parametrize("flags", [{}, {"xla": "on"}, {"recompute": True}])
def test_flags_reach_the_session_and_the_graph(data, tmp_path, capsys, monkeypatch, flags):
    configs = []
    monkeypatch.setattr(
        session,
        "training_config",
        lambda *arguments: configs.append(training_config(*arguments)) or configs[-1],
    )
    marked = []
    monkeypatch.setattr(session, "mark_recomputed", lambda: marked.append(mark_recomputed()))
    tiny_run.train(data, tmp_path, capsys, max_number_of_steps=1, **flags)
    (config,) = configs
    level = config.graph_options.optimizer_options.global_jit_level
    assert (level == tf.OptimizerOptions.ON_1) == ("xla" in flags)
    options = config.graph_options.rewrite_options
    assert (options.memory_optimization == options.MANUAL) == ("recompute" in flags)
    assert len(marked) == ("recompute" in flags)
