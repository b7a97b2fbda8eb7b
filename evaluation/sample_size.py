"""What a training says of a small or imbalanced collection of images at its start."""

from datasets.description import similar_labels
from evaluation.metrics import wilson_interval

FEW_TRAINING_IMAGES = 10  # of a class
FEW_VALIDATION_IMAGES = 100
EXAMPLE_ACCURACY = 0.8
MOST_LINES = 5
NOTABLE_RATIO = 3  # of the largest class to the smallest


def describe_splits(flags, dataset, validation_dataset):
    """Returns the lines about similar names, few images and class imbalance, a list of str.

    Args:
      flags: the flags of train_flowers.py.
      dataset: the training split, a `slim.dataset.Dataset`.
      validation_dataset: the validation split.
    """
    lines = [
        f"Similar classes: {', '.join(map(repr, group))}; are they one?"
        for group in similar_labels(dataset.class_counts)
    ]
    counts, validated = dataset.class_counts, validation_dataset.class_counts
    few = [name for name, count in counts.items() if count < FEW_TRAINING_IMAGES]
    lines += [
        f"Few images: {name} has {counts[name]} training images and {_interval(validated[name])}"
        for name in few[:MOST_LINES]
    ]
    if len(few) > MOST_LINES:
        lines.append(f"Few images: {len(few) - MOST_LINES} more classes")
    if validation_dataset.num_samples < FEW_VALIDATION_IMAGES:
        lines.append(f"Few images: {_interval(validation_dataset.num_samples)}")
    counts = {name: count for name, count in counts.items() if count}
    smallest, largest = min(counts, key=counts.get), max(counts, key=counts.get)
    ratio = counts[largest] / counts[smallest]
    if ratio > NOTABLE_RATIO:
        lines.append(
            f"Class imbalance: {largest} has {ratio:.1f} times the images of {smallest} "
            f"({counts[largest]} and {counts[smallest]})"
        )
        if not (flags.class_weights or flags.balanced_sampling):
            lines[-1] += (
                "; --class_weights balanced or --balanced_sampling gives each class the same share"
            )
    return lines


def _interval(num_validated):
    """How exactly `num_validated` images measure an accuracy, as text."""
    if not num_validated:
        return "no validation images, so its accuracy stays unknown"
    low, high = wilson_interval(round(EXAMPLE_ACCURACY * num_validated), num_validated)
    return (
        f"{num_validated} validation images: an accuracy of about {EXAMPLE_ACCURACY:.0%} has a "
        f"95 % interval of {low:.0%} to {high:.0%}"
    )
