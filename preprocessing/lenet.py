"""LeNet's preprocessing: a central crop or pad to the output size, scaled to [-1, 1).

Made for datasets whose images already have the network's size, such as MNIST: images are not
resized. Smaller ones are padded with black; of larger ones only the center is visible, 28 of the
500 pixels of a photo. Training does not distort images, because a mirrored digit may be another
digit or none.
"""

from slim_on_tf2 import tf

DESCRIPTION = "a central crop without resizing, padded with black; of 255, minus 128, over 128"


def preprocess_for_eval(image, height, width):
    """Crops or pads an image evenly on all sides and scales it to [-1, 1)."""
    image = tf.image.convert_image_dtype(image, tf.float32) * 255.0
    image = tf.image.resize_image_with_crop_or_pad(image, height, width)
    return to_network_range(image)


def needed_size(height, width):
    """None: images are not resized."""
    del height, width


def to_network_range(images):
    """[0, 255] -> [-1, 1)."""
    return (images - 128.0) / 128.0


def to_pixel_range(images):
    """[-1, 1) -> [0, 255]."""
    return images * 128.0 + 128.0
