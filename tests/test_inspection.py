import re

import numpy as np
import pytest
from tiny_checkpoint import save

from bad_input import BadInput
from nets import inspection, warm_start
from slim_on_tf2 import tf

# LeNet with 7 classes, by hand: kernel x kernel x inputs x outputs, and a bias for each output.
CONV_1, CONV_2 = 5 * 5 * 1 * 32 + 32, 5 * 5 * 32 * 64 + 64
FC_3, FC_4 = 7 * 7 * 64 * 1024 + 1024, 1024 * 7 + 7


@pytest.fixture(scope="module", params=["V1", "V2"])
def checkpoint(request, tmp_path_factory):
    """A trained LeNet in both formats."""
    version = getattr(tf.train.SaverDef, request.param)
    return save(tmp_path_factory.mktemp("run") / "model.ckpt", version, trained=True)


def test_what_the_run_added_is_told_apart(checkpoint):
    shapes = warm_start.read_shapes(checkpoint)
    inventory = inspection.take_inventory(shapes)
    layers = ("conv1", "conv2", "fc3", "fc4")
    names = [f"LeNet/{layer}/{kind}" for layer in layers for kind in ("biases", "weights")]
    assert list(inventory.variables) == names
    assert inventory.variables["LeNet/conv2/weights"] == [5, 5, 32, 64]
    assert list(inventory.averages) == [f"{name}/ExponentialMovingAverage" for name in names]
    slots = {f"{name}/{slot}" for name in names for slot in ("Adam", "Adam_1")}
    assert set(inventory.of_the_run) == slots | {"beta1_power", "beta2_power", "global_step"}
    total = CONV_1 + CONV_2 + FC_3 + FC_4
    assert inspection.count_parameters(inventory.variables) == total
    assert inspection.count_parameters(inventory.of_the_run) == 2 * total + 3


def test_the_description_lists_each_variable_and_the_totals(checkpoint):
    lines = inspection.take_inventory(warm_start.read_shapes(checkpoint)).describe()
    text = "\n".join(lines)
    assert [line.split() for line in lines if line.startswith("  LeNet/conv1/weights ")] == [
        ["LeNet/conv1/weights", "[5,", "5,", "1,", "32]", "800"]
    ]
    assert text.count("8 in all, with 3,271,559 numbers") == 2  # the variables and their averages
    assert "19 in all, with 6,543,121 numbers" in text
    assert lines[-1].startswith("8 variables with 3,271,559 parameters, 0 of them")


def test_layers_are_in_the_order_of_their_numbers_and_batch_norm_is_counted():
    shapes = {"a/conv_10/weights": [2], "a/conv_2/weights": [3], "a/conv_2/moving_mean": [4]}
    inventory = inspection.take_inventory(shapes)
    assert list(inventory.variables) == [
        "a/conv_2/moving_mean",
        "a/conv_2/weights",
        "a/conv_10/weights",
    ]
    assert inventory.describe()[-1].startswith("3 variables with 9 parameters, 4 of them")


def test_a_checkpoint_fits_its_own_network_with_its_own_classes(checkpoint):
    shapes = warm_start.read_shapes(checkpoint)
    found, num_classes = inspection.compare(checkpoint, shapes, "lenet")
    assert num_classes == 7
    assert len(found.restored) == 8
    assert not found.missing and not found.misshapen and not found.unused
    text = "\n".join(inspection.describe_comparison(found, shapes, "lenet", num_classes))
    assert "Against lenet with 7 classes:\nFits: 8 variables (3,271,559 parameters)" in text
    assert "Moving averages: of 8 of the network's variables" in text


def test_what_does_not_fit_is_listed_by_name_and_shape():
    shapes = {
        "LeNet/conv1/weights": [3, 3, 1, 32],
        "LeNet/conv1/biases": [32],
        "LeNet/fc4/biases": [7],
        "LeNet/conv9/weights": [5, 6],
    }
    values = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    assert warm_start.read_shapes("weights.h5", values) == shapes
    found, num_classes = inspection.compare("weights.h5", shapes, "lenet", values)
    lines = inspection.describe_comparison(found, shapes, "lenet", num_classes)
    assert lines[1:] == [
        "Fits: 2 variables (39 parameters)",
        "Missing in the checkpoint: 5",
        "  LeNet/conv2/weights",
        "  LeNet/conv2/biases",
        "  LeNet/fc3/weights",
        "  LeNet/fc3/biases",
        "  LeNet/fc4/weights",
        "Of three channels, for photos of one: 0",
        "Of another shape: 1",
        "  LeNet/conv1/weights: the network has [5, 5, 1, 32], the checkpoint [3, 3, 1, 32]",
        "Too much in the checkpoint: 1",
        "  LeNet/conv9/weights  [5, 6]                         30",
    ]


def test_each_variable_of_a_network_is_of_one_kind():
    shapes = {
        "LeNet/conv1/weights": [5, 5, 3, 32],
        "LeNet/conv2/weights": [5, 5, 31, 64],
        "LeNet/conv2/biases": [64],
        "LeNet/fc4/biases": [7],
    }
    values = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    found, num_classes = inspection.compare("colour.h5", shapes, "lenet", values)
    text = "\n".join(inspection.describe_comparison(found, shapes, "lenet", num_classes))
    assert "Of three channels, for photos of one: 1\n  LeNet/conv1/weights\n" in text
    counts = [int(count) for count in re.findall(r"^[FMO].*: (\d+)", text, re.M)]
    assert counts == [2, 4, 1, 1]
    assert sum(counts) == 8  # of two convolutions and two full layers, weights and biases


def test_classes_are_those_of_a_head_be_it_an_average_alone_or_of_imagenet():
    average = {"LeNet/fc4/biases/ExponentialMovingAverage": [12]}
    values = {name: np.zeros(shape, np.float32) for name, shape in average.items()}
    assert inspection.compare("averages", average, "lenet", values)[1] == 12
    assert inspection.compare("nothing", {}, "mobilenet_v1_025", {})[1] == 1001
    assert inspection.compare("nothing", {}, "alexnet_v2", {})[1] == 1000


def test_a_broken_checkpoint_is_named(tmp_path):
    (tmp_path / "model.ckpt").write_bytes(b"<html>")
    with pytest.raises(BadInput, match="model.ckpt cannot be read as a checkpoint"):
        warm_start.read_shapes(str(tmp_path / "model.ckpt"))
