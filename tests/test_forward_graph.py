import pytest

from bad_input import BadInput
from nets.forward_graph import forward_operations
from slim_on_tf2 import slim, tf


def images(*shape):
    return tf.placeholder(tf.float32, shape or (None, 15, 15, 4), name="images")


def types(logits, inputs=None):
    return [operation.op.type for operation in forward_operations(logits, inputs)]


def shapes(logits, op_type):
    return [op.shape for op in forward_operations(logits) if op.op.type == op_type]


def test_only_what_lies_between_photos_and_logits_is_seen():
    photos = images()
    net = slim.conv2d(photos, 8, 3, weights_regularizer=slim.l2_regularizer(0.1))
    auxiliary = slim.fully_connected(slim.flatten(net), 5, scope="auxiliary")
    logits = slim.fully_connected(slim.flatten(net), 5, activation_fn=None)
    before = types(logits)
    loss = tf.reduce_sum(logits) + tf.reduce_sum(auxiliary) + tf.losses.get_regularization_loss()
    tf.train.AdamOptimizer().minimize(loss)
    assert before == types(logits) == ["Conv2D", "BiasAdd", "Relu", "Reshape", "MatMul", "BiasAdd"]


def test_the_reading_of_photos_is_not_of_the_network():
    def read(number):
        return tf.fill([15, 15, 4], tf.cast(number, tf.float32)) / 255.0 - 0.5

    batches = tf.data.Dataset.range(6).map(read).batch(2)
    photos = tf.data.make_initializable_iterator(batches).get_next()
    assert types(slim.conv2d(photos, 8, 3)) == ["Conv2D", "BiasAdd", "Relu"]


def test_photos_of_whole_numbers_become_the_input_where_they_become_floats():
    pixels = tf.placeholder(tf.uint8, [None, 15, 15, 4])
    net = slim.conv2d(tf.cast(pixels, tf.float32) / 255.0, 8, 3)
    assert types(net) == ["RealDiv", "Conv2D", "BiasAdd", "Relu"]


def test_the_input_can_be_named():
    photos = images() / 255.0 - 0.5
    assert types(slim.conv2d(photos, 8, 3), photos) == ["Conv2D", "BiasAdd", "Relu"]
    constant = tf.zeros([2, 15, 15, 4])
    assert types(slim.max_pool2d(constant, 2), constant) == ["MaxPool"]


def test_noise_and_the_statistics_of_a_batch_are_no_photos():
    net = tf.nn.dropout(images(), rate=0.5)
    logits = slim.batch_norm(net, is_training=True, fused=False)
    seen = forward_operations(logits)
    assert all(operation.shape == (15, 15, 4) for operation in seen)
    assert seen[-1].variables == ("BatchNorm/beta",)


def test_a_photo_that_is_folded_into_the_batch_keeps_its_shape():
    assert shapes(slim.conv2d(images(), 8, 3, rate=2), "Conv2D") == [(15, 15, 8)]
    assert shapes(slim.conv2d(images(), 8, 3, rate=4, padding="VALID"), "Conv2D") == [(7, 7, 8)]
    assert shapes(slim.fully_connected(images(), 8), "MatMul") == [(225, 8)]


@pytest.mark.parametrize("batch", [None, 1, 4, 8])
def test_the_size_of_the_batch_does_not_matter(batch):
    net = slim.separable_conv2d(images(batch, 15, 15, 4), 8, 3, rate=2)
    logits = slim.fully_connected(net, 8)
    assert shapes(logits, "DepthwiseConv2dNative") == [(15, 15, 4)]
    assert shapes(logits, "MatMul") == [(225, 8)]


@pytest.mark.parametrize(
    "branch",
    [
        lambda x: tf.cond(tf.placeholder(tf.bool, []), lambda: x + 1.0, lambda: x),
        lambda x: tf.map_fn(lambda photo: photo + 1.0, x),
        tf.function(tf.nn.relu, autograph=False),
    ],
)
def test_a_branch_a_loop_and_a_function_are_refused(branch):
    logits = slim.conv2d(branch(images()), 8, 3)
    with pytest.raises(BadInput, match="a branch, a loop or a function cannot be counted"):
        forward_operations(logits)


def test_logits_of_no_photos_are_refused():
    with pytest.raises(BadInput, match="give the tensor of the photos in `inputs`"):
        forward_operations(slim.conv2d(tf.zeros([2, 15, 15, 4]), 8, 3))
