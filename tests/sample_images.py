"""Images for the tests of preprocessing, and the values of tensors."""

import io

import numpy as np
from PIL import Image

from slim_on_tf2 import tf

# Scheme -> least and greatest value of its network inputs.
RANGES = {
    "inception": (-1, 1),
    "vgg": (-123.68, 255 - 103.94 + 1e-3),
    "lenet": (-1, 127 / 128),
    "cifarnet": (-np.inf, np.inf),
    "none": (0, 1),
}


def make_image(height, width, channels=3, seed=0):
    """The images of golden/preprocessing.json: waves with noise."""
    rng = np.random.RandomState(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [
        127 + 127 * np.sin(x / (9.0 + 3 * i) + i) * np.cos(y / (11.0 + 2 * i))
        for i in range(channels)
    ]
    noise = rng.normal(0, 8, (height, width, channels))
    return np.clip(np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)


def jpeg(pixels):
    file = io.BytesIO()
    # Without chroma subsampling, so that the border of a window decodes as inside the image.
    Image.fromarray(pixels).save(file, "JPEG", quality=95, subsampling=0)
    return file.getvalue()


def gradient(height, width):
    """An image whose red is the column and whose green is the row."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, 0 * x + 128], -1).astype(np.uint8)


def value(tensor):
    with tf.Session() as session:
        return session.run(tensor)


def for_seeds(function, count):
    """The results of `function` for the seeds [0, 5] to [count - 1, 5], stacked."""
    dataset = tf.data.Dataset.range(count).map(lambda i: function(tf.stack([i, 5]))).batch(count)
    return value(tf.data.make_one_shot_iterator(dataset).get_next())
