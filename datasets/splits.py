"""Splits of a dataset, as tf-slim describes them: `get_split` returns a `slim.dataset.Dataset`."""

import collections
import math
import os
from pathlib import Path

from tqdm import tqdm

from datasets.description import (
    DESCRIPTION_FILE,
    check_complete,
    describe_shard,
    find_shards,
    read_description,
    read_labels,
    write_description,
)
from datasets.examples import read_examples
from slim_on_tf2 import slim, tf
from system.errors import BadInput
from system.files import file_digest

# Older conversions wrote neither the name of the class nor that of the file.
FEATURES = {
    "image/encoded": tf.FixedLenFeature([], tf.string),
    "image/format": tf.FixedLenFeature([], tf.string, default_value="jpeg"),
    "image/class/label": tf.FixedLenFeature([], tf.int64),
    "image/class/text": tf.FixedLenFeature([], tf.string, default_value=""),
    "image/filename": tf.FixedLenFeature([], tf.string, default_value=""),
}
LEAST_BYTES = 16  # of a record: its length and two checksums
ITEMS = {
    "image": "The decoded image: uint8 [height, width, 3].",
    "encoded": "The encoded image, JPEG or PNG: string [].",
    "label": "The number of its class, from 0: int64 [].",
    "class": "The name of its class, empty in older datasets: string [].",
    "filename": "The path of the photo, empty in older datasets: string [].",
}


def get_split(split_name, dataset_dir, dataset_name=None):
    """Finds the shards of a split and checks them against the counts in `dataset.json`.

    Reads `name_split_00000-of-00005.tfrecord` and slim's `name_split-00000-of-00005.tfrecord`. In a
    folder without `dataset.json`, the records are counted once and the file is written.

    Args:
      split_name: such as "train" or "validation".
      dataset_dir: the folder with the shards and `labels.txt`.
      dataset_name: prefix of the shards' names; only needed if a folder without `dataset.json`
        contains several datasets.

    Returns:
      A `slim.dataset.Dataset` with data_sources (paths of the shards in order), reader, decoder
      (items: see `ITEMS`), num_samples, items_to_descriptions, num_classes, labels_to_names
      ({0: "daisy", ...}), class_counts ({"daisy": 556, ...}), digests (SHA-256 of each shard), name
      and split_name.

    Raises:
      BadInput: names the folder, file or shard that is missing, broken, truncated or changed since
        the records were counted, and the cure.
    """
    dataset_dir = Path(dataset_dir)
    if not dataset_dir.is_dir():
        raise BadInput(f"{dataset_dir}: no such folder; create a dataset with convert_flowers.py")
    labels = read_labels(dataset_dir)
    description = read_description(dataset_dir)
    if description is None:
        description = _count(dataset_dir, labels, dataset_name)
    _check_agreement(dataset_dir, description, labels, dataset_name)
    split = _find_split(dataset_dir, description, split_name)
    return slim.dataset.Dataset(
        data_sources=_check_shards(dataset_dir, description["name"], split_name, split["shards"]),
        reader=tf.TFRecordReader,
        decoder=_example_decoder(),
        num_samples=split["num_examples"],
        items_to_descriptions=ITEMS,
        num_classes=len(labels),
        labels_to_names=dict(enumerate(labels)),
        class_counts=split["classes"],
        digests=[shard["sha256"] for shard in split["shards"]],
        name=description["name"],
        split_name=split_name,
    )


def _example_decoder():
    handlers = {
        "image": slim.tfexample_decoder.Image(),
        "encoded": slim.tfexample_decoder.Tensor("image/encoded"),
        "label": slim.tfexample_decoder.Tensor("image/class/label"),
        "class": slim.tfexample_decoder.Tensor("image/class/text"),
        "filename": slim.tfexample_decoder.Tensor("image/filename"),
    }
    return slim.tfexample_decoder.TFExampleDecoder(FEATURES, handlers)


