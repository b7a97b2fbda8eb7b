"""Inception's preprocessing: photos to [-1, 1], with distorted boxes and colours in training.

Training follows Szegedy et al. 2014, "Going Deeper with Convolutions", section 6: a crop of 5 % to
100 % of the photo with an aspect ratio between 3/4 and 4/3, a resize, a flip, and the photometric
distortions of Howard 2013, "Some Improvements on Deep Convolutional Neural Network Based Image
Classification". Evaluation takes the middle of the photo.

A grey picture has no hue and no saturation, so of the adjustments brightness and contrast are left.

Every random choice is a function of the seed that the caller gives, and draws from a sub-seed of
its own, so that no two choices depend on each other.
"""

from preprocessing.decoding import as_jpeg, decode
from slim_on_tf2 import tf

CROP_AREA = (0.05, 1.0)  # of the photo's area
CROP_ASPECT_RATIO = (3 / 4, 4 / 3)  # width / height
CENTRAL_FRACTION = 0.875  # of either side, in evaluation

# name -> (adjustment of a picture in [0, 1], least and greatest amount)
ADJUSTMENTS = {
    "brightness": (tf.image.adjust_brightness, -32 / 255, 32 / 255),
    "saturation": (tf.image.adjust_saturation, 0.5, 1.5),
    "hue": (tf.image.adjust_hue, -0.2, 0.2),
    "contrast": (tf.image.adjust_contrast, 0.5, 1.5),
}
# Hue and contrast cost most, so the fast mode leaves them out. What remains commutes, but for
# colours that are as saturated as can be, and needs one order alone.
FAST_ORDERS = (("brightness", "saturation"),)
FULL_ORDERS = (
    ("brightness", "saturation", "hue", "contrast"),
    ("saturation", "brightness", "contrast", "hue"),
    ("contrast", "hue", "brightness", "saturation"),
    ("hue", "saturation", "contrast", "brightness"),
)

COLOUR_ADJUSTMENTS = {"saturation", "hue"}

FAST_RESIZE_METHODS = (tf.image.ResizeMethod.BILINEAR,)
FULL_RESIZE_METHODS = (
    tf.image.ResizeMethod.BILINEAR,
    tf.image.ResizeMethod.NEAREST_NEIGHBOR,
    tf.image.ResizeMethod.BICUBIC,
    tf.image.ResizeMethod.AREA,
)


def preprocess_for_train(encoded, height, width, seed, fast_mode=True, use_grayscale=False):
    """Decodes a distorted crop of a JPEG; nothing outside the crop is decoded.

    Args:
      encoded: string scalar, the bytes of a JPEG, PNG, GIF or BMP.
      height, width: the output's size in pixels.
      seed: int [2], the source of every random choice: equal seeds give equal bits.
      fast_mode: resizes bilinearly and leaves hue and contrast as they are. Else the seed chooses
        one of four ways to resize, and all four adjustments are made in one of four orders.
      use_grayscale: whether the output has one channel of grey instead of three of colour.

    Returns:
      float32 [height, width, 3 or 1] in [-1, 1].
    """
    crop_seed, resize_seed, flip_seed, colour_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 4)
    )
    encoded = as_jpeg(encoded)
    window = distorted_window(tf.image.extract_jpeg_shape(encoded), crop_seed)
    image = decode(encoded, window, use_grayscale)
    image = tf.image.convert_image_dtype(image, tf.float32)
    methods = FAST_RESIZE_METHODS if fast_mode else FULL_RESIZE_METHODS
    image = resize_in_one_way(image, height, width, resize_seed, methods)
    image = tf.compat.v2.image.stateless_random_flip_left_right(image, flip_seed)
    orders = FAST_ORDERS if fast_mode else FULL_ORDERS
    image = distort_colour(image, colour_seed, grey_orders(orders) if use_grayscale else orders)
    return _to_network_range(image)


