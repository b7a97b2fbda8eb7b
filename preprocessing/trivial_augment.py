"""TrivialAugment: one random operation of random strength per image.

Follows Müller & Hutter 2021, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation",
with the operations and strengths of its wide search space: each of 14 operations is equally
frequent, and so is each of 31 strengths.

The operations are those of Pillow, on pixels that need not be whole numbers. Three details differ:
images are sheared around their center, so that their object stays in sight; they are interpolated
bilinearly, because evaluation shows no jagged edges either; and sharpness includes the border.
"""

import math
from functools import partial

from slim_on_tf2 import tf

STRENGTHS = 31
MAX_SHEAR = 0.99  # pixels per pixel
MAX_TRANSLATION = 32 / 224  # fraction of the side: the paper's 32 pixels, of ImageNet's 224
MAX_ROTATION = 135.0  # degrees
MAX_ENHANCEMENT = 0.99  # factors from 0.01 to 1.99
MAX_LOST_BITS = 6  # of 8, in posterize
FILL = 128.0  # outside of the image: close to 0 in the range of every network

# Geometric operations have a matrix [[a, b], [c, d]] from (x, y) in the output to (x, y) in the
# input, relative to the center.


def _shear_x(image, strength):
    return _transform(image, [[1.0, MAX_SHEAR * strength], [0.0, 1.0]])


def _shear_y(image, strength):
    return _transform(image, [[1.0, 0.0], [MAX_SHEAR * strength, 1.0]])


def _translate_x(image, strength):
    return _translate(image, strength, axis=1)


def _translate_y(image, strength):
    return _translate(image, strength, axis=0)


def _rotate(image, strength):
    """Counterclockwise for a positive strength."""
    angle = math.radians(MAX_ROTATION) * strength
    sine, cosine = tf.sin(angle), tf.cos(angle)
    return _transform(image, [[cosine, -sine], [sine, cosine]])


def _brightness(image, strength):
    return _enhance(tf.zeros_like(image), image, strength)


def _color(image, strength):
    if image.shape[-1] == 1:
        return image  # gray has no saturation
    return _enhance(tf.image.rgb_to_grayscale(image), image, strength)


def _contrast(image, strength):
    gray = image if image.shape[-1] == 1 else tf.image.rgb_to_grayscale(image)
    return _enhance(tf.reduce_mean(gray), image, strength)


def _sharpness(image, strength):
    """Blends with the mean of 3 x 3 pixels, of which the central one counts five times."""
    mean = tf.nn.avg_pool2d(image[tf.newaxis], 3, 1, "SAME")[0]  # at the border, of fewer pixels
    return _enhance((9.0 * mean + 4.0 * image) / 13.0, image, strength)


def _posterize(image, strength):
    step = tf.pow(2.0, tf.round(MAX_LOST_BITS * tf.abs(strength)))
    return tf.floor(image / step) * step


def _solarize(image, strength):
    threshold = 256.0 * (1.0 - tf.abs(strength))
    return tf.where(image < threshold, image, 255.0 - image)


def _autocontrast(image, strength):
    del strength
    low, high = (reduce(image, axis=[0, 1]) for reduce in (tf.reduce_min, tf.reduce_max))
    stretched = (image - low) * (255.0 / tf.maximum(high - low, 1e-6))
    return tf.where_v2(high > low, tf.clip_by_value(stretched, 0.0, 255.0), image)


def _equalize(image, strength):
    """Makes all levels of a channel about equally frequent."""
    del strength
    channels = image.shape[-1]
    levels = tf.to_int32(tf.round(image)) + 256 * tf.range(channels)
    counts = tf.bincount(levels, minlength=256 * channels, maxlength=256 * channels)
    counts = tf.reshape(counts, [channels, 256])
    cumulated = tf.cumsum(counts, axis=1)
    # The pixels of the highest level are not counted, so that it becomes 255. Without the others,
    # or with too few of them for 255 levels, the channel is unchanged.
    pixels_of_highest = tf.reduce_sum(
        tf.where(tf.equal(cumulated, cumulated[:, -1:]), counts, tf.zeros_like(counts)), axis=1
    )
    step = (cumulated[:, -1] - pixels_of_highest) // 255
    divisor = tf.maximum(step, 1)[:, tf.newaxis]
    table = tf.minimum((cumulated - counts + divisor // 2) // divisor, 255)
    equalized = tf.to_float(tf.gather(tf.reshape(table, [-1]), levels))
    return tf.where_v2(step > 0, equalized, image)


# Name -> function of (image, strength), from and to float32 [height, width, channels] in [0, 255]
# with static shape. The strength is a float32 scalar in [-1, 1]; 0 only rounds. The
# operations without a direction use its absolute value; the last two have no strength.
OPERATIONS = {
    "identity": lambda image, strength: image,
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
    "rotate": _rotate,
    "brightness": _brightness,
    "color": _color,
    "contrast": _contrast,
    "sharpness": _sharpness,
    "posterize": _posterize,
    "solarize": _solarize,
    "autocontrast": _autocontrast,
    "equalize": _equalize,
}


def trivial_augment(image, seed):
    """Applies a random operation of random strength; only that one is computed.

    Args:
      image: float32 [height, width, channels] in [0, 255], with static shape; color or grayscale.
      seed: int [2].

    Returns:
      A float32 tensor of the shape of `image`, in [0, 255].
    """
    operation_seed, strength_seed, sign_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 3)
    )
    strength = _random_whole(strength_seed, STRENGTHS) / (STRENGTHS - 1)
    sign = 1 - 2 * _random_whole(sign_seed, 2)
    strength = tf.to_float(strength) * tf.to_float(sign)
    branches = [partial(operation, image, strength) for operation in OPERATIONS.values()]
    augmented = tf.switch_case(_random_whole(operation_seed, len(branches)), branches)
    return tf.ensure_shape(augmented, image.shape)


def _random_whole(seed, count):
    """Returns an int32 scalar, one of 0 to `count` - 1."""
    return tf.random.stateless_uniform([], seed, 0, count, tf.int32)


def _enhance(degenerate, image, strength):
    """Moves an image toward `degenerate` (negative strength) or away from it, and clips it."""
    factor = 1.0 + MAX_ENHANCEMENT * strength
    return tf.clip_by_value(degenerate + factor * (image - degenerate), 0.0, 255.0)


def _translate(image, strength, axis):
    """Moves an image by whole pixels, which keeps it sharp; left or up for a positive strength."""
    pixels = tf.round(MAX_TRANSLATION * image.shape.as_list()[axis] * strength)
    offset = [0.0, pixels] if axis == 0 else [pixels, 0.0]
    return _transform(image, [[1.0, 0.0], [0.0, 1.0]], offset)


def _transform(image, matrix, offset=(0.0, 0.0)):
    """Transforms an image around its center; `offset`, (x, y), is added to the input position."""
    height, width, _ = image.shape.as_list()
    x, y = (width - 1) / 2, (height - 1) / 2
    (a, b), (c, d) = matrix
    transform = [a, b, x - a * x - b * y + offset[0], c, d, y - c * x - d * y + offset[1], 0.0, 0.0]
    transformed = tf.raw_ops.ImageProjectiveTransformV3(
        images=image[tf.newaxis],
        transforms=tf.stack([transform]),
        output_shape=[height, width],
        fill_value=FILL,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    return transformed[0]
