"""Weights of the classes in the loss, for classes of very different sizes."""

from slim_on_tf2 import tf
from system.errors import BadInput
from system.flags import parse_named_numbers
from training.flag_rules import BALANCED


def get_class_weights(flag, class_counts):
    """Returns the weight of each class in the loss, a list of floats; None if the flag is None.

    Args:
      flag: `balanced`, or text such as `roses=2.5,tulips=2`; other classes have weight 1. Balanced
        weights are n / (classes * n of the class), so that each class has the same share of the
        loss and the mean weight of an image is 1 (King & Zeng 2001).
      class_counts: class name -> number of training images, in the order of the labels.

    Raises:
      BadInput: the flag names a class that the dataset does not have.
    """
    if flag is None:
        return None
    if flag == BALANCED:
        counts = [count for count in class_counts.values() if count]
        total, classes = sum(counts), len(counts)
        return [total / (classes * n) if n else 1.0 for n in class_counts.values()]
    weights = parse_named_numbers(flag)
    for name in weights:
        if name not in class_counts:
            raise BadInput(
                f"--class_weights: there is no class {name!r}; the classes are "
                f"{', '.join(class_counts)}"
            )
    return [weights.get(name, 1.0) for name in class_counts]


def effective_class_weights(flags, dataset):
    """Returns how much an image of each class counts in training, a list of floats.

    By the weights in the loss, or by how often balanced sampling reads it.
    """
    flag = BALANCED if flags.balanced_sampling else flags.class_weights
    return get_class_weights(flag, dataset.class_counts) or [1.0] * dataset.num_classes


def example_weights(flags, dataset, labels):
    """Returns the weights of a batch's examples in the loss.

    Args:
      flags: the flags of train_flowers.py.
      dataset: the training split, a `slim.dataset.Dataset`.
      labels: float32 [batch, classes], one-hot or mixed.

    Returns:
      float32 [batch], the mean weight of the classes of each label; 1.0 without --class_weights.
    """
    weights = get_class_weights(flags.class_weights, dataset.class_counts)
    return 1.0 if weights is None else tf.linalg.matvec(labels, tf.constant(weights, tf.float32))
