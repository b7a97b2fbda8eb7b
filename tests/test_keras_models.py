import json

import golden_fill
import golden_nets
import numpy as np
import pytest
from random_keras import (
    ROUNDING,
    SMALL,
    SlimNetwork,
    assert_close,
    assert_same,
    check_to_keras,
    large,
    random_value,
    run_keras,
    small_values,
)

from checkpointing.to_keras import main
from keras_conversion import models as keras_models
from keras_conversion.files import eager_keras
from keras_conversion.models import save_keras_model, to_keras
from keras_conversion.weights import read_keras_weights
from slim_on_tf2 import tf
from system.errors import BadInput

# Networks and image sizes at which Keras pads or averages differently from slim; those at which it
# does not are in test_keras_weights.py.
TO_KERAS = [(SMALL, 63)]
TO_KERAS_LARGE = [
    ("inception_v3", 331),
    ("mobilenet_v1", 95),
    ("resnet_v1_50", 64),
    ("resnet_v2_50", 64),
    ("nasnet_mobile", 64),
    ("nasnet_mobile", 97),
    ("nasnet_large", 64),
]


@pytest.mark.parametrize(("name", "size"), TO_KERAS + large(TO_KERAS_LARGE))
def test_model_from_slim_pads_and_averages_as_slim_does(name, size):
    check_to_keras(SlimNetwork(name, size))


@pytest.mark.parametrize("name", ["inception_resnet_v2", "nasnet_mobile"])
def test_model_from_slim_computes_the_published_logits(name):
    published = golden_nets.read(name)
    values = {v: golden_fill.variable_value(v, shape) for v, shape, _ in published["variables"]}
    model = to_keras(name, values, classifier_activation=None)
    images = golden_fill.images(published["image_size"])
    assert_close(run_keras(model, name, images), np.array(published["logits"]))
    assert_same(
        read_keras_weights(model, name), {v: values[v] for v in values if "AuxLogits/" not in v}
    )


def test_grayscale_network_is_converted_both_ways():
    values = small_values()
    first = "MobilenetV1/Conv2d_0/weights"
    values[first] = values[first][:, :, :1]
    model = to_keras(SMALL, values, 32)
    assert model.input_shape == (None, 32, 32, 1)
    assert_same(read_keras_weights(model, SMALL), values)


def test_network_without_keras_counterpart_is_refused():
    with pytest.raises(BadInput, match="no counterpart of 'inception_v4'; .*, resnet_v1_50, "):
        to_keras("inception_v4", {})


def test_missing_value_and_shape_mismatch_are_refused():
    values = small_values()
    values["MobilenetV1/Conv2d_0/weights"] = np.zeros([3, 3, 3, 16], np.float32)
    with pytest.raises(BadInput, match=r"Conv2d_0/weights has shape \[3, 3, 3, 16\]"):
        to_keras(SMALL, values)
    del values["MobilenetV1/Conv2d_0/weights"]
    with pytest.raises(BadInput, match="1 variables .* such as MobilenetV1/Conv2d_0/weights"):
        to_keras(SMALL, values)


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [(SMALL, 31, "at least 32"), ("vgg_16", 223, "224 to 255"), ("vgg_19", 256, "224 to 255")],
)
def test_image_sizes_that_keras_does_not_accept_are_refused(name, size, expected):
    values = dict.fromkeys((v for v, *_ in golden_nets.read(name)["variables"]), np.zeros(1))
    with pytest.raises(BadInput, match=f"--image_size: .* images of {expected} px, got {size}"):
        to_keras(name, values, size)


def write_checkpoint(path, values):
    variables = [tf.get_variable(name, initializer=value) for name, value in values.items()]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return tf.train.Saver(variables).save(session, str(path), write_meta_graph=False)


def test_checkpoint_becomes_a_keras_file(tmp_path, capsys):
    values = small_values()
    checkpoint = write_checkpoint(tmp_path / "model.ckpt", values | {"global_step": np.int64(3)})
    output = tmp_path / "new" / "flowers.keras"
    arguments = f"--model_name {SMALL} --checkpoint_path {checkpoint} --output {output}"
    assert main([*arguments.split(), "--image_size", "33"]) == 0

    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["output"] == str(output)
    assert result["largest_difference"] < ROUNDING
    assert [file.name for file in output.parent.iterdir()] == ["flowers.keras"]
    with eager_keras() as keras:
        model = keras.models.load_model(output)
    images = golden_fill.images(33)
    np.testing.assert_allclose(run_keras(model, SMALL, images).sum(1), 1, rtol=1e-5)
    assert_same(read_keras_weights(model, SMALL), values)


def test_model_with_one_wrong_layer_is_not_written(tmp_path, monkeypatch):
    """With 1,000 classes, each probability is so small that only its logarithm shows it."""
    head, kernel = "MobilenetV1/Logits/Conv2d_1c_1x1", "MobilenetV1/Conv2d_13_depthwise"
    values = small_values()
    values[f"{head}/weights"] = random_value(f"{head}/weights", (1, 1, 256, 1000))
    values[f"{head}/biases"] = np.zeros(1000, np.float32)
    flipped = {f"{kernel}/depthwise_weights": values[f"{kernel}/depthwise_weights"][::-1]}
    monkeypatch.setattr(
        keras_models,
        "to_keras",
        lambda name, right, size: to_keras(name, {**right, **flipped}, size),
    )
    with pytest.raises(BadInput, match="was not written: its log-probabilities differ"):
        save_keras_model(SMALL, values, tmp_path / "flowers.keras", 64)
    assert list(tmp_path.iterdir()) == []


def test_checkpoint_with_nan_is_not_written(tmp_path):
    values = small_values()
    values["MobilenetV1/Conv2d_5_pointwise/weights"][0, 0, 3, 2] = np.nan
    with pytest.raises(BadInput, match="by nan of the largest; check that every value .* finite"):
        save_keras_model(SMALL, values, tmp_path / "flowers.keras", 32)
    assert list(tmp_path.iterdir()) == []


def test_truncated_checkpoint_is_refused(tmp_path):
    checkpoint = write_checkpoint(tmp_path / "model.ckpt", small_values())
    data = tmp_path / "model.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1000])
    arguments = f"--model_name {SMALL} --checkpoint_path {checkpoint} --output {tmp_path}/a.keras"
    with pytest.raises(BadInput, match="model.ckpt is broken"):
        main(arguments.split())


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"--output": "flowers.h5"}, "--output: expected a name that ends in .keras"),
        ({"--output": None}, "--output are needed"),
        ({"--checkpoint_path": "gone.ckpt"}, "there is no checkpoint gone.ckpt"),
    ],
)
def test_bad_flags_are_one_line(tmp_path, monkeypatch, wrong, line):
    monkeypatch.chdir(tmp_path)
    flags = {"--model_name": SMALL, "--checkpoint_path": "a", "--output": "a.keras"} | wrong
    with pytest.raises(BadInput, match=line) as error:
        main([word for flag in flags.items() if flag[1] for word in flag])
    assert "\n" not in str(error.value)
