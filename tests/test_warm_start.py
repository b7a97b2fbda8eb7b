from pathlib import Path
from types import SimpleNamespace

import golden_nets
import numpy as np
import pytest
from random_keras import SMALL, small

from checkpointing.scope_names import in_scopes, split_scopes
from checkpointing.warm_start import (
    InitFn,
    compare_with_checkpoint,
    get_init_fn,
    get_variables_to_restore,
)
from keras_conversion.files import eager_keras
from nets.nets_factory import get_network_fn
from nets.networks import NETWORKS
from slim_on_tf2 import slim, tf
from system.errors import BadInput

GOLDEN = Path(__file__).parent / "golden"


def network(classes, width=4, scope="Net"):
    """Two layers: 4 variables in Net/conv, 2 in Net/Logits."""
    with tf.variable_scope(scope):
        net = slim.conv2d(
            tf.zeros([1, 8, 8, 3]), width, 3, normalizer_fn=slim.batch_norm, scope="conv"
        )
        return slim.fully_connected(slim.flatten(net), classes, scope="Logits")


def save(path, version=tf.train.SaverDef.V2, **kwargs):
    """Saves a network and an optimizer's slot; every variable is 7."""
    with tf.Graph().as_default(), tf.Session() as session:
        network(**kwargs)
        tf.get_variable("Net/conv/weights/Adam", initializer=np.zeros(2, np.float32))
        session.run(tf.global_variables_initializer())
        session.run([v.assign(tf.fill(v.shape, 7.0)) for v in tf.global_variables()])
        return tf.train.Saver(write_version=version).save(session, str(path))


def restored_values(init_fn):
    """Returns the values of the model variables after `init_fn`."""
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        init_fn(None, session)
        return {v.op.name: session.run(v) for v in slim.get_model_variables()}


def compare(shapes):
    """Compares the model variables with a checkpoint of these shapes."""
    return compare_with_checkpoint(slim.get_model_variables(), "a.ckpt", shapes)


@pytest.fixture(params=[tf.train.SaverDef.V1, tf.train.SaverDef.V2], ids=["V1", "V2"])
def checkpoint(request, tmp_path):
    return save(tmp_path / "model.ckpt", request.param, classes=1001)


def test_all_but_the_head_is_restored_from_either_format(checkpoint, capsys):
    network(classes=5)
    values = restored_values(get_init_fn(checkpoint, get_variables_to_restore(["Net/Logits"]), "n"))
    assert {name for name, value in values.items() if (value == 7).all()} == {
        "Net/conv/weights",
        "Net/conv/BatchNorm/beta",
        "Net/conv/BatchNorm/moving_mean",
        "Net/conv/BatchNorm/moving_variance",
    }
    parameters = 3 * 3 * 3 * 4 + 4 + 4 + 4
    # An optimizer's slot, Net/conv/weights/Adam, does not count as unused.
    assert capsys.readouterr().out.splitlines() == [
        f"Restored 4 variables ({parameters} parameters) from {checkpoint}",
        "Excluded, not restored: 2 (Net/Logits/weights, Net/Logits/biases)",
    ]


def test_shape_mismatch_is_an_error_that_names_the_flags(checkpoint, capsys):
    network(classes=5)
    with pytest.raises(BadInput) as error:
        get_init_fn(checkpoint, get_variables_to_restore(), "net")
    message = str(error.value)
    assert "Net/Logits/weights has shape [256, 1001], not [256, 5]" in message
    assert "add Net/Logits to --checkpoint_exclude_scopes" in message
    assert "--ignore_missing_vars" in message
    get_init_fn(checkpoint, get_variables_to_restore(), "net", ignore_missing_vars=True)
    assert "Shape mismatch, randomly initialized: 2 " in capsys.readouterr().out


def test_missing_variables_are_listed_up_to_ten(tmp_path):
    checkpoint = save(tmp_path / "model.ckpt", classes=5)
    network(classes=5)
    for i in range(12):
        slim.model_variable(f"Net/new_{i:02}/weights", [1])
    with pytest.raises(BadInput) as error:
        get_init_fn(checkpoint, get_variables_to_restore(), "net")
    assert "Net/new_09/weights is missing; and 2 more" in str(error.value)
    assert "Net/new_10" not in str(error.value)


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        ({"scope": "Other"}, "holds none of the variables of net to restore .*Other/Logits"),
        ({"width": 8}, r"Net/conv/weights has shape \[3, 3, 3, 8\], not \[3, 3, 3, 4\]"),
    ],
)
def test_checkpoint_of_another_network_is_refused_with_any_flag(tmp_path, saved, expected):
    checkpoint = save(tmp_path / "model.ckpt", classes=5, **saved)
    network(classes=5)
    variables = get_variables_to_restore(["Net/Logits"])
    with pytest.raises(BadInput, match=expected):
        get_init_fn(checkpoint, variables, "net", ignore_missing_vars=True)


