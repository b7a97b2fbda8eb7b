"""The split of a dataset on which a run is evaluated."""

from pathlib import Path

from datasets.splits import get_split
from system.errors import BadInput


def get_run_split(run, split_name, dataset_dir=None):
    """Returns a split of the dataset that a run was trained on, or of another one.

    Args:
      run: the `Run`.
      split_name: such as "validation".
      dataset_dir: the folder of the TFRecords; by default that of the training.

    Returns:
      A `slim.dataset.Dataset`.

    Raises:
      BadInput: there is no such folder or split, or its labels differ from the run's.
    """
    dataset_dir = dataset_dir or run.dataset_dir
    if not Path(dataset_dir).is_dir():
        raise BadInput(
            f"{dataset_dir}, from which the training read its images, is not a folder; give "
            "--dataset_dir"
        )
    dataset = get_split(split_name, dataset_dir)
    labels = [dataset.labels_to_names[label] for label in range(dataset.num_classes)]
    if labels != run.labels:
        raise BadInput(
            f"the labels of the images ({', '.join(labels)}) are not those that the network was "
            f"trained on ({', '.join(run.labels)}); give another --dataset_dir"
        )
    return dataset