def preprocess_for_eval(image, height, width):
    """Resizes the middle of a picture, 7/8 of either side.

    The kernel is TensorFlow's legacy bilinear one, with which the published networks were trained.

    Args:
      image: [any height, any width, 3 or 1], uint8, or float32 in [0, 1].
      height, width: the output's size in pixels.

    Returns:
      float32 [height, width, 3 or 1] in [-1, 1].
    """
    image = tf.image.convert_image_dtype(image, tf.float32)
    image = tf.image.central_crop(image, CENTRAL_FRACTION)
    image = tf.image.resize_images(image, [height, width])
    return _to_network_range(image)


def to_pixel_range(images):
    """[-1, 1], as networks read it -> [0, 255], as eyes do. Takes arrays and tensors."""
    return (images + 1.0) * 127.5


def distorted_window(image_shape, seed):
    """A random window of a photo, for `decode_and_crop_jpeg`.

    A photo so narrow that no window has both an area in `CROP_AREA` and an aspect ratio in
    `CROP_ASPECT_RATIO` is taken whole.

    Args:
      image_shape: int32 [3], the photo's height, width and channels.
      seed: int [2].

    Returns:
      int32 [4]: top, left, height, width, in pixels.
    """
    begin, size, _ = tf.compat.v2.image.stateless_sample_distorted_bounding_box(
        image_shape,
        bounding_boxes=tf.zeros([1, 0, 4]),
        seed=seed,
        min_object_covered=0.0,
        area_range=CROP_AREA,
        aspect_ratio_range=CROP_ASPECT_RATIO,
        max_attempts=100,
        use_image_if_no_bounding_boxes=True,
    )
    return tf.concat([begin[:2], size[:2]], axis=0)


def resize_in_one_way(image, height, width, seed, methods):
    """Resizes float32 [any, any, c] to [height, width, c] by the one of `methods` `seed` picks."""

    def by(method):
        return lambda: tf.image.resize_images(image, [height, width], method)

    resized = _choose([by(method) for method in methods], seed)
    return tf.ensure_shape(resized, [height, width, image.shape[-1]])


def grey_orders(orders):
    """What is left of `orders` of adjustments for a grey picture, each order once."""
    left = [tuple(name for name in order if name not in COLOUR_ADJUSTMENTS) for order in orders]
    return tuple(dict.fromkeys(left))


def distort_colour(image, seed, orders=FULL_ORDERS):
    """Makes random adjustments, in one of `orders`, to a picture and clips it.

    Args:
      image: float32 [height, width, 3] in [0, 1], or [height, width, 1] for `grey_orders`.
      seed: int [2], picks the order and the amount of each adjustment.
      orders: each a tuple of keys of `ADJUSTMENTS`.

    Returns:
      A float32 tensor of the shape of `image`, in [0, 1].
    """
    order_seed, *seeds = tf.unstack(
        tf.random.experimental.stateless_split(seed, 1 + len(ADJUSTMENTS))
    )
    amounts = {
        name: tf.random.stateless_uniform([], amount_seed, least, most)
        for (name, (_, least, most)), amount_seed in zip(ADJUSTMENTS.items(), seeds)
    }

    def adjusted_in(order):
        def adjust():
            adjusted = image
            for name in order:
                adjusted = ADJUSTMENTS[name][0](adjusted, amounts[name])
            return adjusted

        return adjust

    adjusted = _choose([adjusted_in(order) for order in orders], order_seed)
    return tf.clip_by_value(adjusted, 0.0, 1.0)


def _choose(branches, seed):
    """The result of one of `branches`, each as likely as the others; only that one is computed."""
    if len(branches) == 1:
        return branches[0]()
    index = tf.random.stateless_uniform([], seed, 0, len(branches), tf.int32)
    return tf.switch_case(index, branches)


def _to_network_range(image):
    """[0, 1] -> [-1, 1]; clips what a bicubic kernel or rounding has put beside it."""
    return tf.clip_by_value(image * 2.0 - 1.0, -1.0, 1.0)
