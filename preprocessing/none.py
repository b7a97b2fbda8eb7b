"""No preprocessing except what a network needs: the entire image, resized, in [0, 1].

For networks that scale their inputs themselves, and as a baseline for the distortions of other
schemes. Training does not distort images.
"""

from slim_on_tf2 import tf

DESCRIPTION = "the whole image, resized bilinearly; red, green, blue in [0, 1]"


def preprocess_for_eval(image, height, width):
    """Resizes an image with TensorFlow's legacy bilinear kernel, ignoring its aspect ratio."""
    image = tf.image.convert_image_dtype(image, tf.float32)
    return tf.image.resize_images(image, [height, width])


def needed_size(height, width):
    """The size of the network's input."""
    return height, width


def to_network_range(images):
    """[0, 255] -> [0, 1]."""
    return images / 255.0


def to_pixel_range(images):
    """[0, 1] -> [0, 255]."""
    return images * 255.0
