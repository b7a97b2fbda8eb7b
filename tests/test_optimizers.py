import numpy as np
import pytest

from slim_on_tf2 import slim, tf
from train_flags import flags_parser
from training.layer_rates import blocks_below_head, rate_multipliers
from training.optimization import configure_optimizer
from training.optimizers import OPTIMIZERS

TARGET = np.float32([3.0, -2.0, 0.5])


def flags(**changes):
    """The flags of a training with their defaults, and `changes`."""
    return flags_parser().checked(**changes)


def train(chosen, steps, rate=0.1):
    """Minimizes half the squared distance of a kernel to a target; its values after each step."""
    weights = tf.get_variable("weights", initializer=np.float32([[0, 1, 2]]))
    loss = 0.5 * tf.reduce_sum(tf.square(weights - TARGET))
    optimizer = configure_optimizer(chosen, tf.constant(rate), {weights: 1.0})
    tf.train.get_or_create_global_step()
    step = slim.learning.create_train_op(loss, optimizer)
    found = []
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(steps):
            session.run(step)
            found.append(session.run(weights)[0])
    return np.array(found)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_of_the_table_approaches_the_target(name):
    after = train(flags(optimizer=name), 3, rate=0.01)
    distances = np.linalg.norm(after - TARGET, axis=1)
    assert (np.diff(distances) < 0).all()


def test_momentum_and_nesterov_follow_their_equations():
    weights, velocity = np.float64([0, 1, 2]), np.zeros(3)
    plain, nesterov = [], []
    for _ in range(3):
        velocity = 0.5 * velocity + (weights - TARGET)
        weights = weights - 0.1 * velocity
        plain.append(weights)
    weights, velocity = np.float64([0, 1, 2]), np.zeros(3)
    for _ in range(3):
        gradient = weights - TARGET
        velocity = 0.5 * velocity + gradient
        weights = weights - 0.1 * (gradient + 0.5 * velocity)
        nesterov.append(weights)
    found = train(flags(optimizer="momentum", momentum=0.5), 3)
    np.testing.assert_allclose(found, plain, rtol=1e-5)
    with tf.Graph().as_default():
        chosen = flags(optimizer="momentum", momentum=0.5, nesterov=True)
        np.testing.assert_allclose(train(chosen, 3), nesterov, rtol=1e-5)


def adam(steps, beta1, beta2, epsilon, decay=0.0, rate=0.1):
    """Adam with decoupled weight decay in numpy, with TensorFlow's place of epsilon."""
    weights = np.float64([0, 1, 2])
    mean, square = np.zeros(3), np.zeros(3)
    found = []
    for number in range(1, steps + 1):
        gradient = weights - TARGET
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient**2
        corrected = rate * np.sqrt(1 - beta2**number) / (1 - beta1**number)
        weights = weights - rate * decay * weights - corrected * mean / (np.sqrt(square) + epsilon)
        found.append(weights)
    return np.array(found)


def test_adam_reads_its_flags():
    chosen = flags(optimizer="adam", adam_beta1=0.8, adam_beta2=0.95, opt_epsilon=0.1)
    np.testing.assert_allclose(train(chosen, 3), adam(3, 0.8, 0.95, 0.1), rtol=1e-5)


def test_adamw_decays_kernels_apart_from_the_gradient():
    chosen = flags(optimizer="adamw", weight_decay=0.5)
    np.testing.assert_allclose(train(chosen, 3), adam(3, 0.9, 0.999, 1e-8, 0.5), rtol=1e-5)


def test_adamw_spares_biases_and_depthwise_kernels():
    biases = tf.get_variable("biases", initializer=np.float32([1.0]))
    depthwise = tf.get_variable("depthwise_weights", initializer=np.float32([[1.0]]))
    optimizer = configure_optimizer(
        flags(optimizer="adamw", weight_decay=0.5),
        tf.constant(0.1),
        {biases: 1.0, depthwise: 1.0},
    )
    step = optimizer.apply_gradients([(tf.zeros([1]), biases), (tf.zeros([1, 1]), depthwise)])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(step)
        assert session.run([biases, depthwise]) == [[1.0], [[1.0]]]


@pytest.mark.parametrize(
    ("optimizer", "parameter", "value"),
    [
        ("rmsprop", "rmsprop_decay", 0.5),
        ("rmsprop", "rmsprop_momentum", 0.0),
        ("adadelta", "adadelta_rho", 0.5),
        ("adagrad", "adagrad_initial_accumulator_value", 5.0),
        ("ftrl", "ftrl_learning_rate_power", -1.0),
        ("ftrl", "ftrl_initial_accumulator_value", 5.0),
        ("ftrl", "ftrl_l1", 2.0),
        ("ftrl", "ftrl_l2", 2.0),
        ("rmsprop", "opt_epsilon", 0.01),
    ],
)
def test_parameter_of_an_optimizer_changes_its_steps(optimizer, parameter, value):
    as_usual = train(flags(optimizer=optimizer), 3)
    with tf.Graph().as_default():
        changed = train(flags(**{"optimizer": optimizer, parameter: value}), 3)
    assert not np.allclose(changed, as_usual, rtol=1e-3, atol=1e-6)


