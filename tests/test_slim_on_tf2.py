"""Everything of tf-slim that the project uses works on this TensorFlow, by numpy's account."""

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
from slim_on_tf2 import ALIASES, set_aliases, slim, tf, without_start_up_chatter

RANDOM = np.random.RandomState(0)
PHOTOS = RANDOM.uniform(-1, 1, [2, 6, 6, 3]).astype(np.float32)
WINDOWS = sliding_window_view(np.pad(PHOTOS, [(0, 0), (1, 1), (1, 1), (0, 0)]), (3, 3), (1, 2))


def evaluate(*tensors):
    """The values of `tensors`, then those of the model variables by leaf name."""
    variables = slim.get_model_variables()
    with tf.Session() as session:
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        *values, weights = session.run([*tensors, variables])
    return *values, {v.op.name.rsplit("/", 1)[1]: value for v, value in zip(variables, weights)}


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_conv2d():
    outputs, variables = evaluate(slim.conv2d(tf.constant(PHOTOS), 4, 3))
    close(outputs, np.maximum(np.einsum("nhwcij,ijcd->nhwd", WINDOWS, variables["weights"]), 0))
    assert not variables["biases"].any()


@pytest.mark.parametrize("depth", [None, 5])
def test_separable_conv2d(depth):
    layer = slim.separable_conv2d(tf.constant(PHOTOS), depth, 3, activation_fn=None)
    outputs, variables = evaluate(layer)
    expected = np.einsum("nhwcij,ijcm->nhwcm", WINDOWS, variables["depthwise_weights"])[..., 0]
    if depth:
        expected = expected @ variables["pointwise_weights"][0, 0]
    close(outputs, expected)


@pytest.mark.parametrize(
    ("pool", "statistic"), [(slim.max_pool2d, np.max), (slim.avg_pool2d, np.mean)]
)
def test_pooling(pool, statistic):
    outputs, _ = evaluate(pool(tf.constant(PHOTOS), 3, stride=2))
    close(outputs, statistic(sliding_window_view(PHOTOS, (3, 3), (1, 2))[:, ::2, ::2], (4, 5)))


def test_fused_batch_norm_in_training():
    inputs = tf.constant(PHOTOS)
    outputs = slim.batch_norm(inputs, decay=0.9, epsilon=0.01, scale=True, is_training=True)
    assert "FusedBatchNormV3" in {op.type for op in tf.get_default_graph().get_operations()}
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    with tf.control_dependencies(updates):
        after = [v.read_value() for v in slim.get_variables_by_suffix("moving_mean")]
        after += [v.read_value() for v in slim.get_variables_by_suffix("moving_variance")]
    outputs, mean, variance, _ = evaluate(outputs, *after)

    batch_mean, batch_variance = PHOTOS.mean((0, 1, 2)), PHOTOS.var((0, 1, 2))
    close(outputs, (PHOTOS - batch_mean) / np.sqrt(batch_variance + 0.01))
    close(mean, 0.1 * batch_mean)
    count = PHOTOS[..., 0].size
    close(variance, 0.9 + 0.1 * batch_variance * count / (count - 1))


def test_batch_norm_in_evaluation():
    outputs, _ = evaluate(slim.batch_norm(tf.constant(PHOTOS), epsilon=0.21, is_training=False))
    close(outputs, PHOTOS / np.sqrt(1.21))  # a new network's averages are 0 and 1
    assert not tf.get_collection(tf.GraphKeys.UPDATE_OPS)


def test_fully_connected_and_flatten():
    flat = slim.flatten(tf.constant(PHOTOS))
    rows, outputs, variables = evaluate(flat, slim.fully_connected(flat, 4, activation_fn=None))
    np.testing.assert_array_equal(rows, PHOTOS.reshape(2, -1))
    close(outputs, PHOTOS.reshape(2, -1) @ variables["weights"])


def test_dropout():
    outputs, _ = evaluate(slim.dropout(tf.ones([100, 100]), 0.8))
    assert set(np.unique(outputs)) == {np.float32(0), np.float32(1.25)}
    assert 0.78 < (outputs > 0).mean() < 0.82


def test_one_hot_encoding():
    encoded, _ = evaluate(slim.one_hot_encoding(tf.constant([2, 0]), 3))
    np.testing.assert_array_equal(encoded, np.eye(3)[[2, 0]])


def test_arg_scope_and_repeat():
    with slim.arg_scope([slim.conv2d], padding="VALID", activation_fn=None):
        net = slim.repeat(tf.constant(PHOTOS), 2, slim.conv2d, 4, 3)
    assert net.shape.as_list() == [2, 2, 2, 4]
    assert "Repeat/convolution2d_2/weights" in {v.op.name for v in slim.get_model_variables()}


def test_l2_regularizer():
    slim.conv2d(tf.constant(PHOTOS), 4, 3, weights_regularizer=slim.l2_regularizer(0.1))
    (loss,) = tf.losses.get_regularization_losses()
    loss, variables = evaluate(loss)
    close(loss, 0.1 / 2 * np.sum(variables["weights"] ** 2))


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
    close(value, -np.mean(np.log(probabilities[[0, 1], [2, 0]])))
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
        "nowhere", tf.TFRecordReader, decoder, 1, {"image": "A photo."}, num_classes=5
    )
    items = dataset.decoder.decode(tf.constant(example.SerializeToString()), ["image", "label"])
    image, label, _ = evaluate(*items)
    np.testing.assert_array_equal(image, pixels)
    assert (label, dataset.num_samples, dataset.num_classes) == (3, 1, 5)


@pytest.mark.parametrize(("module", "name"), ALIASES)
def test_each_alias_is_in_its_place(module, name):
    source = importlib.import_module(ALIASES[module, name])
    expected = getattr(source, slim_on_tf2.RENAMED.get((module, name), name))
    assert getattr(importlib.import_module(module), name) is expected


@pytest.mark.parametrize(
    "source", ["tensorflow.python.ops.array_ops_stack", "tensorflow.python.ops.gone_away"]
)
def test_an_alias_that_no_longer_fits_is_named(source):
    alias = ("tensorflow.python.ops.array_ops", "no_such_name")
    with pytest.raises(ImportError) as error:
        set_aliases({alias: source})
    message = str(error.value)
    assert message.startswith("tf-slim needs tensorflow.python.ops.array_ops.no_such_name")
    assert f"{source}.no_such_name" in message
    assert "pip install -r requirements.txt" in message


def test_what_was_said_before_an_error_passes_too(capfd):
    with pytest.raises(ImportError), without_start_up_chatter():
        os.write(2, b"libcudart is broken\n")
        raise ImportError
    assert capfd.readouterr().err == "libcudart is broken\n"
    os.write(2, b"and the terminal is back\n")
    assert capfd.readouterr().err == "and the terminal is back\n"


def test_importing_is_silent_and_known_chatter_alone_is_held_back():
    code = """
import os, sys
from slim_on_tf2 import without_start_up_chatter
with without_start_up_chatter():
    os.write(2, b"I0000 cpu.cc:1] This TensorFlow binary is optimized to use AVX2\\n")
    os.write(2, b"W0000 cuda.cc:1] a driver too old\\n")
    print("from Python", file=sys.stderr)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(slim_on_tf2.__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == ""
    assert ran.stderr == "W0000 cuda.cc:1] a driver too old\nfrom Python\n"
