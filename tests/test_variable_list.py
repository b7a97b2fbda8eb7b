import re

import golden_nets
import pytest

from checkpointing.variable_list import describe_training, list_variables, untrained_scopes
from nets.nets_factory import get_network_fn
from nets.networks import NETWORKS
from slim_on_tf2 import tf
from system.errors import BadInput

# Parameters of LeNet for RGB images of 32 px and 7 classes: two poolings leave 8 x 8.
CONV_1, CONV_2 = 5 * 5 * 3 * 32 + 32, 5 * 5 * 32 * 64 + 64
FC_3, FC_4 = 8 * 8 * 64 * 1024 + 1024, 1024 * 7 + 7
HEADING = re.compile(r"(\S+): (\d+) variables? with ([\d,]+) parameters(, classifier)?")
VARIABLE = re.compile(r"  (\S+) +(\[.*\]) +([\d,]+)(  not trainable)?")


def number(text):
    return int(text.replace(",", ""))


def parse(lines):
    """Returns scope -> (variables, parameters, is a head, name -> (shape, trainable))."""
    scopes = {}
    for line in lines[:-1]:
        if heading := HEADING.fullmatch(line):
            scope, count, parameters, head = heading.groups()
            scopes[scope] = (int(count), number(parameters), bool(head), variables := {})
        elif line:
            name, shape, _, fixed = VARIABLE.fullmatch(line).groups()
            variables[name] = ([int(side) for side in re.findall(r"\d+", shape)], not fixed)
    return scopes


def test_lenet_is_listed_layer_by_layer():
    lines = list_variables("lenet", 7, image_size=32, channels=3)
    scopes = parse(lines)
    assert {scope: figures[:3] for scope, figures in scopes.items()} == {
        "LeNet/conv1": (2, CONV_1, False),
        "LeNet/conv2": (2, CONV_2, False),
        "LeNet/fc3": (2, FC_3, False),
        "LeNet/fc4": (2, FC_4, True),
    }
    assert scopes["LeNet/fc3"][3] == {
        "LeNet/fc3/weights": ([4096, 1024], True),
        "LeNet/fc3/biases": ([1024], True),
    }
    total = CONV_1 + CONV_2 + FC_3 + FC_4
    assert lines[-1] == (
        f"8 variables with {total:,} parameters: {total:,} trainable, "
        "and 0 means and variances of batch norm"
    )


def test_published_variables_are_listed_in_the_order_of_the_layers():
    golden = golden_nets.read("mobilenet_v1_025")
    lines = list_variables("mobilenet_v1_025", 5)
    scopes = parse(lines)
    listed = {name: value for *_, inside in scopes.values() for name, value in inside.items()}
    assert listed == {name: (shape, trains) for name, shape, trains in golden["variables"]}
    for scope, (count, _, head, inside) in scopes.items():
        assert count == len(inside) == (2 if head else 5)
        assert all(name.startswith(f"{scope}/") for name in inside)
        assert head == (scope in NETWORKS["mobilenet_v1_025"].head_scopes)
    order = list(scopes)
    assert order[0] == "MobilenetV1/Conv2d_0" and order[-1] == "MobilenetV1/Logits"
    assert order.index("MobilenetV1/Conv2d_2_pointwise") < order.index(
        "MobilenetV1/Conv2d_10_depthwise"
    )
    assert f"{golden['num_parameters']:,} trainable, and " in lines[-1]
    # Depths of all layers with batch norm, which has a mean and a variance per channel.
    depthwise = [8, 16, 32, 32, 64, 64, *[128] * 6, 256]
    pointwise = [16, 32, 32, 64, 64, *[128] * 6, 256, 256]
    fixed = 2 * (8 + sum(depthwise) + sum(pointwise))
    assert lines[-1].endswith(f"and {fixed:,} means and variances of batch norm")


def test_unknown_network_is_refused():
    with pytest.raises(BadInput, match="did you mean lenet"):
        list_variables("lenett", 5)


def test_untrained_variables_are_summarized_by_scope():
    names = ["n/a/1/w", "n/a/1/b", "n/a/2/w", "n/b/w", "n/b/b", "n/bb/w"]
    assert untrained_scopes([], names) == ["n"]
    assert untrained_scopes(names, names) == []
    assert untrained_scopes(["n/b/w", "n/b/b"], names) == ["n/a", "n/bb"]
    assert untrained_scopes(["n/a/2/w", "n/bb/w"], names) == ["n/a/1", "n/b"]
    assert untrained_scopes(["n/a/1/b"], names) == ["n/a/1/w", "n/a/2", "n/b", "n/bb"]


def test_description_has_trained_parameters_and_untrained_scopes():
    get_network_fn("lenet", 7, is_training=True)(tf.zeros([1, 32, 32, 3]))
    everything = tf.trainable_variables()
    total = CONV_1 + CONV_2 + FC_3 + FC_4
    assert describe_training(everything, everything) == (
        f"trains 8 of 8 variables ({total:,} of {total:,} parameters)"
    )
    assert describe_training(tf.trainable_variables("LeNet/fc4/"), everything) == (
        f"trains 2 of 8 variables ({FC_4:,} of {total:,} parameters), "
        "not LeNet/conv1, LeNet/conv2, LeNet/fc3"
    )


def test_every_untrained_scope_is_named():
    get_network_fn("mobilenet_v1_025", 5, is_training=True)(tf.zeros([1, 32, 32, 3]))
    everything = tf.trainable_variables()
    line = describe_training(tf.trainable_variables("MobilenetV1/Logits/"), everything)
    # 1 + 13 * 2 layers precede the logits.
    pairs = [f"Conv2d_{i}_{kind}" for i in range(1, 14) for kind in ("depthwise", "pointwise")]
    untrained = [f"MobilenetV1/{layer}" for layer in ["Conv2d_0", *pairs]]
    assert line.endswith(f"parameters), not {', '.join(untrained)}")
    assert line.startswith("trains 2 of 83 variables (1,285 of ")
