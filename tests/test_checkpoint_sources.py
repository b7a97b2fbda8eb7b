"""Every kind of --checkpoint_path, from the command line to the restored variables."""

import tarfile

import golden_fill
import golden_nets
import numpy as np
import pytest
from tiny_run import make_dataset, train

from checkpointing.download import archive_file
from keras_conversion.files import eager_keras
from keras_conversion.models import to_keras
from nets.nets_factory import get_network_fn
from nets.networks import NETWORKS
from slim_on_tf2 import slim, tf

NETWORK = "mobilenet_v1_025"
SCOPE = "MobilenetV1/Conv2d_13_pointwise/weights"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("dataset"))


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A mirror, an archive, a folder and a Keras file with the golden weights of a network.

    The checkpoints also have moving averages, which are the weights plus 1.
    """
    folder = tmp_path_factory.mktemp("sources")
    with tf.Graph().as_default(), tf.Session() as session:
        get_network_fn(NETWORK, 1001)(tf.zeros([1, 32, 32, 3]))
        golden_nets.fill(session)
        variables = slim.get_model_variables()
        values = dict(zip([v.op.name for v in variables], session.run(variables)))
    save(folder / "made" / "model.ckpt", values)
    for archive in (folder / archive_file(NETWORKS[NETWORK].checkpoint), folder / "my.tar.gz"):
        with tarfile.open(archive, "w:gz") as tar:
            for file in sorted((folder / "made").iterdir()):
                tar.add(file, file.name)
    with eager_keras():
        to_keras(NETWORK, values, 32).save(folder / "network.keras")
    return folder


def save(path, values):
    with tf.Graph().as_default(), tf.Session() as session:
        for name, value in values.items():
            tf.get_variable(name, initializer=value)
            tf.get_variable(f"{name}/ExponentialMovingAverage", initializer=value + 1)
        session.run(tf.global_variables_initializer())
        path.parent.mkdir()
        tf.train.Saver().save(session, str(path), write_meta_graph=False)


def initial_weights(log):
    return tf.train.load_checkpoint(str(log / "model.ckpt-0")).get_tensor(SCOPE)


@pytest.mark.parametrize(
    ("checkpoint_path", "averages"),
    [
        (None, None),  # the published one, from the mirror
        ("mobilenet_v1_0.25_224", True),  # by name
        ("my.tar.gz", None),
        ("made", True),
        ("network.keras", None),
    ],
)
def test_run_starts_with_the_given_weights(
    data, sources, tmp_path, capsys, checkpoint_path, averages
):
    if checkpoint_path and (sources / checkpoint_path).exists():
        checkpoint_path = sources / checkpoint_path
    status, _, lines = train(
        *(data, tmp_path / "log", capsys),
        checkpoint_path=checkpoint_path,
        checkpoints_dir=tmp_path / "checkpoints",
        checkpoints_mirror=sources,
        restore_moving_averages=averages,
        max_number_of_steps=0,
    )
    assert status == 0
    expected = golden_fill.variable_value(SCOPE, [1, 1, 256, 256]) + (1 if averages else 0)
    np.testing.assert_allclose(initial_weights(tmp_path / "log"), expected, rtol=1e-6)
    assert any(line.startswith("Restored 135 variables") for line in lines)
    assert any(line.startswith("Excluded, not restored: 2 ") for line in lines)
