"""A trained network as its users meet it: photos in, names and probabilities out, in one graph.

predict_flowers.py runs this graph and export_flowers.py saves it, so that both give the same
numbers; and those of the evaluation, since the photos go through the same preprocessing.
"""

from dataclasses import dataclass

import numpy as np

from nets.factory import get_network_fn
from preprocessing.factory import get_preprocessing
from slim_on_tf2 import tf


@dataclass(frozen=True)
class ServingGraph:
    """The tensors to feed and to fetch. Feed one of the two kinds of photos; the other is empty.

    Attributes:
      image_bytes: string [batch], encoded photos of any size: JPEG, PNG, GIF or BMP.
      images: float32 [batch, any height, any width, 3], pictures in [0, 1], red first.
      answers: what to fetch, by name: `label` string [batch] and `probability` float32 [batch] of
        the most probable class; `classes` string [batch, classes], in the order of labels.txt, and
        `probabilities` float32 [batch, classes].
      inputs: float32 [batch, side, side, channels], the photos as the network sees them.
      logits: float32 [batch, classes].
      end_points: the network's, by name.
    """

    image_bytes: object
    images: object
    answers: dict
    inputs: object
    logits: object
    end_points: dict


def build(run):
    """Builds the network of `run` for use, in the current default graph.

    Args:
      run: a `Run`: its network, labels, image size and preprocessing are used.

    Returns:
      A `ServingGraph`. In a graph that was empty its tensors have the names of its attributes, and
      the answers those of `answers`: `image_bytes:0`, `inputs:0`, `label:0`.
    """
    image_bytes = tf.placeholder_with_default(np.array([], object), [None], "image_bytes")
    no_images = np.zeros([0, 1, 1, 3], np.float32)
    images = tf.placeholder_with_default(no_images, [None, None, None, 3], "images")
    inputs = _inputs(run, image_bytes, images)
    network_fn = get_network_fn(run.model_name, len(run.labels), is_training=False)
    logits, end_points = network_fn(inputs)
    return ServingGraph(image_bytes, images, _answers(run, logits), inputs, logits, end_points)


def freeze(serving, session):
    """The graph with the weights of `session` as constants, and nothing that no answer needs.

    What training put around the network is left behind: variables and how they begin, losses,
    savers.

    Args:
      serving: a `ServingGraph`.
      session: a session of its graph, with the weights restored.

    Returns:
      A `GraphDef`, whose tensors have the names that they have in `serving`.
    """
    names = [tensor.op.name for tensor in serving.answers.values()]
    return tf.graph_util.convert_variables_to_constants(session, session.graph_def, names)


def _inputs(run, image_bytes, images):
    """Float32 [batch, side, side, channels] of either kind of photos."""
    preprocess = get_preprocessing(
        run.preprocessing_name, is_training=False, use_grayscale=run.use_grayscale
    )

    if run.use_grayscale:
        # Grey of a file is made in whole numbers of 255: in these, pictures are seen alike.
        images = tf.image.convert_image_dtype(images, tf.uint8, saturate=True)

    def preprocess_each(photos):
        return tf.map_fn(
            lambda photo: preprocess(photo, run.image_size, run.image_size), photos, tf.float32
        )

    return tf.concat([preprocess_each(image_bytes), preprocess_each(images)], 0, name="inputs")


def _answers(run, logits):
    probabilities = tf.nn.softmax(logits)
    names = tf.constant([label.encode() for label in run.labels])
    count = tf.shape(logits)[0]
    answers = {
        "label": tf.gather(names, tf.argmax(probabilities, axis=1)),
        "probability": tf.reduce_max(probabilities, axis=1),
        "classes": tf.tile(names[tf.newaxis], [count, 1]),
        "probabilities": probabilities,
    }
    return {name: tf.identity(tensor, name) for name, tensor in answers.items()}
