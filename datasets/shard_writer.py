"""Splits of pictures -> sharded TFRecords, `labels.txt` and `dataset.json`, all or nothing."""

import collections
import contextlib
import itertools
import os

from tqdm import tqdm

from bad_input import BadInput
from datasets.description import (
    DESCRIPTION_FILE,
    LABELS_FILE,
    describe_shard,
    find_shards,
    shard_file,
    write_description,
    write_labels,
)
from datasets.parallel import in_parallel
from files import folder_beside


def check_destination(dataset_dir):
    """Raises `BadInput` where no dataset can go: over another, or into no folder."""
    target = dataset_dir.resolve()
    existing = next(path for path in (target, *target.parents) if path.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        raise BadInput(
            f"{dataset_dir}: cannot be written, {existing} is no folder or read-only; choose "
            "another folder"
        )
    own_names = (LABELS_FILE, DESCRIPTION_FILE)
    if find_shards(dataset_dir) or any((dataset_dir / name).exists() for name in own_names):
        raise BadInput(
            f"{dataset_dir}: holds a dataset already; choose another folder, or delete its "
            f".tfrecord files, {LABELS_FILE} and {DESCRIPTION_FILE}"
        )


def write_dataset(dataset_dir, description, splits, encode, image_format="jpeg", progress=True):
    """Writes all files of a dataset aside and moves them to their place.

    Args:
      dataset_dir: a `Path`; made if need be. Other files there are left alone.
      description: what `dataset.json` will hold beside `splits`: `name`, `labels`, `settings` with
        `num_shards`, and what else there is to say.
      splits: {"train": [picture, ...], ...} in the order of the records; a picture has `file`,
        `label` (the name of its class), `height` and `width`.
      encode: a function of a picture that returns its bytes; called from several threads.
      image_format: what `encode` makes: `jpeg` or `png`.
      progress: whether to show a progress bar on a terminal.

    Returns:
      The content of `dataset.json`, a dict.

    Raises:
      BadInput: a disk that is full or read-only.
    """
    is_new = not dataset_dir.exists()
    pictures = list(itertools.chain.from_iterable(splits.values()))
    try:
        dataset_dir.parent.mkdir(parents=True, exist_ok=True)
        with (
            folder_beside(dataset_dir if is_new else dataset_dir / description["name"]) as aside,
            progress_bar(pictures, "writing", progress) as bar,
            contextlib.closing(in_parallel(encode, bar)) as encoded,
        ):
            written = {
                split: _write_split(aside, description, split, chosen, encoded, image_format)
                for split, chosen in splits.items()
            }
            name, labels = description["name"], description["labels"]
            description = {"name": name, "labels": labels, "splits": written, **description}
            write_labels(aside, labels)
            write_description(aside, description)
            _publish(aside, dataset_dir, is_new)
    except OSError as error:
        raise BadInput(
            f"{dataset_dir}: cannot be written ({error.strerror or error}); make room or choose "
            "another folder; nothing half-written is left"
        ) from error
    return description


def progress_bar(items, doing, progress):
    """Returns the list `items` with a bar on a terminal; a context that removes it."""
    return tqdm(items, doing, unit=" photos", disable=None if progress else True)


def _write_split(aside, description, split, pictures, encoded, image_format):
    """Writes the shards of one split; returns its part of the description."""
    count = description["settings"]["num_shards"]
    shards = []
    for index in range(count):
        chosen = pictures[index * len(pictures) // count : (index + 1) * len(pictures) // count]
        path = aside / shard_file(description["name"], split, index, count)
        _write_shard(path, description["labels"], zip(chosen, encoded), image_format)
        shards.append(describe_shard(path, len(chosen)))
    per_class = collections.Counter(picture.label for picture in pictures)
    return {
        "num_examples": len(pictures),
        "classes": {label: per_class[label] for label in description["labels"]},
        "shards": shards,
    }


def _write_shard(path, labels, pictures, image_format):
    # Here and not above: importing TensorFlow takes seconds, and bad input is told before.
    from datasets.examples import make_example, write_examples

    examples = (
        make_example(
            encoded,
            picture.height,
            picture.width,
            labels.index(picture.label),
            picture.label,
            picture.file,
            image_format,
        )
        for picture, encoded in pictures
    )
    write_examples(path, examples)


def _publish(aside, dataset_dir, is_new):
    """Moves a complete dataset to its place: at one stroke, or file by file beside other files.

    `labels.txt` goes last: without it nothing is taken for a dataset.
    """
    if is_new:
        aside.rename(dataset_dir)
        return
    for path in sorted(aside.iterdir(), key=lambda path: path.name == LABELS_FILE):
        path.rename(dataset_dir / path.name)
