import re

import pytest
from tiny_checkpoint import save

from checkpointing import inspection
from checkpointing.reading import read_shapes
from slim_on_tf2 import tf
from system.errors import BadInput

# Parameters of LeNet with 7 classes: kernel x kernel x inputs x outputs + biases.
CONV_1, CONV_2 = 5 * 5 * 1 * 32 + 32, 5 * 5 * 32 * 64 + 64
FC_3, FC_4 = 7 * 7 * 64 * 1024 + 1024, 1024 * 7 + 7


@pytest.fixture(scope="module", params=["V1", "V2"])
def checkpoint(request, tmp_path_factory):
    """A trained LeNet in both formats."""
    version = getattr(tf.train.SaverDef, request.param)
    return save(tmp_path_factory.mktemp("run") / "model.ckpt", version, trained=True)


def test_variables_averages_and_training_state_are_separated(checkpoint):
    shapes = read_shapes(checkpoint)
    inventory = inspection.take_inventory(shapes)
    layers = ("conv1", "conv2", "fc3", "fc4")
    names = [f"LeNet/{layer}/{kind}" for layer in layers for kind in ("biases", "weights")]
    assert list(inventory.variables) == names
    assert inventory.variables["LeNet/conv2/weights"] == [5, 5, 32, 64]
    assert list(inventory.averages) == [f"{name}/ExponentialMovingAverage" for name in names]
    slots = {f"{name}/{slot}" for name in names for slot in ("Adam", "Adam_1")}
    assert set(inventory.training_state) == slots | {"beta1_power", "beta2_power", "global_step"}
    total = CONV_1 + CONV_2 + FC_3 + FC_4
    assert inspection.count_parameters(inventory.variables) == total
    assert inspection.count_parameters(inventory.training_state) == 2 * total + 3


def test_description_lists_each_variable_and_the_totals(checkpoint):
    lines = inspection.take_inventory(read_shapes(checkpoint)).describe()
    text = "\n".join(lines)
    assert [line.split() for line in lines if line.startswith("  LeNet/conv1/weights ")] == [
        ["LeNet/conv1/weights", "[5,", "5,", "1,", "32]", "800"]
    ]
    assert text.count("8 in total, with 3,271,559 elements") == 2  # variables, averages
    assert "19 in total, with 6,543,121 elements" in text
    assert lines[-1].startswith("8 variables with 3,271,559 parameters, including 0 means")


def test_layers_are_sorted_by_number_and_batch_norm_is_counted():
    shapes = {"a/conv_10/weights": [2], "a/conv_2/weights": [3], "a/conv_2/moving_mean": [4]}
    inventory = inspection.take_inventory(shapes)
    assert list(inventory.variables) == [
        "a/conv_2/moving_mean",
        "a/conv_2/weights",
        "a/conv_10/weights",
    ]
    assert inventory.describe()[-1].startswith("3 variables with 9 parameters, including 4 means")


def test_checkpoint_matches_its_network_and_number_of_classes(checkpoint):
    shapes = read_shapes(checkpoint)
    found, num_classes = inspection.compare_with_network(checkpoint, shapes, "lenet")
    assert num_classes == 7
    assert len(found.restored) == 8
    assert not found.missing and not found.shape_mismatch and not found.unused
    text = "\n".join(inspection.describe_comparison(found, shapes, "lenet", num_classes))
    assert "with lenet for 7 classes:\nMatching: 8 variables (3,271,559 parameters)" in text
    assert "Moving averages: of 8 of the network's variables" in text


def test_differences_are_listed_by_name_and_shape():
    shapes = {
        "LeNet/conv1/weights": [3, 3, 1, 32],
        "LeNet/conv1/biases": [32],
        "LeNet/fc4/biases": [7],
        "LeNet/conv9/weights": [5, 6],
    }
    found, num_classes = inspection.compare_with_network("weights.h5", shapes, "lenet")
    lines = inspection.describe_comparison(found, shapes, "lenet", num_classes)
    assert lines[1:] == [
        "Matching: 2 variables (39 parameters)",
        "Missing in the checkpoint: 5",
        "  LeNet/conv2/weights",
        "  LeNet/conv2/biases",
        "  LeNet/fc3/weights",
        "  LeNet/fc3/biases",
        "  LeNet/fc4/weights",
        "RGB kernels, where the network takes grayscale images: 0",
        "Shape mismatch: 1",
        "  LeNet/conv1/weights: [5, 5, 1, 32] in the network, [3, 3, 1, 32] in the checkpoint",
        "Unused in the checkpoint: 1",
        "  LeNet/conv9/weights  [5, 6]                         30",
    ]


def test_each_variable_of_the_network_is_counted_once():
    shapes = {
        "LeNet/conv1/weights": [5, 5, 3, 32],
        "LeNet/conv2/weights": [5, 5, 31, 64],
        "LeNet/conv2/biases": [64],
        "LeNet/fc4/biases": [7],
    }
    found, num_classes = inspection.compare_with_network("rgb.h5", shapes, "lenet")
    text = "\n".join(inspection.describe_comparison(found, shapes, "lenet", num_classes))
    assert "takes grayscale images: 1\n  LeNet/conv1/weights\n" in text
    counts = [int(count) for count in re.findall(r"^(?:Mat|Mis|RGB|Sha).*: (\d+)", text, re.M)]
    assert counts == [2, 4, 1, 1]
    assert sum(counts) == 8  # weights and biases of four layers


def test_number_of_classes_comes_from_the_head_or_from_imagenet():
    average = {"LeNet/fc4/biases/ExponentialMovingAverage": [12]}
    assert inspection.compare_with_network("averages", average, "lenet")[1] == 12
    assert inspection.compare_with_network("nothing", {}, "mobilenet_v1_025")[1] == 1001
    assert inspection.compare_with_network("nothing", {}, "alexnet_v2")[1] == 1000


def test_broken_checkpoint_is_refused(tmp_path):
    (tmp_path / "model.ckpt").write_bytes(b"<html>")
    with pytest.raises(BadInput, match="model.ckpt cannot be read as a checkpoint"):
        read_shapes(str(tmp_path / "model.ckpt"))
