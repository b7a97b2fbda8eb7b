from pathlib import Path
from types import SimpleNamespace

import golden_nets
import numpy as np
import pytest

from bad_input import BadInput
from nets import warm_start
from nets.checkpoint_files import checkpoint_at
from nets.factory import NETWORKS, get_network_fn
from slim_on_tf2 import slim, tf

GOLDEN = Path(__file__).parent / "golden"


def network(classes, width=4, scope="Net"):
    """Two layers with batch norm: 5 variables in Net/conv, 2 in Net/Logits."""
    with tf.variable_scope(scope):
        net = slim.conv2d(
            tf.zeros([1, 8, 8, 3]), width, 3, normalizer_fn=slim.batch_norm, scope="conv"
        )
        return slim.fully_connected(slim.flatten(net), classes, scope="Logits")


def save(path, version=tf.train.SaverDef.V2, **kwargs):
    """Saves a network whose variables all hold 7, with an optimizer's slot beside them."""
    with tf.Graph().as_default(), tf.Session() as session:
        network(**kwargs)
        tf.get_variable("Net/conv/weights/Adam", initializer=np.zeros(2, np.float32))
        session.run(tf.global_variables_initializer())
        session.run([v.assign(tf.fill(v.shape, 7.0)) for v in tf.global_variables()])
        return tf.train.Saver(write_version=version).save(session, str(path))


@pytest.fixture(params=[tf.train.SaverDef.V1, tf.train.SaverDef.V2], ids=["V1", "V2"])
def checkpoint(request, tmp_path):
    return save(tmp_path / "model.ckpt", request.param, classes=1001)


def test_all_but_the_head_is_restored_from_either_format(checkpoint):
    network(classes=5)
    found = warm_start.compare(checkpoint, slim.get_model_variables(), ["Net/Logits"])
    warm_start.check(found, "net")
    restore = warm_start.restore_fn(found)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        restore(session)
        values = {v.op.name: session.run(v) for v in slim.get_model_variables()}
    restored = {name for name, value in values.items() if (value == 7).all()}
    assert restored == {
        "Net/conv/weights",
        "Net/conv/BatchNorm/beta",
        "Net/conv/BatchNorm/moving_mean",
        "Net/conv/BatchNorm/moving_variance",
    }
    assert sorted(found.excluded) == ["Net/Logits/biases", "Net/Logits/weights"]
    assert found.unused == []  # an optimizer's slot, Net/conv/weights/Adam, is no weight
    parameters = 3 * 3 * 3 * 4 + 4 + 4 + 4
    assert f"Restored 4 variables ({parameters} parameters)" in found.describe()[0]


def test_a_misshapen_head_is_an_error_that_names_the_flag(checkpoint):
    network(classes=5)
    found = warm_start.compare(checkpoint, slim.get_model_variables())
    with pytest.raises(BadInput) as error:
        warm_start.check(found, "net")
    message = str(error.value)
    assert "Net/Logits/weights has shape [256, 1001], not [256, 5]" in message
    assert "add Net/Logits to --checkpoint_exclude_scopes" in message
    warm_start.check(found, "net", ignore_missing_vars=True)
    assert sorted(found.misshapen) == ["Net/Logits/biases", "Net/Logits/weights"]


def test_missing_variables_are_listed_up_to_ten(tmp_path):
    checkpoint = save(tmp_path / "model.ckpt", classes=5)
    network(classes=5)
    for i in range(12):
        slim.model_variable(f"Net/new_{i:02}/weights", [1])
    found = warm_start.compare(checkpoint, slim.get_model_variables())
    with pytest.raises(BadInput) as error:
        warm_start.check(found, "net")
    assert "Net/new_09/weights is missing; and 2 more" in str(error.value)
    assert "Net/new_10" not in str(error.value)


def test_a_checkpoint_of_another_network_is_refused_whatever_the_flags(tmp_path):
    checkpoint = save(tmp_path / "model.ckpt", classes=5, scope="Other")
    network(classes=5)
    found = warm_start.compare(checkpoint, slim.get_model_variables())
    with pytest.raises(BadInput, match="holds no variable of net"):
        warm_start.check(found, "net", ignore_missing_vars=True)


def test_the_same_names_with_other_shapes_are_another_network(tmp_path):
    checkpoint = save(tmp_path / "model.ckpt", classes=5, width=4)
    network(classes=5, width=8)
    found = warm_start.compare(checkpoint, slim.get_model_variables(), ["Net/Logits"])
    with pytest.raises(BadInput, match=r"Net/conv/weights has \[3, 3, 3, 4\], not \[3, 3, 3, 8\]"):
        warm_start.check(found, "net", ignore_missing_vars=True)


def test_a_mistyped_scope_is_answered_with_the_one_that_was_meant():
    network(classes=5)
    warm_start.check_scopes(["Net/Logits"], slim.get_model_variables())
    with pytest.raises(BadInput, match="Net/Logit holds no variable.*did you mean Net/Logits"):
        warm_start.check_scopes(["Net/Logit"], slim.get_model_variables())


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Net/Logits", True), ("Net/Logits/weights", True), ("Net/LogitsExtra/weights", False)],
)
def test_a_scope_is_a_whole_part_of_a_name(name, expected):
    assert warm_start.in_scopes(name, ["Net/Logits"]) is expected


@pytest.fixture
def averaged(tmp_path):
    """A checkpoint whose weights hold 7 and their moving averages 3; beta has no average."""
    with tf.Graph().as_default(), tf.Session() as session:
        network(classes=5)
        for weights in slim.get_variables_by_suffix("weights"):
            name = f"{weights.op.name}/ExponentialMovingAverage"
            tf.get_variable(name, initializer=tf.fill(weights.shape, 3.0))
        session.run(tf.global_variables_initializer())
        session.run([v.assign(tf.fill(v.shape, 7.0)) for v in slim.get_model_variables()])
        return tf.train.Saver().save(session, str(tmp_path / "averaged.ckpt"))


