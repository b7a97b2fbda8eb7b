import numpy as np
import pytest
from sample_images import value

from slim_on_tf2 import tf
from training import mixing
from training.mixing import mix

BATCH, HEIGHT, WIDTH, CLASSES = 5, 12, 20, 4
RNG = np.random.RandomState(0)
IMAGES = RNG.uniform(-1, 1, (BATCH, HEIGHT, WIDTH, 3)).astype(np.float32)
# One example per class, so that a label's weights name its examples; the fifth is of class 0.
LABELS = np.eye(CLASSES, dtype=np.float32)[[0, 1, 2, 3, 0]]
EPSILON = float(np.finfo(np.float32).eps)


def mixed(steps, seed=3, **alphas):
    """Images and labels of each of the steps, stacked."""
    step = tf.placeholder(tf.int64, [])
    results = mix(tf.constant(IMAGES), tf.constant(LABELS), seed, step, **alphas)
    with tf.Session() as session:
        return [np.stack(r) for r in zip(*(session.run(results, {step: s}) for s in steps))]


def taken_from_partner(images):
    """bool [height, width]: where images of one step differ from the originals."""
    return (images != IMAGES).any(axis=-1)


def test_without_parameters_nothing_is_added_to_the_graph():
    images, labels = tf.constant(IMAGES), tf.constant(LABELS)
    step = tf.constant(1, tf.int64)
    operations = len(tf.get_default_graph().get_operations())
    assert mix(images, labels, 3, step) == (images, labels)
    assert len(tf.get_default_graph().get_operations()) == operations


@pytest.mark.parametrize(
    "alphas",
    [{"mixup_alpha": 0.2}, {"cutmix_alpha": 1.0}, {"mixup_alpha": 0.2, "cutmix_alpha": 1.0}],
)
def test_shapes_stay_and_labels_sum_to_one(alphas):
    images = tf.placeholder(tf.float32, [None, HEIGHT, WIDTH, 3])
    labels = tf.placeholder(tf.float32, [None, CLASSES])
    tensors = mix(images, labels, 3, tf.constant(1, tf.int64), **alphas)
    for tensor, original in zip(tensors, (images, labels)):
        assert tensor.shape.as_list() == original.shape.as_list()
        assert tensor.dtype == tf.float32
    images, labels = mixed(range(30), **alphas)
    assert images.shape == (30, *IMAGES.shape)
    np.testing.assert_allclose(labels.sum(axis=-1), 1, atol=2 * EPSILON)
    assert labels.min() >= 0


def test_mixup_weights_images_and_labels_alike():
    images, labels = mixed(range(20), mixup_alpha=1.0)
    for mixed_images, mixed_labels in zip(images, labels):
        weight = np.float64(mixed_labels[1, 1])  # the partner of example 1 has class 3
        assert mixed_labels[1, 3] == pytest.approx(1 - weight, abs=EPSILON)
        expected = weight * IMAGES + (1 - weight) * IMAGES[::-1]
        np.testing.assert_allclose(mixed_images, expected, atol=4 * EPSILON)
        expected = weight * LABELS + (1 - weight) * LABELS[::-1]
        np.testing.assert_allclose(mixed_labels, expected, atol=4 * EPSILON)


def test_cutmix_weights_labels_by_pixels():
    images, labels = mixed(range(60), cutmix_alpha=1.0)
    areas = set()
    for mixed_images, mixed_labels in zip(images, labels):
        is_partners = taken_from_partner(mixed_images)
        count = is_partners[0].sum()
        for i in (0, 1, 3, 4):  # example 2 is its own partner
            assert np.array_equal(is_partners[i], is_partners[0])
            swapped = np.where(is_partners[0][..., np.newaxis], IMAGES[BATCH - 1 - i], IMAGES[i])
            assert np.array_equal(mixed_images[i], swapped)
        assert np.array_equal(mixed_images[2], IMAGES[2])
        kept = np.float32(1 - count / (HEIGHT * WIDTH))
        assert mixed_labels[1, 1] == kept and mixed_labels[1, 3] == 1 - kept
        assert mixed_labels[0, 0] == pytest.approx(1, abs=EPSILON)  # both examples have class 0
        rows, columns = (np.flatnonzero(is_partners[0].any(axis=axis)) for axis in (1, 0))
        assert count == len(rows) * len(columns)  # a full rectangle
        assert all((np.diff(indices) == 1).all() for indices in (rows, columns))
        areas.add(count)
    assert len(areas) > 30


