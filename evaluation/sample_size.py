"""What a training says of a small or uneven collection of images at its start."""

from evaluation.metrics import wilson_interval

FEW_TRAINING_IMAGES = 10  # of a class
FEW_VALIDATION_IMAGES = 100
EXAMPLE_ACCURACY = 0.8
NOTABLE_RATIO = 3  # of the largest class to the smallest


def describe_splits(dataset, validation_dataset):
    """Returns the lines about few images and uneven classes, a list of str.

    Args:
      dataset: the training split, a `slim.dataset.Dataset`.
      validation_dataset: the validation split.
    """
    lines = []
    counts = {name: count for name, count in dataset.class_counts.items() if count}
    few = [f"{name} ({n})" for name, n in counts.items() if n < FEW_TRAINING_IMAGES]
    if few:
        lines.append(
            f"Few images: {', '.join(few[:5])}{', ...' if len(few) > 5 else ''}; a class of fewer "
            f"than {FEW_TRAINING_IMAGES} training images is hardly learned"
        )
    num_validated = validation_dataset.num_samples
    if num_validated < FEW_VALIDATION_IMAGES:
        low, high = wilson_interval(round(EXAMPLE_ACCURACY * num_validated), num_validated)
        lines.append(
            f"Few images: of {num_validated} validation images, an accuracy of "
            f"{EXAMPLE_ACCURACY:.0%} has a 95 % interval of {low:.0%} to {high:.0%}"
        )
    smallest, largest = min(counts, key=counts.get), max(counts, key=counts.get)
    ratio = counts[largest] / counts[smallest]
    if ratio > NOTABLE_RATIO:
        lines.append(
            f"Uneven classes: {largest} has {ratio:.1f} times the images of {smallest} "
            f"({counts[largest]} and {counts[smallest]}); --class_weights balanced or "
            "--balanced_sampling gives each class the same share"
        )
    return lines
