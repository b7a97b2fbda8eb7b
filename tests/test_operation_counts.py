"""Checks the counts of small graphs against counts by hand."""

import pytest

from model_stats.operation_counts import LayerCounts, count_network
from slim_on_tf2 import slim, tf
from system.errors import BadInput


def images(*shape):
    return tf.placeholder(tf.float32, shape or (None, 15, 15, 4))


def only_layer(outputs):
    (layer,) = count_network(outputs).layers
    return layer


def test_convolution_bias_and_activation_are_one_layer():
    layer = only_layer(slim.conv2d(images(), 8, [3, 5], stride=2))
    outputs = 8 * 8 * 8
    assert layer == LayerCounts(
        "Conv",
        (8, 8, 8),
        params=3 * 5 * 4 * 8 + 8,
        maccs=outputs * 3 * 5 * 4,
        adds=outputs,
        comps=outputs,
    )


def test_depthwise_convolution():
    layer = only_layer(
        slim.separable_conv2d(images(), None, 3, depth_multiplier=2, padding="VALID")
    )
    outputs = 13 * 13 * 8
    assert layer == LayerCounts(
        "SeparableConv2d",
        (13, 13, 8),
        params=3 * 3 * 4 * 2 + 8,
        maccs=outputs * 9,
        adds=outputs,
        comps=outputs,
    )


@pytest.mark.parametrize("batch", [None, 1, 3])
@pytest.mark.parametrize("rate", [1, 2, 4])
def test_separable_convolution_is_one_layer(batch, rate):
    layer = only_layer(slim.separable_conv2d(images(batch, 15, 15, 4), 6, 3, 2, rate=rate))
    positions = 15 * 15
    assert layer == LayerCounts(
        "SeparableConv2d",
        (15, 15, 6),
        params=3 * 3 * 4 * 2 + 8 * 6 + 6,
        maccs=positions * (8 * 9 + 8 * 6),
        adds=positions * 6,
        comps=positions * 6,
    )


@pytest.mark.parametrize("batch", [None, 2, 16])
@pytest.mark.parametrize(("rate", "padding", "side"), [(2, "SAME", 15), (4, "VALID", 7)])
def test_dilated_convolution_counts_its_outputs(batch, rate, padding, side):
    # 15 is not a multiple of the rate, so the blocks that TensorFlow computes are padded.
    net = slim.conv2d(images(batch, 15, 15, 4), 8, 3, rate=rate, padding=padding)
    layer = only_layer(net)
    assert layer.output_shape == (side, side, 8)
    assert layer.maccs == side * side * 8 * 9 * 4
    assert layer.adds == layer.comps == side * side * 8


def test_operations_on_the_blocks_of_a_dilation_count_for_one_image():
    weights = tf.get_variable("weights", [3, 3, 4, 8])

    def convolve(blocks, num_spatial_dims, padding):
        return tf.nn.relu(tf.nn.conv2d(blocks, weights, 1, padding))

    net = tf.nn.with_space_to_batch(images(), [2, 2], "SAME", convolve, filter_shape=[3, 3])
    total = count_network(net).total
    assert (total.params, total.maccs, total.comps) == (288, 225 * 8 * 36, 225 * 8)


def test_1d_convolution():
    layer = only_layer(slim.convolution1d(images(None, 15, 4), 8, 3, rate=2))
    assert (layer.maccs, layer.output_shape) == (15 * 8 * 3 * 4, (15, 8))


def test_transposed_convolution_costs_one_window_per_input():
    layer = only_layer(slim.conv2d_transpose(images(), 8, 3, stride=2, activation_fn=None))
    assert layer.params == 3 * 3 * 4 * 8 + 8
    assert layer.maccs == 15 * 15 * 4 * 9 * 8
    assert layer.output_shape == (30, 30, 8)


def test_dense_layer():
    layer = only_layer(slim.fully_connected(images(None, 20), 10))
    assert layer == LayerCounts(
        "fully_connected", (10,), params=20 * 10 + 10, maccs=20 * 10, adds=10, comps=10
    )
    weights = tf.get_variable("weights", [10, 20])
    assert only_layer(tf.matmul(images(None, 20), weights, transpose_b=True)).maccs == 200


@pytest.mark.parametrize("batch", [None, 2])
def test_dense_layer_at_each_position(batch):
    layer = only_layer(slim.fully_connected(images(batch, 15, 15, 4), 8, activation_fn=None))
    assert layer == LayerCounts(
        "fully_connected", (15, 15, 8), params=40, maccs=225 * 4 * 8, adds=225 * 8
    )


