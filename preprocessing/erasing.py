"""Random erasing: noise instead of a random rectangle of an image.

Follows Zhong et al. 2020, "Random Erasing Data Augmentation", in its variant RE-R, where each
erased pixel gets random values. Two details differ. The logarithm of the aspect ratio is uniform,
so that wide and tall rectangles are equally frequent. Where the paper draws again until the
rectangle fits into the image, the aspect ratio is limited to those that fit, so that one draw is
always enough and the area is always the drawn one.
"""

import math

from slim_on_tf2 import tf

AREA = (0.02, 0.4)  # fraction of the image's area
ASPECT_RATIO = (0.3, 1 / 0.3)  # height / width


def erase(image, probability, seed):
    """Replaces a random rectangle by noise, with a probability.

    Args:
      image: float32 [height, width, channels] in [0, 255], with static shape.
      probability: of erasing, in [0, 1].
      seed: int [2].

    Returns:
      A float32 tensor of the shape of `image`, in [0, 255].
    """
    chance_seed, rectangle_seed, noise_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 3)
    )
    height, width, _ = image.shape.as_list()

    def erased():
        noise = tf.random.stateless_uniform(image.shape, noise_seed, 0.0, 255.0)
        mask = rectangle_mask(height, width, *random_rectangle(height, width, rectangle_seed))
        return tf.where_v2(mask, noise, image)

    is_erased = tf.random.stateless_uniform([], chance_seed) < probability
    return tf.cond(is_erased, erased, lambda: image)


def random_rectangle(height, width, seed):
    """Returns a random rectangle inside an image, whose area and aspect ratio are as above.

    Args:
      height: of the image, in pixels.
      width: of the image, in pixels.
      seed: int [2].

    Returns:
      int32 scalars top, left, bottom, right in pixels; bottom and right are exclusive.
    """
    area_seed, aspect_ratio_seed, position_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 3)
    )
    area = tf.random.stateless_uniform([], area_seed, *AREA)
    least, most = map(math.log, ASPECT_RATIO)
    aspect_ratio = tf.exp(tf.random.stateless_uniform([], aspect_ratio_seed, least, most))
    # Beyond these limits, the rectangle would be wider or higher than the image.
    aspect_ratio = tf.clip_by_value(aspect_ratio, area * height / width, height / (area * width))
    sides = tf.sqrt(area * height * width * tf.stack([aspect_ratio, 1 / aspect_ratio]))
    sides = tf.clip_by_value(tf.to_int32(tf.round(sides)), 1, [height, width])
    position = tf.random.stateless_uniform([2], position_seed)
    begin = tf.to_int32(tf.floor(position * tf.to_float([height, width] - sides + 1)))
    return *tf.unstack(begin), *tf.unstack(begin + sides)


def rectangle_mask(height, width, top, left, bottom, right):
    """Returns bool [height, width, 1], True in a rectangle; bottom and right are exclusive."""
    rows, columns = tf.range(height), tf.range(width)
    in_rows = (rows >= top) & (rows < bottom)
    in_columns = (columns >= left) & (columns < right)
    return (in_rows[:, tf.newaxis] & in_columns)[:, :, tf.newaxis]
