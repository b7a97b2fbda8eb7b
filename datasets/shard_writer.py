"""Writing of a dataset: shards, `labels.txt` and `dataset.json`, which appear all at once."""

import collections
import contextlib
import itertools

from tqdm import tqdm

from datasets.description import (
    LABELS_FILE,
    describe_shard,
    shard_file,
    write_description,
    write_labels,
)
from datasets.examples import make_example, write_examples
from datasets.parallel import in_parallel
from system.errors import BadInput
from system.files import staging_folder


def write_dataset(dataset_dir, description, splits, encode, image_format="jpeg", progress=True):
    """Writes a complete dataset to a staging folder and moves it to `dataset_dir`.

    Args:
      dataset_dir: a `Path`, created if needed. Other files there are left alone.
      description: the content of `dataset.json` except `splits`: `name`, `labels`, `settings` with
        `num_shards`, and anything else.
      splits: {"train": [image, ...], ...} in the order of the records; an image has the attributes
        `file`, `label` (the name of its class), `height` and `width`.
      encode: a function from an image to its bytes, called from several threads.
      image_format: the format that `encode` returns, `jpeg` or `png`.
      progress: whether to show a progress bar on a terminal.

    Returns:
      The content of `dataset.json`, a dict.

    Raises:
      BadInput: the disk is full or read-only.
    """
    is_new = not dataset_dir.exists()
    images = list(itertools.chain.from_iterable(splits.values()))
    try:
        dataset_dir.parent.mkdir(parents=True, exist_ok=True)
        with (
            staging_folder(dataset_dir if is_new else dataset_dir / description["name"]) as staging,
            progress_bar(images, "writing", progress) as bar,
            contextlib.closing(in_parallel(encode, bar)) as encoded,
        ):
            written = {
                split: _write_split(staging, description, split, chosen, encoded, image_format)
                for split, chosen in splits.items()
            }
            name, labels = description["name"], description["labels"]
            description = {"name": name, "labels": labels, "splits": written, **description}
            write_labels(staging, labels)
            write_description(staging, description)
            _publish(staging, dataset_dir, is_new)
    except OSError as error:
        raise BadInput(
            f"{dataset_dir}: cannot be written ({error.strerror or error}); free some space or "
            "choose another folder; no partial dataset is left"
        ) from error
    return description


def progress_bar(items, doing, progress):
    """Returns an iterable over the list `items` that shows a progress bar on a terminal."""
    return tqdm(items, doing, unit=" images", disable=None if progress else True)


def _write_split(staging, description, split, images, encoded, image_format):
    """Writes the shards of a split and returns its entry in `dataset.json`."""
    name, labels = description["name"], description["labels"]
    count = description["settings"]["num_shards"]
    shards = []
    for index in range(count):
        chosen = images[index * len(images) // count : (index + 1) * len(images) // count]
        path = staging / shard_file(name, split, index, count)
        examples = (
            make_example(
                data,
                image.height,
                image.width,
                labels.index(image.label),
                image.label,
                image.file,
                image_format,
            )
            for image, data in zip(chosen, encoded)
        )
        write_examples(path, examples)
        shards.append(describe_shard(path, len(chosen)))
    per_class = collections.Counter(image.label for image in images)
    return {
        "num_examples": len(images),
        "classes": {label: per_class[label] for label in labels},
        "shards": shards,
    }


def _publish(staging, dataset_dir, is_new):
    """Moves a complete dataset to its folder: at once, or file by file next to other files.

    `labels.txt` comes last, because a folder without it is not a dataset.
    """
    if is_new:
        staging.rename(dataset_dir)
        return
    for path in sorted(staging.iterdir(), key=lambda path: path.name == LABELS_FILE):
        path.rename(dataset_dir / path.name)
