"""Mixes the images and labels of a batch: mixup and CutMix.

The partner of an image is the one at the mirrored place of the batch, whose order is random; in a
batch of odd size, the middle image is its own partner. All random numbers are functions of the seed
and the step, so that a resumed run mixes like an uninterrupted one.
"""

from preprocessing.erasing import rectangle_mask
from slim_on_tf2 import tf

# Separates these random numbers from those of the augmentation, whose seeds are (seed, number of
# the example), and of which some number is equal to the step.
_STREAM = 0x6D6978


def mix(images, labels, seed, step, mixup_alpha=0.0, cutmix_alpha=0.0):
    """Mixes each example of a batch with a partner, by mixup or CutMix.

    With both, each step uses one of them, either with a probability of one half.

    Args:
      images: float32 [batch, height, width, channels].
      labels: float32 [batch, classes], one-hot or any rows that sum to one.
      seed: int of at most 63 bits, of the run.
      step: int64 scalar tensor, the global step.
      mixup_alpha: parameter of mixup's Beta distribution, 0 for no mixup; the larger, the closer
        are the shares of the two images to one half.
      cutmix_alpha: the same for CutMix.

    Returns:
      Images and labels of the same shapes and types; each row of the labels still sums to one. With
      both parameters 0, the arguments themselves.
    """
    if not (mixup_alpha or cutmix_alpha):
        return images, labels
    seed = tf.stack([tf.constant(seed, tf.int64), tf.cast(step, tf.int64)])
    seed = tf.random.experimental.stateless_fold_in(seed, tf.constant(_STREAM, tf.int64))
    choice_seed, mixing_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    if not cutmix_alpha:
        return mixup(images, labels, mixing_seed, mixup_alpha)
    if not mixup_alpha:
        return cutmix(images, labels, mixing_seed, cutmix_alpha)
    mixed_images, mixed_labels = tf.cond(
        tf.random.stateless_uniform([], choice_seed) < 0.5,
        lambda: mixup(images, labels, mixing_seed, mixup_alpha),
        lambda: cutmix(images, labels, mixing_seed, cutmix_alpha),
    )
    return tf.ensure_shape(mixed_images, images.shape), tf.ensure_shape(mixed_labels, labels.shape)


def mixup(images, labels, seed, alpha):
    """Weighted means of images and labels, with one weight per batch.

    Follows Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization".

    Args:
      images: float32 [batch, height, width, channels].
      labels: float32 [batch, classes].
      seed: int [2].
      alpha: parameter of the Beta distribution of the weight, above 0.

    Returns:
      Images and labels of the same shapes and types.
    """
    weight = _random_beta(alpha, seed)
    return _weighted_mean(images, weight), _weighted_mean(labels, weight)


def cutmix(images, labels, seed, alpha):
    """A rectangle of each image is replaced by that of its partner, the same in the whole batch.

    Follows Yun et al. 2019, "CutMix: Regularization Strategy to Train Strong Classifiers with
    Localizable Features". The rectangle has the aspect ratio of the image. Its center is uniformly
    distributed, and what lies outside of the image is cut off. The label of the partner gets a
    weight equal to the fraction of replaced pixels.

    Args:
      images: float32 [batch, height, width, channels].
      labels: float32 [batch, classes].
      seed: int [2].
      alpha: parameter of the Beta distribution of the rectangle's area, above 0.

    Returns:
      Images and labels of the same shapes and types.
    """
    area_seed, center_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    size = tf.shape(images)[1:3]
    sides = tf.sqrt(1.0 - _random_beta(alpha, area_seed)) * tf.to_float(size)
    sides = tf.to_int32(tf.round(sides))
    center = tf.random.stateless_uniform([2], center_seed) * tf.to_float(size)
    begin = tf.to_int32(tf.floor(center)) - sides // 2
    end = tf.clip_by_value(begin + sides, 0, size)
    begin = tf.clip_by_value(begin, 0, size)
    mask = rectangle_mask(*tf.unstack(size), *tf.unstack(begin), *tf.unstack(end))
    # In float64, because TensorFlow divides by a constant less exactly than it rounds to float32.
    replaced = tf.to_double(tf.reduce_prod(end - begin)) / tf.to_double(tf.reduce_prod(size))
    weight = tf.to_float(1.0 - replaced)
    return tf.where_v2(mask, _partners(images), images), _weighted_mean(labels, weight)


def _partners(batch):
    return tf.reverse(batch, [0])


def _weighted_mean(batch, weight):
    """`weight` times the batch, plus 1 - `weight` times the partners."""
    return weight * batch + (1.0 - weight) * _partners(batch)


def _random_beta(alpha, seed):
    """Returns a float32 scalar in [0, 1] from Beta(alpha, alpha).

    For a small alpha, both gamma variates may be rounded to 0. Then the result, which is 0 or 1 up
    to rounding, is 0.
    """
    one, other = tf.unstack(tf.random.stateless_gamma([2], seed, alpha))
    return tf.math.divide_no_nan(one, one + other)
