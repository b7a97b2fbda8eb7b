"""The split of a dataset on which a run is evaluated."""

from pathlib import Path

from datasets.description import read_description
from datasets.splits import get_split
from system.errors import BadInput
from training.run_record import split_digest

VALIDATION = "validation"


def default_eval_dir(log_dir, split_name):
    """Returns the folder of a run's evaluation: eval, or eval_test for the split `test`."""
    return Path(log_dir, "eval" if split_name == VALIDATION else f"eval_{split_name}")


def get_run_split(run, split_name, dataset_dir=None):
    """Returns a split of the dataset that a run was trained on, or of another one.

    Args:
      run: the `Run`.
      split_name: such as "validation".
      dataset_dir: the folder of the TFRecords; by default that of the training.

    Returns:
      A `slim.dataset.Dataset` with `is_of_run`: whether its images are those of the dataset that
      the run was trained on; None if that is not recorded. If they are not, a line says so.

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
    dataset.is_of_run = _is_of_run(run, dataset, dataset_dir)
    if dataset.is_of_run is False:
        print(
            f"Images: {split_name} of {dataset_dir} is not of the dataset that the network was "
            "trained on, so it may hold images of the training",
            flush=True,
        )
    return dataset


def _is_of_run(run, dataset, dataset_dir):
    """Returns whether a split is of the conversion that a run was trained on; None if unknown.

    If its own digest is not recorded, that of the training split beside it decides.
    """
    recorded = run.split_digests
    if dataset.split_name in recorded:
        return split_digest(dataset.digests) == recorded[dataset.split_name]
    description = read_description(dataset_dir)
    if "train" not in recorded or description is None or "train" not in description["splits"]:
        return None
    shards = description["splits"]["train"]["shards"]
    return split_digest([shard["sha256"] for shard in shards]) == recorded["train"]
