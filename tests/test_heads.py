from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from checkpointing.warm_start import NO_VALUES, InitFn
from nets.nets_factory import get_network_fn
from nets.networks import NETWORKS
from slim_on_tf2 import tf
from system.errors import BadInput
from training.heads import (
    INVERSE_STRENGTHS,
    USUAL_INVERSE_STRENGTH,
    Head,
    find_head,
    fit_head,
    get_head_init_fn,
    zero_head,
)


def build(name, size, classes=5, is_training=True):
    channels = NETWORKS[name].channels
    images = tf.zeros([2, size, size, channels])
    return get_network_fn(name, classes, is_training=is_training)(images)


@pytest.mark.parametrize(
    ("name", "size", "scope"),
    [
        ("mobilenet_v1_025", 32, "MobilenetV1/Logits/Conv2d_1c_1x1"),
        ("mobilenet_v3_small", 32, "MobilenetV3/Logits/Conv2d_1c_1x1"),
        ("lenet", 28, "LeNet/fc4"),
        ("resnet_v2_50", 33, "resnet_v2_50/logits"),
    ],
)
def test_head_is_the_layer_in_the_published_scope(name, size, scope):
    logits, _ = build(name, size)
    head = find_head(logits)
    assert [v.op.name for v in head.variables] == [f"{scope}/weights", f"{scope}/biases"]


def test_auxiliary_head_is_found_and_set_to_zero():
    logits, end_points = build("inception_v3", 107)
    flags = SimpleNamespace(head_init="zeros", class_weights=None, balanced_sampling=False)
    counts = dict(zip("abcde", (40, 30, 20, 8, 2)))
    dataset = SimpleNamespace(class_counts=counts, num_classes=5)
    init_fn = get_head_init_fn(flags, dataset, logits, end_points, NO_VALUES)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        init_fn(None, session)
        for values in session.run([tf.nn.softmax(logits), tf.nn.softmax(end_points["AuxLogits"])]):
            np.testing.assert_allclose(values[0], [0.4, 0.3, 0.2, 0.08, 0.02], rtol=1e-5)


def test_restored_head_keeps_its_weights():
    logits, end_points = build("lenet", 28)
    restore_fn = InitFn(frozenset({"LeNet/fc4/weights", "LeNet/fc4/biases"}), lambda session: None)
    flags = SimpleNamespace(head_init="zeros")
    assert get_head_init_fn(flags, None, logits, end_points, restore_fn) is restore_fn


def test_head_that_the_checkpoint_lacks_is_initialized_like_an_excluded_one():
    logits, end_points = build("lenet", 28, classes=2)
    restore_fn = InitFn(frozenset({"LeNet/conv1/weights"}), lambda session: None)
    flags = SimpleNamespace(head_init="zeros", class_weights=None, balanced_sampling=False)
    dataset = SimpleNamespace(class_counts={"a": 30, "b": 10}, num_classes=2)
    init_fn = get_head_init_fn(flags, dataset, logits, end_points, restore_fn)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        init_fn(None, session)
        predicted = session.run(tf.nn.softmax(logits))[0]
    np.testing.assert_allclose(predicted, [0.75, 0.25], rtol=1e-5)


@pytest.mark.parametrize(
    ("balanced_sampling", "class_weights", "expected"),
    [(True, None, [0.5, 0.5]), (False, "balanced", [0.5, 0.5]), (False, "b=3", [0.5, 0.5])],
)
def test_initial_biases_follow_what_the_loss_sees(balanced_sampling, class_weights, expected):
    logits, end_points = build("lenet", 28, classes=2)
    flags = SimpleNamespace(
        head_init="zeros", class_weights=class_weights, balanced_sampling=balanced_sampling
    )
    dataset = SimpleNamespace(class_counts={"a": 30, "b": 10}, num_classes=2)
    init_fn = get_head_init_fn(flags, dataset, logits, end_points, NO_VALUES)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        init_fn(None, session)
        np.testing.assert_allclose(session.run(tf.nn.softmax(logits))[0], expected, rtol=1e-5)


def test_class_without_images_gets_a_finite_bias():
    head = Head(tf.get_variable("weights", [3, 3]), tf.get_variable("biases", [3]))
    values = zero_head(head, np.array([6, 0, 2]))
    np.testing.assert_allclose(np.exp(values[head.biases]), np.array([6, 1, 2]) / 9, rtol=1e-6)


