"""What a training reads and trains: images through the network, or features through its head."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

from datasets.image_cache import cached
from nets.nets_factory import get_network
from nets.networks import find_network
from preprocessing.preprocessing_factory import get_preprocessing
from slim_on_tf2 import slim, tf
from training.features import decode_features, get_features
from training.flag_checks import train_image_size
from training.flag_rules import HEAD
from training.heads import find_head


@dataclass(frozen=True)
class Source:
    """A training's examples, and the network that takes them.

    Attributes:
      dataset: a `slim.dataset.Dataset`.
      preprocess: the `preprocess` of `load_batch`.
      size: height and width of what it returns.
      network: a function of (images, num_classes, is_training) as from `get_network`.
      trainable_scopes: the scopes to train, comma-separated; None for all.
      is_images: whether the examples are images, and not features.
    """

    dataset: slim.dataset.Dataset
    preprocess: Callable
    size: int
    network: Callable
    trainable_scopes: str | None
    is_images: bool


def get_source(flags, dataset, checkpoint):
    """Returns the `Source` of a training.

    Args:
      flags: the flags of train_flowers.py.
      dataset: the training split, a `slim.dataset.Dataset` of images.
      checkpoint: the checkpoint that the run resumes from, or None.
    """
    if flags.trainable_scopes != HEAD:
        preprocess = get_preprocessing(
            flags.preprocessing_name,
            is_training=True,
            use_grayscale=flags.use_grayscale,
            augmentation=flags.augmentation,
        )
        network = get_network(flags.model_name)
        if flags.cache:
            dataset = copy.copy(dataset)
            dataset.cache = cached(dataset, flags.cache, flags.cache_dir)
        return Source(
            dataset,
            preprocess,
            train_image_size(flags),
            network,
            flags.trainable_scopes,
            is_images=True,
        )
    features = get_features(flags, dataset, checkpoint or flags.checkpoint_path)
    head_scope = find_network(flags.model_name).head_scopes[0]
    return Source(features, decode_features, 1, _head_network(flags), head_scope, is_images=False)


def _head_network(flags):
    """Returns a network that applies its last layer to features [batch, 1, 1, depth].

    All variables of the network are built, on a blank image, so that a checkpoint holds them.
    """

    def network(features, num_classes, is_training):
        blank = tf.zeros([1, flags.image_size, flags.image_size, 1 if flags.use_grayscale else 3])
        image_logits, _ = get_network(flags.model_name)(blank, num_classes, is_training)
        logits = find_head(image_logits).logits(tf.squeeze(features, [1, 2]))
        return logits, {"Logits": logits, "Predictions": tf.nn.softmax(logits)}

    return network