def test_cutmix_rectangle_has_the_drawn_area_and_a_uniform_center(monkeypatch):
    """Where nothing is cut off, the sides are those of the image times sqrt(1 - weight)."""
    monkeypatch.setattr(mixing, "_random_beta", lambda alpha, seed: 0.75)
    images, labels = mixed(range(400), cutmix_alpha=1.0)
    masks = np.stack([taken_from_partner(i)[0] for i in images])
    heights, widths = masks.any(axis=2).sum(axis=1), masks.any(axis=1).sum(axis=1)
    assert heights.max() == HEIGHT // 2 and widths.max() == WIDTH // 2
    assert heights.min() == HEIGHT // 4 and widths.min() == WIDTH // 4  # half of it cut off
    assert labels[:, 1, 1].min() == 0.75
    # Every row and column is reached, and those in the middle not more often than uniformly.
    frequency = masks.mean(axis=0)
    assert frequency.min() > 0.02 and frequency.max() < 0.25 + 0.11
    assert np.abs(frequency - frequency[::-1, ::-1]).mean() < 0.08


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_weights_have_the_beta_distribution(alpha):
    seeds = tf.data.Dataset.range(3000).map(
        lambda i: mixing._random_beta(alpha, tf.stack([i, tf.constant(5, tf.int64)]))
    )
    weights = value(tf.data.make_one_shot_iterator(seeds.batch(3000)).get_next())
    assert 0 <= weights.min() < weights.max() <= 1
    assert np.mean(weights) == pytest.approx(0.5, abs=0.04)
    assert np.var(weights) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.08)
    expected = np.quantile(RNG.beta(alpha, alpha, 100_000), [0.1, 0.3, 0.7, 0.9])
    np.testing.assert_allclose(np.quantile(weights, [0.1, 0.3, 0.7, 0.9]), expected, atol=0.06)


def test_weights_are_numbers_where_gamma_variates_vanish():
    seeds = tf.data.Dataset.range(200).map(lambda i: mixing._random_beta(1e-3, tf.stack([i, i])))
    weights = value(tf.data.make_one_shot_iterator(seeds.batch(200)).get_next())
    assert np.isfinite(weights).all() and 0 <= weights.min() <= weights.max() <= 1


def test_both_together_are_each_used_in_half_of_the_steps():
    steps = range(200)
    images, labels = mixed(steps, mixup_alpha=1.0, cutmix_alpha=1.0)
    # Mixup changes nearly every pixel; CutMix copies each from one of two images.
    from_two = (images == IMAGES) | (images == IMAGES[::-1])
    is_cutmix = from_two.all(axis=(1, 2, 3, 4))
    assert 80 < is_cutmix.sum() < 120
    for index, alphas in ((True, {"cutmix_alpha": 1.0}), (False, {"mixup_alpha": 1.0})):
        some = np.flatnonzero(is_cutmix == index)[:5]
        alone_images, alone_labels = mixed(some, **alphas)
        assert np.array_equal(images[some], alone_images)
        assert np.array_equal(labels[some], alone_labels)


def test_random_numbers_differ_from_those_of_the_example_numbered_like_the_step():
    seed = tf.constant([3, 5], tf.int64)  # that of the augmentation of example 5
    seeds = [seed, *tf.unstack(tf.random.experimental.stateless_split(seed, 2))]
    results = [mixing.mixup(tf.constant(IMAGES), tf.constant(LABELS), s, 1.0)[1] for s in seeds]
    _, labels = mixed([5], mixup_alpha=1.0)
    assert all(not np.array_equal(labels[0], other) for other in value(results))


def test_equal_seed_and_step_give_equal_bits():
    alphas = {"mixup_alpha": 0.4, "cutmix_alpha": 1.0}
    images, labels = mixed([5, 6, 5], **alphas)
    again, again_labels = mixed([6, 5], **alphas)
    assert np.array_equal(images[0], images[2]) and np.array_equal(images[[1, 0]], again)
    assert np.array_equal(labels[0], labels[2]) and np.array_equal(labels[[1, 0]], again_labels)
    assert not np.array_equal(images[0], images[1])
    other, _ = mixed([5], seed=4, **alphas)
    assert not np.array_equal(images[0], other[0])
    largest, _ = mixed([5], seed=2**63 - 1, **alphas)
    assert np.isfinite(largest).all()
