"""The parts of tf-slim that the project uses, compared with NumPy."""

import importlib
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

import slim_on_tf2
from slim_on_tf2 import ALIASES, set_aliases, slim, suppress_startup_messages, tf

EPSILON = float(np.finfo(np.float32).eps)
RANDOM = np.random.RandomState(0)
IMAGES = RANDOM.uniform(-1, 1, [2, 6, 6, 3]).astype(np.float32)
WINDOWS = sliding_window_view(np.pad(IMAGES, [(0, 0), (1, 1), (1, 1), (0, 0)]), (3, 3), (1, 2))


ROOT = Path(__file__).parent.parent


def evaluate(*tensors):
    """The values of `tensors`, then a dict of the model variables, such as {"weights": ...}."""
    variables = slim.get_model_variables()
    with tf.Session() as session:
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        *values, weights = session.run([*tensors, variables])
    return *values, {v.op.name.rsplit("/", 1)[1]: value for v, value in zip(variables, weights)}


def assert_close(actual, expected):
    """Sums of up to 108 products of order 1, plus a few operations, round to 128 eps."""
    largest = max(1, np.abs(expected).max())
    np.testing.assert_allclose(actual, expected, rtol=0, atol=128 * EPSILON * largest)


def test_conv2d():
    outputs, variables = evaluate(slim.conv2d(tf.constant(IMAGES), 4, 3))
    assert_close(
        outputs, np.maximum(np.einsum("nhwcij,ijcd->nhwd", WINDOWS, variables["weights"]), 0)
    )
    assert not variables["biases"].any()


@pytest.mark.parametrize("depth", [None, 5])
def test_separable_conv2d(depth):
    layer = slim.separable_conv2d(tf.constant(IMAGES), depth, 3, activation_fn=None)
    outputs, variables = evaluate(layer)
    expected = np.einsum("nhwcij,ijcm->nhwcm", WINDOWS, variables["depthwise_weights"])[..., 0]
    if depth:
        expected = expected @ variables["pointwise_weights"][0, 0]
    assert_close(outputs, expected)


@pytest.mark.parametrize(
    ("pool", "statistic"), [(slim.max_pool2d, np.max), (slim.avg_pool2d, np.mean)]
)
def test_pooling(pool, statistic):
    outputs, _ = evaluate(pool(tf.constant(IMAGES), 3, stride=2))
    assert_close(
        outputs, statistic(sliding_window_view(IMAGES, (3, 3), (1, 2))[:, ::2, ::2], (4, 5))
    )


def test_fused_batch_norm_in_training():
    inputs = tf.constant(IMAGES)
    outputs = slim.batch_norm(inputs, decay=0.9, epsilon=0.01, scale=True, is_training=True)
    assert "FusedBatchNormV3" in {op.type for op in tf.get_default_graph().get_operations()}
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    with tf.control_dependencies(updates):
        after = [v.read_value() for v in slim.get_variables_by_suffix("moving_mean")]
        after += [v.read_value() for v in slim.get_variables_by_suffix("moving_variance")]
    outputs, mean, variance, _ = evaluate(outputs, *after)

    batch_mean, batch_variance = IMAGES.mean((0, 1, 2)), IMAGES.var((0, 1, 2))
    assert_close(outputs, (IMAGES - batch_mean) / np.sqrt(batch_variance + 0.01))
    assert_close(mean, 0.1 * batch_mean)
    count = IMAGES[..., 0].size
    assert_close(variance, 0.9 + 0.1 * batch_variance * count / (count - 1))


def test_batch_norm_in_evaluation():
    outputs, _ = evaluate(slim.batch_norm(tf.constant(IMAGES), epsilon=0.21, is_training=False))
    assert_close(outputs, IMAGES / np.sqrt(1.21))  # initial moving averages are 0 and 1
    assert not tf.get_collection(tf.GraphKeys.UPDATE_OPS)


def test_fully_connected_and_flatten():
    flat = slim.flatten(tf.constant(IMAGES))
    rows, outputs, variables = evaluate(flat, slim.fully_connected(flat, 4, activation_fn=None))
    np.testing.assert_array_equal(rows, IMAGES.reshape(2, -1))
    assert_close(outputs, IMAGES.reshape(2, -1) @ variables["weights"])


def test_dropout():
    outputs, _ = evaluate(slim.dropout(tf.ones([100, 100]), 0.8))
    assert set(np.unique(outputs)) == {np.float32(0), np.float32(1.25)}
    assert 0.78 < (outputs > 0).mean() < 0.82


def test_one_hot_encoding():
    encoded, _ = evaluate(slim.one_hot_encoding(tf.constant([2, 0]), 3))
    np.testing.assert_array_equal(encoded, np.eye(3)[[2, 0]])


def test_arg_scope_and_repeat():
    with slim.arg_scope([slim.conv2d], padding="VALID", activation_fn=None):
        net = slim.repeat(tf.constant(IMAGES), 2, slim.conv2d, 4, 3)
    assert net.shape.as_list() == [2, 2, 2, 4]
    assert "Repeat/convolution2d_2/weights" in {v.op.name for v in slim.get_model_variables()}


def test_l2_regularizer():
    slim.conv2d(tf.constant(IMAGES), 4, 3, weights_regularizer=slim.l2_regularizer(0.1))
    (loss,) = tf.losses.get_regularization_losses()
    loss, variables = evaluate(loss)
    assert_close(loss, 0.1 / 2 * np.sum(variables["weights"] ** 2))