def test_mistyped_scope_is_refused_with_a_suggestion():
    network(classes=5)
    with pytest.raises(BadInput, match="Net/Logit holds no variable.*did you mean Net/Logits"):
        get_variables_to_restore(["Net/Logit"])
    optional = get_variables_to_restore(["Net/AuxLogits", "Net/Logits"], ["Net/AuxLogits"])
    assert len(optional) == 4


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Net/Logits", True), ("Net/Logits/weights", True), ("Net/LogitsExtra/weights", False)],
)
def test_scope_matches_complete_parts_of_a_name(name, expected):
    assert in_scopes(name, ["Net/Logits"]) is expected


def test_scopes_are_split_at_commas():
    assert split_scopes("a/b, c/,") == ["a/b", "c"]
    assert split_scopes(None) == split_scopes("") == []


@pytest.fixture
def averaged(tmp_path):
    """A checkpoint whose weights are 7 and their moving averages 3; beta has no average."""
    with tf.Graph().as_default(), tf.Session() as session:
        network(classes=5)
        for weights in slim.get_variables_by_suffix("weights"):
            name = f"{weights.op.name}/ExponentialMovingAverage"
            tf.get_variable(name, initializer=tf.fill(weights.shape, 3.0))
        session.run(tf.global_variables_initializer())
        session.run([v.assign(tf.fill(v.shape, 7.0)) for v in slim.get_model_variables()])
        return tf.train.Saver().save(session, str(tmp_path / "averaged.ckpt"))


@pytest.mark.parametrize(("moving_averages", "weight"), [(True, 3), (False, 7)])
def test_moving_averages_are_restored_on_request(averaged, capsys, moving_averages, weight):
    network(classes=5)
    variables = get_variables_to_restore()
    values = restored_values(
        get_init_fn(averaged, variables, "net", restore_moving_averages=moving_averages)
    )
    for name, value in values.items():
        assert (value == (weight if name.endswith("/weights") else 7)).all(), name
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2  # nothing is unused
    assert ("averages of 2 of them" if moving_averages else "averages of 2 variables") in lines[1]


def test_missing_moving_averages_are_an_error(checkpoint):
    network(classes=5)
    variables = get_variables_to_restore(["Net/Logits"])
    with pytest.raises(BadInput, match="model.ckpt holds no moving averages"):
        get_init_fn(checkpoint, variables, "net", restore_moving_averages=True)


@pytest.mark.parametrize("exclude_scopes", [[], ["Net/conv", "Net/Logits"]])
def test_checkpoint_with_only_moving_averages_needs_the_flag(tmp_path, exclude_scopes):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("Net/new/weights/ExponentialMovingAverage", [1])
        network(classes=5)
        session.run(tf.global_variables_initializer())
        path = tf.train.Saver().save(session, str(tmp_path / "model.ckpt"))
    network(classes=5)
    slim.model_variable("Net/new/weights", [1])
    with pytest.raises(BadInput, match="of Net/new/weights; add --restore_moving_averages"):
        get_init_fn(path, get_variables_to_restore(exclude_scopes), "net")


def test_first_layer_for_grayscale_images_is_not_restored(checkpoint, capsys):
    slim.model_variable("Net/conv/weights", [3, 3, 1, 4])
    slim.model_variable("Net/conv/BatchNorm/beta", [4])
    get_init_fn(checkpoint, get_variables_to_restore(), "net")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Restored 1 variables (4 parameters)")
    assert lines[1] == (
        "RGB kernels for grayscale images, randomly initialized: 1 (Net/conv/weights)"
    )


