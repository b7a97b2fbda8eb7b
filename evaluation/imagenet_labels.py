"""What --dataset_dir holds for a published network, checked before TensorFlow loads."""

from pathlib import Path

from datasets.description import LABELS_FILE, find_shards, read_labels
from datasets.photo_lists import find_photos
from nets.imagenet_classes import find_classes
from system.errors import BadInput


def holds_records(dataset_dir):
    """Whether a folder is one of TFRecords, rather than of photos."""
    return bool(find_shards(dataset_dir)) or Path(dataset_dir, LABELS_FILE).is_file()


def check_imagenet_dataset(dataset_dir, model_name):
    """Checks the labels of a folder of TFRecords, or of photos with one folder per class.

    Raises:
      BadInput: there is no such folder, or a label is not a class of ImageNet.
    """
    if not Path(dataset_dir).is_dir():
        raise BadInput(
            f"--dataset_dir {dataset_dir} is not a folder; expected TFRecords, or photos in one "
            "folder per class"
        )
    records = holds_records(dataset_dir)
    labels = read_labels(dataset_dir) if records else list(find_photos(dataset_dir).classes)
    try:
        find_classes(labels, model_name)
    except BadInput as error:
        raise BadInput(f"--dataset_dir {dataset_dir}: {error}") from error
