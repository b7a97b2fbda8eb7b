"""The table of datasets that are made by name: name -> the module that fetches and converts one.

A dataset's module is imported when it is asked for, so that a flag can be checked against
`DATASETS` before anything heavy has been imported.
"""

import difflib
import importlib

from bad_input import BadInput

# Name -> the module with its download_and_convert(dataset_dir).
DATASETS = {
    "flowers": "datasets.flowers",
    "mnist": "datasets.mnist",
    "digits": "datasets.digits",
}


def find_dataset(name):
    """The module of the dataset `name`, a str.

    Raises:
      BadInput: there is no such dataset; names those that are spelled alike.
    """
    if name in DATASETS:
        return DATASETS[name]
    close = difflib.get_close_matches(str(name), DATASETS)
    hint = f"did you mean {' or '.join(close)}" if close else f"choose of {', '.join(DATASETS)}"
    raise BadInput(
        f"--dataset_name: there is no dataset {name!r} to fetch; {hint}, or convert photos of your "
        "own with convert_flowers.py?"
    )


def fetch(name, dataset_dir):
    """Makes the dataset `name` in `dataset_dir`, unless it is there already.

    Args:
      name: a key of `DATASETS`.
      dataset_dir: where it goes.

    Returns:
      The content of `dataset.json`, a dict.

    Raises:
      BadInput: there is no dataset of that name; or as its `download_and_convert` says.
    """
    return importlib.import_module(find_dataset(name)).download_and_convert(dataset_dir)