def restored_values(found):
    restore = warm_start.restore_fn(found)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        restore(session)
        return {v.op.name: session.run(v) for v in slim.get_model_variables()}


@pytest.mark.parametrize(("moving_averages", "weight"), [(True, 3), (False, 7)])
def test_moving_averages_are_restored_where_they_are_wanted(averaged, moving_averages, weight):
    network(classes=5)
    found = warm_start.compare(
        averaged, slim.get_model_variables(), restore_moving_averages=moving_averages
    )
    warm_start.check(found, "net")
    assert found.unused == []
    values = restored_values(found)
    for name, value in values.items():
        assert (value == (weight if name.endswith("/weights") else 7)).all(), name
    line = found.describe()[1]
    assert ("took the place of 2" if moving_averages else "--restore_moving_averages") in line


def test_moving_averages_that_are_not_there_are_asked_for_in_vain(checkpoint):
    network(classes=5)
    found = warm_start.compare(
        checkpoint, slim.get_model_variables(), ["Net/Logits"], restore_moving_averages=True
    )
    with pytest.raises(BadInput, match="model.ckpt holds no moving averages"):
        warm_start.check_moving_averages(found)


def test_a_checkpoint_of_moving_averages_alone_asks_for_the_flag(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("Net/new/weights/ExponentialMovingAverage", [1])
        network(classes=5)
        session.run(tf.global_variables_initializer())
        path = tf.train.Saver().save(session, str(tmp_path / "model.ckpt"))
    network(classes=5)
    slim.model_variable("Net/new/weights", [1])
    found = warm_start.compare(path, slim.get_model_variables())
    with pytest.raises(BadInput, match="Net/new/weights; give --restore_moving_averages"):
        warm_start.check(found, "net")


def test_a_first_layer_for_grey_photos_begins_at_random(checkpoint):
    slim.model_variable("Net/conv/weights", [3, 3, 1, 4])
    slim.model_variable("Net/conv/BatchNorm/beta", [4])
    found = warm_start.compare(checkpoint, slim.get_model_variables())
    warm_start.check(found, "net")
    assert found.in_colour == ["Net/conv/weights"]
    assert list(found.restored) == ["Net/conv/BatchNorm/beta"]
    assert "Of three channels, for photos of one, begin at random: 1" in found.describe()[1]


def in_other_channels(name, channels):
    """The shapes of the golden network `name`, for images of `channels`; and its first kernels.

    What sees the images is told from what comes after by the channels that it was published for.
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


def values_of(shapes):
    """Zeros that take no room."""
    return {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("name", [name for name in NETWORKS if (GOLDEN / f"{name}.json").is_file()])
def test_of_each_network_the_first_layer_alone_is_of_colour(name):
    in_colour, _ = in_other_channels(name, 3)
    grey, first_layer = in_other_channels(name, 1)
    variables = [
        SimpleNamespace(op=SimpleNamespace(name=name), shape=tf.TensorShape(shape))
        for name, shape in grey.items()
    ]
    found = warm_start.compare("a.ckpt", variables, values=values_of(in_colour))
    assert found.in_colour == first_layer
    assert len(found.restored) == len(grey) - len(first_layer)
    assert not found.misshapen and not found.missing and not found.unused


def test_a_separable_first_layer_for_grey_photos_begins_at_random_whole():
    in_colour, first_layer = in_other_channels("inception_v2", 3)
    get_network_fn("inception_v2", 5, is_training=True)(tf.zeros([1, 64, 64, 1]))
    found = warm_start.compare(
        "a.ckpt", slim.get_model_variables(), ["InceptionV2/Logits"], values=values_of(in_colour)
    )
    warm_start.check(found, "inception_v2")
    assert found.in_colour == first_layer
    assert [name.rpartition("/")[2] for name in first_layer] == [
        "depthwise_weights",
        "pointwise_weights",
    ]


def test_a_kernel_of_another_depth_elsewhere_is_no_first_layer():
    slim.model_variable("Net/conv/weights", [3, 3, 1, 4])
    slim.model_variable("Net/later/weights", [3, 3, 8, 4])
    slim.model_variable("Net/conv/other", [3, 3, 8, 5])
    values = values_of(
        {
            "Net/conv/weights": [3, 3, 3, 4],
            "Net/later/weights": [3, 3, 24, 4],
            "Net/conv/other": [3, 3, 24, 6],
        }
    )
    found = warm_start.compare("a.ckpt", slim.get_model_variables(), values=values)
    assert found.in_colour == ["Net/conv/weights"]
    assert list(found.misshapen) == ["Net/later/weights", "Net/conv/other"]


def test_values_of_another_kind_of_file_are_assigned():
    network(classes=5)
    values = {"Net/Logits/biases": np.arange(5, dtype=np.float32), "Net/other": np.zeros(2)}
    found = warm_start.compare("a.h5", slim.get_model_variables(), ["Net/conv"], values=values)
    assert found.missing == ["Net/Logits/weights"]
    assert found.unused == ["Net/other"]
    np.testing.assert_array_equal(restored_values(found)["Net/Logits/biases"], np.arange(5))


def test_a_broken_checkpoint_is_named(tmp_path):
    path = tmp_path / "model.ckpt"
    path.write_bytes(b"<html>not found</html>")
    network(classes=5)
    with pytest.raises(BadInput, match=str(path)):
        warm_start.compare(checkpoint_at(path), slim.get_model_variables())