def with_channels(name, channels):
    """Returns the variable shapes of a network for images of `channels`, and its first kernels.

    The first kernel is the one that has the published number of channels.
    """
    published = NETWORKS[name].channels
    shapes = {name: shape for name, shape, _ in golden_nets.read(name)["variables"]}
    kernels = [name for name, shape in shapes.items() if len(shape) == 4]
    (first,) = (name for name in kernels if shapes[name][2] == published)
    height, width, _, depth = shapes[first]
    changed = {first: [height, width, channels, depth]}
    pointwise = first.replace("/depthwise_weights", "/pointwise_weights")
    if pointwise != first:
        changed[pointwise] = [1, 1, channels * depth, shapes[pointwise][3]]
    return shapes | changed, list(changed)


@pytest.mark.parametrize("name", [name for name in NETWORKS if (GOLDEN / f"{name}.json").is_file()])
def test_only_the_first_layer_depends_on_the_channels(name):
    rgb, _ = with_channels(name, 3)
    grayscale, first_layer = with_channels(name, 1)
    variables = [
        SimpleNamespace(op=SimpleNamespace(name=name), shape=tf.TensorShape(shape))
        for name, shape in grayscale.items()
    ]
    found = compare_with_checkpoint(variables, "a.ckpt", rgb)
    assert found.rgb_kernels == first_layer
    assert len(found.restored) == len(grayscale) - len(first_layer)
    assert not found.shape_mismatch and not found.missing and not found.unused


def test_both_kernels_of_a_separable_first_layer_are_rgb_kernels():
    rgb, first_layer = with_channels("inception_v2", 3)
    get_network_fn("inception_v2", 5, is_training=True)(tf.zeros([1, 64, 64, 1]))
    found = compare_with_checkpoint(get_variables_to_restore(["InceptionV2/Logits"]), "a.ckpt", rgb)
    assert found.rgb_kernels == first_layer
    assert [name.rpartition("/")[2] for name in first_layer] == [
        "depthwise_weights",
        "pointwise_weights",
    ]


def test_kernel_of_another_depth_elsewhere_is_a_shape_mismatch():
    slim.model_variable("Net/conv/weights", [3, 3, 1, 4])
    slim.model_variable("Net/later/weights", [3, 3, 8, 4])
    slim.model_variable("Net/conv/other", [3, 3, 8, 5])
    found = compare(
        {
            "Net/conv/weights": [3, 3, 3, 4],
            "Net/later/weights": [3, 3, 24, 4],
            "Net/conv/other": [3, 3, 24, 6],
        }
    )
    assert found.rgb_kernels == ["Net/conv/weights"]
    assert list(found.shape_mismatch) == ["Net/later/weights", "Net/conv/other"]


def test_missing_and_unused_variables_are_found_by_name():
    network(classes=5)
    found = compare({"Net/Logits/biases": [5], "Net/other": [2], "global_step": []})
    assert len(found.missing) == 5
    assert found.unused == ["Net/other"]


def test_keras_file_is_restored(tmp_path):
    model, expected = small()
    with eager_keras():
        model.save(tmp_path / "small.keras")
    get_network_fn(SMALL, 5, is_training=True)(tf.zeros([1, 32, 32, 3]))
    values = restored_values(
        get_init_fn(str(tmp_path / "small.keras"), get_variables_to_restore(), SMALL)
    )
    for name, value in expected.items():
        np.testing.assert_array_equal(values[name], value, err_msg=name)


def test_file_that_is_no_checkpoint_is_refused(tmp_path):
    path = tmp_path / "model.ckpt"
    path.write_bytes(b"<html>not found</html>")
    network(classes=5)
    with pytest.raises(BadInput, match=f"{path} cannot be read as a checkpoint"):
        get_init_fn(str(path), get_variables_to_restore(), "net")


def test_truncated_checkpoint_is_refused_when_it_is_restored(checkpoint):
    network(classes=5)
    init_fn = get_init_fn(checkpoint, get_variables_to_restore(["Net/Logits"]), "net")
    data = max(Path(checkpoint).parent.glob("model.ckpt*"), key=lambda file: file.stat().st_size)
    data.write_bytes(data.read_bytes()[:-10])
    with pytest.raises(BadInput, match=f"{checkpoint} is broken"):
        restored_values(init_fn)


def test_init_fn_names_all_that_it_assigns():
    def assign(session):
        assigned.append("second")

    assigned = []
    first = InitFn(frozenset({"a"}), lambda session: assigned.append("first"))
    both = first.then(["b"], assign)
    both(None, None)
    assert (assigned, both.names) == (["first", "second"], {"a", "b"})
