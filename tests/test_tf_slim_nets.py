"""The networks of tf-slim equal the published ones."""

import importlib

import golden_fill
import golden_nets
import pytest

from nets.networks import NETWORKS
from slim_on_tf2 import slim, tf

# End points that were added to slim after tf-slim 1.1.0; the layers are the same.
ADDED_LATER = ("AvgPool_0a_7x7", "AvgPool_1a", "PreLogits", "global_pool", "spatial_squeeze")
DEEP = [f"resnet_v{version}_{layers}" for version in (1, 2) for layers in (101, 152)]


def build(golden, name, images):
    """Builds tf-slim's network without `nets_factory`; drops end points added later from `golden`.

    Returns:
      Logits [batch, classes], and end points.
    """
    row = NETWORKS[name]
    module = importlib.import_module(row.module)
    with slim.arg_scope(getattr(module, row.arg_scope)(weight_decay=0.0)):
        logits, end_points = getattr(module, row.function)(
            images, golden["num_classes"], is_training=False
        )
    if "predictions" in end_points:
        end_points["predictions"] = tf.squeeze(end_points["predictions"], [1, 2])
    for end in set(golden["end_points"]) - set(end_points):
        assert end.rpartition("/")[2] in ADDED_LATER
        del golden["end_points"][end]
    return tf.reshape(logits, [-1, golden["num_classes"]]), end_points


@pytest.mark.parametrize(
    "name",
    [
        *("inception_v1", "inception_v2", "inception_v3", "resnet_v1_50", "resnet_v2_50"),
        pytest.param("vgg_16", marks=pytest.mark.large),
    ],
)
def test_outputs_equal_published_network(name):
    golden = golden_nets.read(name)
    outputs = build(golden, name, tf.constant(golden_fill.images(golden["image_size"])))
    golden_nets.check_variables(golden)
    with tf.Session() as session:
        golden_nets.fill(session)
        golden_nets.check_outputs(golden, *session.run(outputs))


@pytest.mark.parametrize(
    "name",
    ["vgg_19", "alexnet_v2", "overfeat", *[pytest.param(n, marks=pytest.mark.large) for n in DEEP]],
)
def test_variables_and_shapes_equal_published_network(name):
    golden = golden_nets.read(name)
    side = golden["image_size"]
    _, end_points = build(golden, name, tf.zeros([2, side, side, 3]))
    golden_nets.check_variables(golden)
    golden_nets.check_shapes(golden, end_points)
