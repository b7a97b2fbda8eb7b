"""Published datasets: downloaded, verified and converted once, by a single process."""

import json
from pathlib import Path

from datasets.description import check_destination, read_description
from system.download import download, is_published
from system.errors import BadInput
from system.flags import Parser
from system.locks import locked


def make_once(dataset_dir, name, make, lock_name=None):
    """Returns the description of the dataset in `dataset_dir`, created by `make()` if missing.

    A second process waits for the first one and uses its dataset.

    Args:
      dataset_dir: the dataset's folder, a `Path`; its parent is created if needed.
      name: the name of the dataset.
      make: a function without arguments that writes the dataset and returns its description.
      lock_name: name of what must not be written twice at a time, next to `dataset_dir`; by default
        that of `dataset_dir`.

    Returns:
      The content of `dataset.json`, a dict.

    Raises:
      BadInput: `dataset_dir` contains another dataset, or shards without `dataset.json`; the disk
        is full or read-only; or `make` raises it.
    """
    try:
        dataset_dir.parent.mkdir(parents=True, exist_ok=True)
        with locked(dataset_dir.parent / f".{lock_name or dataset_dir.name}.lock"):
            description = read_description(dataset_dir)
            if description is None:
                check_destination(dataset_dir)
                return make()
    except OSError as error:
        raise BadInput(
            f"{dataset_dir.parent}: cannot be written ({error.strerror or error}); free some space "
            "or choose another --dataset_dir"
        ) from error
    if description["name"] != name:
        raise BadInput(
            f"{dataset_dir}: contains the dataset {description['name']!r}, expected {name!r}; "
            "choose another --dataset_dir"
        )
    return description


def find_or_download(path, url, archive, progress=True):
    """Returns `path`, to which a published archive is downloaded from `url` if it is missing.

    Args:
      path: a `Path`.
      url: str.
      archive: the `Archive` to verify the file against.
      progress: whether to show a progress bar on a terminal.

    Raises:
      BadInput: the file differs from the published one, or cannot be downloaded.
    """
    if path.exists():
        check_published(path, archive)
    else:
        print(f"Downloading {url} ({archive.num_bytes / 1e6:,.1f} MB) to {path}", flush=True)
        download(url, path, archive, progress)
    return path


def check_published(path, archive):
    """Raises `BadInput` unless the file is the published archive."""
    if not is_published(path, archive):
        raise BadInput(
            f"{path}: differs from the published {Path(archive.url).name} ({path.stat().st_size:,} "
            f"bytes, expected {archive.num_bytes:,} with {archive.digest}); delete it to download "
            f"it again; {archive.alternative}"
        )


def flags_parser(docstring, dataset_dir):
    """Returns a `Parser` with the flag --dataset_dir and its default."""
    parser = Parser(docstring)
    parser.flag("dataset_dir", "DIR", Path, Path(dataset_dir), "folder of the dataset")
    return parser


def print_result(dataset_dir, description):
    """Prints the number of images in each split as a line of JSON."""
    counts = {name: split["num_examples"] for name, split in description["splits"].items()}
    print(json.dumps({"dataset_dir": str(dataset_dir), "num_examples": counts}))