def test_gradients_are_clipped_to_a_global_norm():
    # The first gradient is (-3, 3, 1.5), of norm 4.5.
    after = train(flags(optimizer="sgd", clip_gradient_norm=1.5), 1, rate=1.0)
    np.testing.assert_allclose(after[0], [1.0, 0.0, 1.5], rtol=1e-6)
    with tf.Graph().as_default():
        after = train(flags(optimizer="sgd", clip_gradient_norm=10), 1, rate=1.0)
        np.testing.assert_allclose(after[0], TARGET, rtol=1e-6)


@pytest.mark.parametrize("limit", [None, 0.5])
def test_accumulated_gradients_equal_those_of_one_large_batch(limit):
    images = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    labels = np.arange(12) % 3

    def weights_after(accumulate_steps):
        with tf.Graph().as_default():
            chosen = tf.placeholder(tf.int32, [None])
            logits = slim.fully_connected(
                tf.gather(images, chosen),
                3,
                activation_fn=None,
                weights_initializer=tf.constant_initializer(0.1),
                weights_regularizer=slim.l2_regularizer(0.01),
            )
            tf.losses.sparse_softmax_cross_entropy(tf.gather(labels, chosen), logits)
            tf.train.get_or_create_global_step()
            variables = tf.trainable_variables()
            optimizer = configure_optimizer(
                flags(optimizer="sgd", accumulate_steps=accumulate_steps, clip_gradient_norm=limit),
                tf.constant(0.1),
                dict.fromkeys(variables, 1.0),
            )
            step = slim.learning.create_train_op(tf.losses.get_total_loss(), optimizer)
            with tf.train.MonitoredSession() as session:
                for _ in range(3):
                    size = 12 // accumulate_steps
                    for start in range(0, 12 - size, size):

                        def accumulate(step_context):
                            batch = {chosen: range(start, start + size)}  # noqa: B023
                            return step_context.session.run(optimizer.accumulate_op, batch)

                        session.run_step_fn(accumulate)
                    session.run(step, {chosen: range(12 - size, 12)})
                return session.run(variables)

    for ours, theirs in zip(weights_after(1), weights_after(4)):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5)


def layers(*names):
    return [tf.get_variable(name, [1]) for name in names]


MOBILENET = (
    "MobilenetV1/Conv2d_0/weights",
    "MobilenetV1/Conv2d_1_depthwise/depthwise_weights",
    "MobilenetV1/Conv2d_1_pointwise/weights",
    "MobilenetV1/Conv2d_2_depthwise/BatchNorm/beta",
    "MobilenetV1/Logits/Conv2d_1c_1x1/weights",
)


def test_layer_decay_falls_from_the_head_down_by_blocks():
    variables = layers(*MOBILENET)
    chosen = flags(model_name="mobilenet_v1", layer_decay=0.5)
    assert list(rate_multipliers(chosen, variables).values()) == [0.125, 0.25, 0.25, 0.5, 1.0]
    # A layer keeps its distance where others are frozen.
    assert list(rate_multipliers(chosen, variables[:1]).values()) == [0.125]


@pytest.mark.parametrize(
    ("names", "heads", "blocks"),
    [
        (MOBILENET, ["MobilenetV1/Logits"], ["Conv2d_0", "Conv2d_1", "Conv2d_2"]),
        (
            [
                "conv0/weights",
                "cell_0/1x1/weights",
                "cell_0/comb_iter_0/left/weights",
                "aux_11/proj/weights",
                "cell_1/1x1/weights",
                "final_layer/FC/weights",
            ],
            ["final_layer", "aux_11"],
            ["conv0", "cell_0", "cell_1"],
        ),
        (
            [
                "resnet_v2_50/conv1/weights",
                "resnet_v2_50/block1/unit_1/bottleneck_v2/conv1/weights",
                "resnet_v2_50/postnorm/gamma",
                "resnet_v2_50/logits/weights",
            ],
            ["resnet_v2_50/logits"],
            ["conv1", "block1", "postnorm"],
        ),
    ],
)
def test_blocks_of_each_family(names, heads, blocks):
    found = dict.fromkeys(blocks_below_head(names, heads).values())
    assert [block.rpartition("/")[2] for block in found] == blocks


def test_longest_scope_sets_the_multiplier():
    variables = layers("Net/a/weights", "Net/a/biases", "Net/b/weights")
    chosen = flags(model_name="mobilenet_v1", learning_rate_multipliers="Net=0.5,Net/a/biases=3")
    assert list(rate_multipliers(chosen, variables).values()) == [0.5, 3.0, 0.5]


def test_multiplier_scales_the_update_of_adam():
    """Adam is blind to the scale of a gradient, so the rate itself has to be scaled."""
    a, b = (tf.get_variable(name, initializer=np.float32([1.0])) for name in "ab")
    optimizer = configure_optimizer(flags(), tf.constant(0.1), {a: 1.0, b: 0.25})
    step = tf.train.get_or_create_global_step()
    update = optimizer.apply_gradients([(tf.ones([1]), a), (tf.ones([1]), b)], global_step=step)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(update)
        np.testing.assert_allclose(session.run([a, b]), [[0.9], [0.975]], rtol=1e-5)
        assert session.run(step) == 1
