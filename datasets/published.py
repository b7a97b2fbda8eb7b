"""Datasets that are published: made once, by one process, of the very files that were published."""

import json
from pathlib import Path

from bad_input import BadInput
from datasets.description import read_description
from datasets.shard_writer import check_destination
from download import download, is_published
from files import locked
from flags import Parser


def make_once(dataset_dir, name, make, lock_name=None):
    """Returns the description of the dataset in `dataset_dir`, after `make()` where there is none.

    Of two processes the second waits for the first and finds its work done.

    Args:
      dataset_dir: where the dataset is or goes, a `Path`; its parent is made if need be.
      name: the dataset's.
      make: a function without arguments that writes the dataset and returns its description.
      lock_name: what both processes would write beside `dataset_dir`; by default its own name.

    Returns:
      The content of `dataset.json`, a dict.

    Raises:
      BadInput: a dataset of another name, or shards without `dataset.json`, in `dataset_dir`; no
        room on the disk; or what `make` raises.
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
            f"{dataset_dir.parent}: cannot be written ({error.strerror or error}); make room or "
            "choose another --dataset_dir"
        ) from error
    if description["name"] != name:
        raise BadInput(
            f"{dataset_dir}: holds the dataset {description['name']!r} already, expected {name!r}; "
            "choose another --dataset_dir"
        )
    return description


def kept_or_fetched(kept, url, archive, progress=True):
    """Returns `kept`, where the published archive lies, or is downloaded to.

    Args:
      kept: a `Path`.
      url: where to fetch the file from if it is not there.
      archive: the `download.Archive` to check against.
      progress: whether to show a progress bar on a terminal.

    Raises:
      BadInput: the file there is another one, or it cannot be fetched.
    """
    if kept.exists():
        check_published(kept, archive)
    else:
        print(f"Fetching {url} ({archive.num_bytes / 1e6:,.1f} MB) to {kept}", flush=True)
        download(url, kept, archive, progress)
    return kept


def check_published(path, archive):
    """Raises `BadInput` unless the file is the published archive."""
    if not is_published(path, archive):
        raise BadInput(
            f"{path}: is not the published {Path(archive.url).name} ({path.stat().st_size:,} "
            f"bytes, expected {archive.num_bytes:,} with {archive.digest}); remove it and it is "
            f"fetched anew; {archive.otherwise}"
        )


def command_line(docstring, dataset_dir):
    """Returns a `flags.Parser` with --dataset_dir, by default `dataset_dir`."""
    parser = Parser(docstring)
    parser.flag("dataset_dir", "DIR", Path, Path(dataset_dir), "where the dataset goes")
    return parser


def print_result(dataset_dir, description):
    """Prints a line of JSON with the number of pictures in each split."""
    counts = {name: split["num_examples"] for name, split in description["splits"].items()}
    print(json.dumps({"dataset_dir": str(dataset_dir), "num_examples": counts}))
