import pytest

from model_stats.forward_graph import forward_operations
from slim_on_tf2 import slim, tf
from system.errors import BadInput


def images(*shape):
    return tf.placeholder(tf.float32, shape or (None, 15, 15, 4), name="images")


def types(logits, inputs=None):
    return [operation.op.type for operation in forward_operations(logits, inputs)]


def shapes(logits, op_type):
    return [op.shape for op in forward_operations(logits) if op.op.type == op_type]


def test_only_operations_between_images_and_logits_are_found():
    net = slim.conv2d(images(), 8, 3, weights_regularizer=slim.l2_regularizer(0.1))
    auxiliary = slim.fully_connected(slim.flatten(net), 5, scope="auxiliary")
    logits = slim.fully_connected(slim.flatten(net), 5, activation_fn=None)
    before = types(logits)
    loss = tf.reduce_sum(logits) + tf.reduce_sum(auxiliary) + tf.losses.get_regularization_loss()
    tf.train.AdamOptimizer().minimize(loss)
    assert before == types(logits) == ["Conv2D", "BiasAdd", "Relu", "Reshape", "MatMul", "BiasAdd"]


def test_input_pipeline_is_left_out():
    def read(number):
        return tf.fill([15, 15, 4], tf.cast(number, tf.float32)) / 255.0 - 0.5

    batches = tf.data.Dataset.range(6).map(read).batch(2)
    batch = tf.data.make_initializable_iterator(batches).get_next()
    assert types(slim.conv2d(batch, 8, 3)) == ["Conv2D", "BiasAdd", "Relu"]


def test_integer_images_are_the_input_once_cast_to_float():
    pixels = tf.placeholder(tf.uint8, [None, 15, 15, 4])
    net = slim.conv2d(tf.cast(pixels, tf.float32) / 255.0, 8, 3)
    assert types(net) == ["RealDiv", "Conv2D", "BiasAdd", "Relu"]


def test_given_inputs_are_the_input():
    inputs = images() / 255.0 - 0.5
    assert types(slim.conv2d(inputs, 8, 3), inputs) == ["Conv2D", "BiasAdd", "Relu"]
    constant = tf.zeros([2, 15, 15, 4])
    assert types(slim.max_pool2d(constant, 2), constant) == ["MaxPool"]


def test_dropout_noise_and_batch_statistics_are_left_out():
    net = tf.nn.dropout(images(), rate=0.5)
    logits = slim.batch_norm(net, is_training=True, fused=False)
    operations = forward_operations(logits)
    assert all(operation.shape == (15, 15, 4) for operation in operations)
    assert operations[-1].variables == ("BatchNorm/beta",)


def test_shape_of_an_image_that_is_folded_into_the_batch():
    assert shapes(slim.conv2d(images(), 8, 3, rate=2), "Conv2D") == [(15, 15, 8)]
    assert shapes(slim.conv2d(images(), 8, 3, rate=4, padding="VALID"), "Conv2D") == [(7, 7, 8)]
    assert shapes(slim.fully_connected(images(), 8), "MatMul") == [(225, 8)]


@pytest.mark.parametrize("batch", [None, 1, 4, 8])
def test_shapes_do_not_depend_on_the_batch_size(batch):
    net = slim.separable_conv2d(images(batch, 15, 15, 4), 8, 3, rate=2)
    logits = slim.fully_connected(net, 8)
    assert shapes(logits, "DepthwiseConv2dNative") == [(15, 15, 4)]
    assert shapes(logits, "MatMul") == [(225, 8)]


@pytest.mark.parametrize(
    "control_flow",
    [
        lambda x: tf.cond(tf.placeholder(tf.bool, []), lambda: x + 1.0, lambda: x),
        lambda x: tf.map_fn(lambda image: image + 1.0, x),
        tf.function(tf.nn.relu, autograph=False),
    ],
)
def test_control_flow_and_functions_are_refused(control_flow):
    logits = slim.conv2d(control_flow(images()), 8, 3)
    with pytest.raises(BadInput, match="a conditional, a loop or a function cannot be counted"):
        forward_operations(logits)


def test_logits_that_do_not_depend_on_an_input_are_refused():
    with pytest.raises(BadInput, match="pass the tensor of the images as `inputs`"):
        forward_operations(slim.conv2d(tf.zeros([2, 15, 15, 4]), 8, 3))