def _count(dataset_dir, labels, dataset_name):
    """Counts the records of every split, writes `dataset.json` and returns its content."""
    found = find_shards(dataset_dir)
    if dataset_name is None and len(found) > 1:
        raise BadInput(
            f"{dataset_dir}: contains several datasets ({', '.join(found)}); give each its own "
            "folder"
        )
    name = dataset_name or next(iter(found), None)
    if name not in found:
        wanted = f"{name or '*'}_train_00000-of-00005.tfrecord"
        raise BadInput(
            f"{dataset_dir}: contains no shards such as {wanted}; create them with "
            "convert_flowers.py"
        )
    for paths in found[name].values():
        check_complete(paths)
    shards = sorted(path for paths in found[name].values() for path in paths)
    per_shard = {
        path: collections.Counter(_labels_in(path, len(labels)))
        for path in tqdm(shards, "counting records", unit=" shards", disable=None)
    }
    splits = {split: _describe(paths, per_shard, labels) for split, paths in found[name].items()}
    description = {"name": name, "labels": labels, "splits": splits}
    if os.access(dataset_dir, os.W_OK):  # otherwise they are counted each time
        write_description(dataset_dir, description)
    return description


def _labels_in(shard, num_classes):
    for example in read_examples(shard, num_classes):
        yield example.features.feature["image/class/label"].int64_list.value[0]


def _describe(paths, per_shard, labels):
    """Returns a split's entry in `dataset.json`."""
    per_class = sum((per_shard[path] for path in paths), collections.Counter())
    return {
        "num_examples": per_class.total(),
        "classes": {name: per_class[label] for label, name in enumerate(labels)},
        "shards": [describe_shard(path, per_shard[path].total()) for path in paths],
    }


def _check_agreement(dataset_dir, description, labels, dataset_name):
    path = dataset_dir / DESCRIPTION_FILE
    if dataset_name not in (None, description["name"]):
        raise BadInput(
            f"{path}: describes {description['name']!r}, not {dataset_name!r}; give each dataset "
            "its own folder"
        )
    if description["labels"] != labels:
        raise BadInput(
            f"{path}: has the labels {', '.join(description['labels'])}, but labels.txt "
            f"{', '.join(labels)}; correct labels.txt, or delete {DESCRIPTION_FILE} to count the "
            "records again"
        )


def _find_split(dataset_dir, description, split_name):
    splits = description["splits"]
    if split_name not in splits:
        uncounted = find_shards(dataset_dir)[description["name"]][split_name]
        cure = f"; delete {DESCRIPTION_FILE} to count {uncounted[0].name} too" if uncounted else ""
        raise BadInput(f"{dataset_dir}: no split {split_name!r}; it has {', '.join(splits)}{cure}")
    return splits[split_name]


def _check_shards(dataset_dir, name, split_name, shards):
    """Returns the paths (str) of the shards, which have to be those counted in `dataset.json`."""
    paths = [dataset_dir / shard["file"] for shard in shards]
    description = dataset_dir / DESCRIPTION_FILE
    counted_at = description.stat().st_mtime_ns if description.exists() else math.inf
    for path, shard in zip(paths, shards):
        if not path.is_file():
            raise BadInput(f"{path}: the shard is missing; copy it there or convert again")
        if path.stat().st_size != shard["bytes"]:
            raise BadInput(
                f"{path}: has {path.stat().st_size:,} bytes, expected {shard['bytes']:,}; it was "
                "truncated or replaced; copy it again or convert again"
            )
        if shard["bytes"] < LEAST_BYTES * shard["num_examples"]:
            raise BadInput(
                f"{path}: has {shard['bytes']:,} bytes, too few for the {shard['num_examples']:,} "
                f"records that {DESCRIPTION_FILE} counts; delete {DESCRIPTION_FILE} to count them "
                "again"
            )
        # Copying changes times too, so the digest of a newer shard decides.
        if path.stat().st_mtime_ns > counted_at and file_digest(path) != shard["sha256"]:
            raise BadInput(
                f"{path}: has changed since its records were counted; copy it again, or delete "
                f"{DESCRIPTION_FILE} to count them again"
            )
    for path in find_shards(dataset_dir)[name][split_name]:
        if path not in paths:
            raise BadInput(
                f"{path}: is missing in {DESCRIPTION_FILE}; delete the shard, or delete "
                f"{DESCRIPTION_FILE} to count all records again"
            )
    return [str(path) for path in paths]