def test_model_variables():
    variable = slim.model_variable("here/weights", [2], initializer=tf.ones_initializer())
    tf.get_variable("here/slot", [2])
    assert slim.get_model_variables() == [variable]
    assert slim.get_model_variables("elsewhere") == []


def test_restoring_from_a_checkpoint(tmp_path):
    for name in ("body", "head"):
        slim.model_variable(f"{name}/weights", [2], initializer=tf.ones_initializer())
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        prefix = tf.train.Saver().save(session, str(tmp_path / "model.ckpt"))

    with tf.Graph().as_default():
        for name in ("body", "head"):
            slim.model_variable(f"{name}/weights", [2], initializer=tf.zeros_initializer())
        restored = slim.get_variables_to_restore(exclude=["head"])
        assert [variable.op.name for variable in restored] == ["body/weights"]
        restore = slim.assign_from_checkpoint_fn(prefix, restored)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            restore(session)
            body, head = session.run(slim.get_model_variables())
    np.testing.assert_array_equal([body, head], [[1, 1], [0, 0]])


def test_streaming_accuracy():
    predictions = tf.placeholder(tf.int64, [None])
    accuracy, update = slim.metrics.streaming_accuracy(predictions, tf.constant([1, 1], tf.int64))
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        for batch in ([1, 1], [1, 0], [0, 0]):
            session.run(update, {predictions: batch})
        assert session.run(accuracy) == 0.5


def test_softmax_cross_entropy():
    logits = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 9.0]], np.float32)
    loss = slim.losses.softmax_cross_entropy(tf.constant(logits), tf.constant(np.eye(3)[[2, 0]]))
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    value, total, _ = evaluate(loss, slim.losses.get_total_loss())
    assert_close(value, -np.mean(np.log(probabilities[[0, 1], [2, 0]])))
    assert value == total


def test_dataset_and_decoder(tmp_path):
    pixels = RANDOM.randint(0, 256, [4, 5, 3], np.uint8)
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    example = tf.train.Example()
    example.features.feature["image/encoded"].bytes_list.value.append(png.getvalue())
    example.features.feature["image/format"].bytes_list.value.append(b"png")
    example.features.feature["image/class/label"].int64_list.value.append(3)

    decoder = slim.tfexample_decoder.TFExampleDecoder(
        {
            "image/encoded": tf.FixedLenFeature([], tf.string),
            "image/format": tf.FixedLenFeature([], tf.string, "jpeg"),
            "image/class/label": tf.FixedLenFeature([], tf.int64),
        },
        {
            "image": slim.tfexample_decoder.Image(),
            "label": slim.tfexample_decoder.Tensor("image/class/label"),
        },
    )
    dataset = slim.dataset.Dataset(
        "nowhere", tf.TFRecordReader, decoder, 1, {"image": "An image."}, num_classes=5
    )
    items = dataset.decoder.decode(tf.constant(example.SerializeToString()), ["image", "label"])
    image, label, _ = evaluate(*items)
    np.testing.assert_array_equal(image, pixels)
    assert (label, dataset.num_samples, dataset.num_classes) == (3, 1, 5)


def resolve(dotted_name):
    module, name = dotted_name.rsplit(".", 1)
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("alias", ALIASES)
def test_alias_is_set(alias):
    assert resolve(alias) is resolve(ALIASES[alias])


@pytest.mark.parametrize(
    "source",
    ["tensorflow.python.ops.array_ops_stack.no_such_name", "tensorflow.python.ops.no_module.stack"],
)
def test_alias_without_source_is_reported(source):
    alias = "tensorflow.python.ops.array_ops.stack"
    with pytest.raises(ImportError) as error:
        set_aliases({alias: source})
    message = str(error.value)
    assert message.startswith(f"tf-slim needs {alias}, which is {source} in TensorFlow 2.21")
    assert "pip install -r requirements.txt" in message


def test_messages_before_an_error_are_printed(capfd):
    with pytest.raises(ImportError), suppress_startup_messages():
        os.write(2, b"libcudart is broken\n")
        raise ImportError
    assert capfd.readouterr().err == "libcudart is broken\n"
    os.write(2, b"stderr is restored\n")
    assert capfd.readouterr().err == "stderr is restored\n"


@pytest.mark.parametrize(
    "module",
    [
        "train_flowers",
        "eval_flowers",
        "predict_flowers",
        "export_flowers",
        "keras_conversion.models",
    ],
)
def test_import_of_a_script_prints_nothing(module):
    done = subprocess.run(
        [sys.executable, "-c", f"import {module}"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_import_is_silent_and_only_startup_messages_are_suppressed():
    code = """
import os, sys
from slim_on_tf2 import suppress_startup_messages
with suppress_startup_messages():
    os.write(2, b"I0000 cpu.cc:1] This TensorFlow binary is optimized to use AVX2\\n")
    os.write(2, b"W0000 cuda.cc:1] a driver too old\\n")
    print("from Python", file=sys.stderr)
"""
    completed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(slim_on_tf2.__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert completed.stdout == ""
    assert completed.stderr == "W0000 cuda.cc:1] a driver too old\nfrom Python\n"
