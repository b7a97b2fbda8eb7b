"""The inference graph of a run: encoded images in, class names and probabilities out.

predict_flowers.py runs this graph and export_flowers.py saves it, so that both predict the same.
The preprocessing is that of the evaluation.
"""

from dataclasses import dataclass

import numpy as np

from nets.nets_factory import get_network_fn
from preprocessing.preprocessing_factory import get_preprocessing
from slim_on_tf2 import tf


@dataclass(frozen=True)
class ServingGraph:
    """The tensors to feed and to fetch. Feed `image_bytes` or `images`; the other defaults to none.

    Attributes:
      image_bytes: string [batch], encoded images of any size: JPEG, PNG, GIF or BMP.
      images: float32 [batch, height, width, 3], RGB images of any size in [0, 1].
      inputs: float32 [batch, side, side, channels], the preprocessed images.
      logits: float32 [batch, classes].
      outputs: dict by name: `label` string [batch] and `probability` float32 [batch] of the most
        probable class; `classes` string [batch, classes], in the order of labels.txt, and
        `probabilities` float32 [batch, classes].
    """

    image_bytes: tf.Tensor
    images: tf.Tensor
    inputs: tf.Tensor
    logits: tf.Tensor
    outputs: dict


def build(run):
    """Builds the inference graph of `run` in the current default graph.

    Args:
      run: a `Run`; its network, labels, image size and preprocessing are used.

    Returns:
      A `ServingGraph`. If the default graph was empty, the tensors are named after its attributes
      and after the keys of `outputs`: `image_bytes:0`, `inputs:0`, `label:0`.
    """
    image_bytes = tf.placeholder_with_default(np.array([], object), [None], "image_bytes")
    no_images = np.zeros([0, 1, 1, 3], np.float32)
    images = tf.placeholder_with_default(no_images, [None, None, None, 3], "images")
    inputs = _preprocessed(run, image_bytes, images)
    network_fn = get_network_fn(run.model_name, len(run.labels), is_training=False)
    logits, _ = network_fn(_pad_empty_batch(inputs))
    logits = tf.identity(logits, "network_logits")[: tf.shape(inputs)[0]]
    return ServingGraph(image_bytes, images, inputs, logits, _outputs(run.labels, logits))


def freeze(serving, session):
    """Returns the graph as a `GraphDef` with the variables of `session` as constants.

    Only the operations that the outputs need are kept; the tensors keep their names.

    Args:
      serving: a `ServingGraph`.
      session: a session of its graph, with the weights restored.
    """
    names = [tensor.op.name for tensor in serving.outputs.values()]
    return tf.graph_util.convert_variables_to_constants(session, session.graph_def, names)


def _preprocessed(run, image_bytes, images):
    """Float32 [batch, side, side, channels] from either kind of images."""
    preprocess = get_preprocessing(
        run.preprocessing_name, is_training=False, use_grayscale=run.use_grayscale
    )

    if run.use_grayscale:
        # Encoded images are converted to gray as integers in [0, 255]; floats must match them.
        images = tf.image.convert_image_dtype(images, tf.uint8, saturate=True)

    def preprocess_each(images):
        return tf.map_fn(
            lambda image: preprocess(image, run.image_size, run.image_size), images, tf.float32
        )

    return tf.concat([preprocess_each(image_bytes), preprocess_each(images)], 0, name="inputs")


def _pad_empty_batch(inputs):
    """Appends an image of zeros to an empty batch, on which some convolutions of oneDNN fail."""
    missing = tf.maximum(1 - tf.shape(inputs)[0], 0)
    return tf.concat([inputs, tf.zeros([missing, *inputs.shape[1:]])], 0)


def _outputs(labels, logits):
    probabilities = tf.nn.softmax(logits)
    classes = tf.constant([label.encode() for label in labels])
    outputs = {
        "label": tf.gather(classes, tf.argmax(probabilities, axis=1)),
        "probability": tf.reduce_max(probabilities, axis=1),
        "classes": tf.tile(classes[tf.newaxis], [tf.shape(logits)[0], 1]),
        "probabilities": probabilities,
    }
    return {name: tf.identity(tensor, name) for name, tensor in outputs.items()}