def clusters(classes, images=200, depth=6):
    """Features of `classes` overlapping clusters, away from the origin, and their labels."""
    random = np.random.default_rng(0)
    labels = np.arange(images) % classes
    centers = random.normal(size=(classes, depth))
    return (centers[labels] + random.normal(size=(images, depth)) + 5).astype(np.float32), labels


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("kernel_shape", [(6,), (1, 1, 6)])
def test_fitted_head_equals_that_of_scikit_learn(classes, kernel_shape):
    """At the chosen strength, scikit-learn on the features as they are gives the same head."""
    features, labels = clusters(classes)
    head = Head(
        tf.get_variable("weights", [*kernel_shape, classes]), tf.get_variable("biases", [classes])
    )
    values, report = fit_head(head, features, labels, [1.0] * classes, seed=0)
    logits = head.logits(tf.constant(features))
    with tf.Session() as session:
        for variable, value in values.items():
            variable.load(value, session)
        found = session.run(tf.nn.softmax(logits))
    model = LogisticRegression(C=report["inverse_strength"], tol=1e-8, max_iter=10_000)
    expected = model.fit(features.astype(np.float64), labels).predict_proba(features)
    np.testing.assert_allclose(found, expected, atol=2e-3)  # the fit stops at a gradient of 1e-4
    assert report["accuracy"] > 1.5 / classes


def test_strength_is_chosen_on_held_out_training_images():
    """With labels that the features do not explain, the strongest penalty is the best."""
    random = np.random.default_rng(0)
    features = random.normal(size=(60, 50)).astype(np.float32)
    head = Head(tf.get_variable("weights", [50, 3]), tf.get_variable("biases", [3]))
    _, noise = fit_head(head, features, random.integers(0, 3, 60), [1.0] * 3, seed=0)
    clear, labels = clusters(3, depth=50)
    _, signal = fit_head(head, clear, labels, [1.0] * 3, seed=0)
    assert noise["inverse_strength"] < signal["inverse_strength"]


def test_strength_is_not_weakened_where_the_solver_stops_early():
    """Small features leave small gradients; equal losses must not select the weakest penalty."""
    features, labels = clusters(3, depth=40)
    random = np.random.default_rng(1)
    noisy = (0.1 * (features + 3 * random.normal(size=features.shape))).astype(np.float32)
    head = Head(tf.get_variable("weights", [40, 3]), tf.get_variable("biases", [3]))
    _, report = fit_head(head, noisy, labels, [1.0] * 3, seed=0)
    assert report["inverse_strength"] < INVERSE_STRENGTHS[-1]


def test_class_weights_count_in_the_fit():
    features, labels = clusters(2)
    rare = np.flatnonzero((labels == 0) | (np.arange(len(labels)) % 10 == 1))
    head = Head(tf.get_variable("weights", [6, 2]), tf.get_variable("biases", [2]))
    shares = []
    for weights in ([1.0, 1.0], [1.0, 5.0]):
        values, _ = fit_head(head, features[rare], labels[rare], weights, seed=0)
        logits = features @ values[head.kernel] + values[head.biases]
        shares.append((logits.argmax(axis=1) == 1).mean())
    assert shares[1] > shares[0]


@pytest.mark.parametrize("few", [1, 2, 4])
def test_small_class_is_trained_on_and_never_held_out(few):
    features, labels = clusters(3)
    rare = np.concatenate([np.flatnonzero(labels < 2), np.flatnonzero(labels == 2)[:few]])
    head = Head(tf.get_variable("weights", [6, 3]), tf.get_variable("biases", [3]))
    for seed in range(3):
        values, report = fit_head(head, features[rare], labels[rare], [1.0] * 3, seed)
        assert np.abs(values[head.kernel][:, 2]).max() > 0
        assert report["accuracy"] > 0.5


def test_too_few_images_to_hold_out_give_the_usual_strength():
    features, labels = clusters(2, images=6)
    head = Head(tf.get_variable("weights", [6, 2]), tf.get_variable("biases", [2]))
    _, report = fit_head(head, features, labels, [1.0] * 2, seed=0)
    assert report["inverse_strength"] == USUAL_INVERSE_STRENGTH


def test_head_of_one_class_cannot_be_fitted():
    head = Head(tf.get_variable("weights", [6, 2]), tf.get_variable("biases", [2]))
    with pytest.raises(BadInput, match="--head_init fit: expected training images of at least two"):
        fit_head(head, np.zeros((5, 6), np.float32), np.zeros(5, int), [1.0, 1.0], seed=0)