@pytest.mark.parametrize(
    ("function", "counts", "shape"),
    [
        (lambda x: slim.max_pool2d(x, 3), {"comps": 7 * 7 * 4 * 8}, (7, 7, 4)),
        (lambda x: slim.avg_pool2d(x, [2, 3]), {"adds": 7 * 7 * 4 * 5}, (7, 7, 4)),
        (lambda x: tf.reduce_mean(x, [1, 2]), {"adds": 4 * (225 - 1)}, (4,)),
        (lambda x: tf.reduce_sum(x, [1, 2, 3]), {"adds": 900 - 1}, ()),
        (lambda x: tf.reduce_max(x, -1), {"comps": 225 * 3}, (15, 15)),
        (lambda x: x + x, {"adds": 900}, (15, 15, 4)),
        (lambda x: x - 0.5, {"adds": 900}, (15, 15, 4)),
        (lambda x: tf.add_n([x, x, x]), {"adds": 1800}, (15, 15, 4)),
        (tf.nn.relu, {"comps": 900}, (15, 15, 4)),
        (tf.nn.relu6, {"comps": 1800}, (15, 15, 4)),
        (lambda x: tf.nn.lrn(x, depth_radius=2), {"adds": 900 * 5}, (15, 15, 4)),
    ],
)
def test_operation_without_weights_is_a_layer(function, counts, shape):
    net = function(images())
    assert only_layer(net) == LayerCounts(net.op.name, shape, **counts)


@pytest.mark.parametrize("function", [tf.nn.sigmoid, tf.exp, lambda x: x * 2.0, slim.flatten])
def test_layer_whose_counts_are_zero_is_left_out(function):
    assert count_network(function(images())).layers == []


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("is_training", [True, False])
def test_batch_norm_has_the_same_counts_in_every_implementation(fused, is_training):
    options = {"fused": fused, "is_training": is_training, "scale": True}
    net = slim.conv2d(images(), 8, 3, normalizer_fn=slim.batch_norm, normalizer_params=options)
    outputs = 15 * 15 * 8
    assert count_network(net).layers == [
        LayerCounts("Conv", (15, 15, 8), params=3 * 3 * 4 * 8, maccs=outputs * 36, comps=outputs),
        LayerCounts("Conv/BatchNorm", (15, 15, 8), params=8 + 8, adds=outputs),
    ]


@pytest.mark.parametrize("batch", [None, 1, 7])
def test_total_is_the_sum_for_one_image(batch):
    net = slim.conv2d(images(batch, 15, 15, 4), 8, 3, scope="conv1")
    net = slim.max_pool2d(net + slim.conv2d(net, 8, 1, scope="conv2"), 2, scope="pool")
    logits = slim.fully_connected(slim.flatten(net), 5, activation_fn=None, scope="fc")
    counts = count_network(slim.dropout(logits))
    assert [layer.name for layer in counts.layers] == [
        "conv1",
        "conv2",
        "add",
        "pool/MaxPool",
        "fc",
    ]
    assert counts.total == LayerCounts(
        "total",
        (5,),
        params=(36 * 8 + 8) + (8 * 8 + 8) + (7 * 7 * 8 * 5 + 5),
        maccs=225 * 8 * 36 + 225 * 8 * 8 + 7 * 7 * 8 * 5,
        adds=225 * 8 * 3 + 5,
        comps=225 * 8 * 2 + 7 * 7 * 8 * 3,
    )


def test_layer_used_twice_counts_its_parameters_once():
    net = slim.conv2d(images(), 4, 3, scope="conv")
    layer = only_layer(slim.conv2d(net, 4, 3, scope="conv", reuse=True))
    assert (layer.params, layer.maccs) == (9 * 4 * 4 + 4, 2 * 225 * 4 * 36)


def test_only_trainable_parameters_count():
    net = slim.conv2d(images(), 8, 3, trainable=False, biases_initializer=None)
    assert only_layer(net).params == 0
    parts = tf.fixed_size_partitioner(2)
    with tf.variable_scope("split", partitioner=parts):
        weights = tf.get_variable("weights", [3, 3, 4, 8])
    net = tf.nn.conv2d(images(), weights, 1, "SAME")
    assert only_layer(net).params == 3 * 3 * 4 * 8


def test_images_of_unknown_size_are_refused():
    net = slim.conv2d(images(None, None, None, 3), 8, 3)
    with pytest.raises(BadInput, match=r"Conv/Conv2D: unknown shape \?x\?x8.*known height"):
        count_network(net)
    with pytest.raises(BadInput, match=r"Mean: unknown shape \?x\?x3"):
        count_network(tf.reduce_mean(images(None, None, None, 3), [1, 2]))
