"""VGG's preprocessing: photos at their own aspect ratio, with the mean colour subtracted.

Follows Simonyan & Zisserman 2014, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", sections 3.1 and 3.2: the photo's smaller side is resized to S, in training a random
number of pixels in [256, 512], in evaluation 256, and a window of 224 x 224 is cut out, in
training a random one, in evaluation the middle one.

These lengths belong to an output of 224 pixels. For another size they grow or shrink in proportion
to the output's longer side, so that the window always shows the same share of the photo: an output
of 299 pixels is cut out of 342 in evaluation and of 342 to 683 in training.

Every random choice is a function of the seed that the caller gives, and draws from a sub-seed of
its own.
"""

from preprocessing.decoding import as_jpeg, decode
from slim_on_tf2 import tf

MEAN_RGB = (123.68, 116.78, 103.94)  # of ImageNet's training photos, of 255
MEAN_GREY = (117.37,)  # 0.299 red + 0.587 green + 0.114 blue of MEAN_RGB
PUBLISHED_SIZE = 224
EVALUATION_SIDE = 256
TRAINING_SIDES = (256, 512)


def preprocess_for_train(encoded, height, width, seed, fast_mode=True, use_grayscale=False):
    """Decodes a random window of a JPEG; nothing outside the window is decoded.

    Cutting a window out and resizing it shows the same as resizing the photo and cutting, and
    costs less, so this does the former.

    Args:
      encoded: string scalar, the bytes of a JPEG, PNG, GIF or BMP.
      height, width: the output's size in pixels.
      seed: int [2], the source of every random choice: equal seeds give equal bits.
      fast_mode: changes nothing here; the scheme has no slow part.
      use_grayscale: whether the output has one channel of grey instead of three of colour.

    Returns:
      float32 [height, width, 3], in [0, 255] less `MEAN_RGB`, or [height, width, 1], in [0, 255]
      less `MEAN_GREY`.
    """
    del fast_mode
    window_seed, flip_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    encoded = as_jpeg(encoded)
    window = random_window(tf.image.extract_jpeg_shape(encoded), height, width, window_seed)
    image = decode(encoded, window, use_grayscale)
    image = tf.image.resize_images(image, [height, width])
    image = tf.compat.v2.image.stateless_random_flip_left_right(image, flip_seed)
    return tf.ensure_shape(image, [height, width, None]) - _mean(image)


def preprocess_for_eval(image, height, width):
    """Resizes a picture at its aspect ratio and cuts out the middle.

    Args:
      image: [any height, any width, 3 or 1], uint8, or float32 in [0, 1].
      height, width: the output's size in pixels.

    Returns:
      float32 [height, width, 3], in [0, 255] less `MEAN_RGB`, or [height, width, 1], in [0, 255]
      less `MEAN_GREY`.
    """
    image = tf.image.convert_image_dtype(image, tf.float32) * 255.0
    size = tf.shape(image)[:2]
    scale = _scaled(EVALUATION_SIDE, height, width) / _smaller_side(size)
    size = tf.to_int32(tf.round(tf.to_float(size) * scale))
    image = tf.image.resize_images(image, size)
    top, left = tf.unstack((size - [height, width]) // 2)
    image = image[top : top + height, left : left + width]
    return tf.ensure_shape(image, [height, width, None]) - _mean(image)


def to_pixel_range(images):
    """Adds the mean colour or grey: [0, 255], as eyes read it. Takes arrays and tensors."""
    return images + _mean(images)


def random_window(image_shape, height, width, seed):
    """The window that an output of height x width shows of a photo, for `decode_and_crop_jpeg`.

    Args:
      image_shape: int32 [3], the photo's height, width and channels.
      height, width: the output's size in pixels.
      seed: int [2], picks the side that the photo is resized to, and the place.

    Returns:
      int32 [4]: top, left, height, width, in pixels of the photo, at least one pixel a side.
    """
    side_seed, place_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    least, most = (round(_scaled(side, height, width)) for side in TRAINING_SIDES)
    side = tf.random.stateless_uniform([], side_seed, least, most + 1, tf.int32)
    photo_pixels_a_pixel = _smaller_side(image_shape[:2]) / tf.to_float(side)
    window = tf.to_int32(tf.round([height, width] * photo_pixels_a_pixel))
    window = tf.clip_by_value(window, 1, image_shape[:2])
    place = tf.random.stateless_uniform([2], place_seed)
    begin = tf.to_int32(tf.floor(place * tf.to_float(image_shape[:2] - window + 1)))
    return tf.concat([begin, window], axis=0)


def _mean(images):
    """What is subtracted of each pixel of `images`, [..., channels]."""
    return MEAN_GREY if images.shape[-1] == 1 else MEAN_RGB


def _scaled(side, height, width):
    """A length that is published for `PUBLISHED_SIZE`, for an output of height x width."""
    return side * max(height, width) / PUBLISHED_SIZE


def _smaller_side(size):
    return tf.to_float(tf.reduce_min(size))
