"""The files of a dataset's folder besides the records: shard names, `labels.txt`, `dataset.json`.

`dataset.json` holds the counts of each split, class and shard, so that they are counted once:

    {"name": "flowers", "labels": ["daisy", ...],
     "splits": {"train": {"num_examples": 3129, "classes": {"daisy": 555, ...},
                          "shards": [{"file": "flowers_train_00000-of-00005.tfrecord",
                                      "num_examples": 625, "bytes": 1, "sha256": "..."}, ...]}}}

A conversion adds `skipped`, `in_two_classes` and `settings`. Free of TensorFlow.
"""

import collections
import json
import os
import re
import unicodedata
from pathlib import Path

from system.errors import BadInput
from system.files import atomic_write, file_digest

LABELS_FILE = "labels.txt"
DESCRIPTION_FILE = "dataset.json"
# `flowers_train_00000-of-00005.tfrecord`, as written here and by the tutorial, or slim's
# `flowers_train-00000-of-00005.tfrecord`.
SHARD_FILE = re.compile(
    r"(?P<name>.+)_(?P<split>[A-Za-z0-9]+)[_-](?P<index>\d{5})-of-(?P<count>\d{5})\.tfrecord"
)
MAX_SHARDS = 99_999  # five digits


def shard_file(name, split, index, count):
    """Returns the file name of shard `index` of `count`."""
    return f"{name}_{split}_{index:05d}-of-{count:05d}.tfrecord"


def find_shards(dataset_dir):
    """Returns {dataset name: {split: [path, ...]}} of the shards in a folder, sorted by file name.

    A folder that does not exist has none.
    """
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    dataset_dir = Path(dataset_dir)
    for path in sorted(dataset_dir.iterdir()) if dataset_dir.is_dir() else ():
        match = SHARD_FILE.fullmatch(path.name)
        if match:
            found[match["name"]][match["split"]].append(path)
    return found


def check_complete(paths):
    """Raises `BadInput` unless `paths` are all shards of one conversion of a split."""
    matches = [SHARD_FILE.fullmatch(path.name) for path in paths]
    counts = sorted({match["count"] for match in matches})
    if len(counts) > 1:
        raise BadInput(
            f"{paths[0].parent}: the split {matches[0]['split']!r} has shards of two conversions, "
            f"-of-{counts[0]} and -of-{counts[1]}; delete one of them"
        )
    first = paths[0]
    start = first.name[: matches[0].start("index")]
    for index in range(int(counts[0])):
        path = first.with_name(f"{start}{index:05d}-of-{counts[0]}.tfrecord")
        if path not in paths:
            raise BadInput(f"{path}: the shard is missing; copy it there or convert again")


def check_destination(dataset_dir, photos_dir=None):
    """Checks that a new dataset can be written to a folder.

    Args:
      dataset_dir: the dataset's folder, which may not exist yet.
      photos_dir: a folder that must not contain it, where it would be taken for a class.

    Raises:
      BadInput: it contains a dataset, is not writable, or lies in `photos_dir`.
    """
    dataset_dir = Path(dataset_dir)
    target = dataset_dir.resolve()
    existing = next(path for path in (target, *target.parents) if path.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        raise BadInput(
            f"{dataset_dir}: cannot be written, {existing} is not a writable folder; choose "
            "another folder"
        )
    own_names = (LABELS_FILE, DESCRIPTION_FILE)
    if find_shards(dataset_dir) or any((dataset_dir / name).exists() for name in own_names):
        raise BadInput(
            f"{dataset_dir}: contains a dataset already; choose another folder, or delete its "
            f".tfrecord files, {LABELS_FILE} and {DESCRIPTION_FILE}"
        )
    if photos_dir is not None and Path(photos_dir).resolve() in (target, *target.parents):
        raise BadInput(
            f"{dataset_dir}: is inside the folder of photos, where it would be taken for a class; "
            "choose another folder for the dataset"
        )


def describe_shard(path, num_examples):
    """Returns a shard's entry in `dataset.json`."""
    return {
        "file": path.name,
        "num_examples": num_examples,
        "bytes": path.stat().st_size,
        "sha256": file_digest(path),
    }


def write_labels(dataset_dir, labels):
    """Writes `labels.txt`, one line such as `0:daisy` per class."""
    lines = [f"{index}:{label}\n" for index, label in enumerate(labels)]
    with atomic_write(Path(dataset_dir) / LABELS_FILE) as path:
        path.write_text("".join(lines), encoding="utf-8")


def read_labels(dataset_dir):
    """Returns the names of the classes in the order of their labels, a list of str.

    Raises:
      BadInput: `labels.txt` is missing, empty or not UTF-8 text; a line is not `number:name`; two
        names are equal; or the numbers are not 0 to n - 1, each once.
    """
    path = Path(dataset_dir) / LABELS_FILE
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise BadInput(
            f"{path}: missing; expected one line per class, such as 0:daisy; copy the file there "
            "or convert again"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read as UTF-8 text: {error}") from error
    names = {}
    for number, line in enumerate(lines, start=1):
        label, colon, name = line.partition(":")
        if not line.strip():
            continue
        if not (colon and name.strip() and label.isdecimal()) or int(label) in names:
            raise BadInput(
                f"{path}: line {number} is {line[:80]!r}, expected number:name, each number once"
            )
        names[int(label)] = name
    _refuse_equal_names(path, names)
    if not names or sorted(names) != list(range(len(names))):
        raise BadInput(
            f"{path}: expected the labels 0 to n - 1 without a gap, got {sorted(names)[:20]}"
        )
    return [names[label] for label in sorted(names)]


def _refuse_equal_names(path, names):
    """Raises `BadInput` if two of the labels in `names`, label -> name, have the same name."""
    labels_of = {}
    for label, name in names.items():
        first = labels_of.setdefault(name, label)
        if first != label:
            raise BadInput(
                f"{path}: the labels {first} and {label} are both {name!r}; each class needs a "
                "name of its own, or its images one label"
            )


def similar_labels(labels):
    """Returns the groups of names that differ only in case, spaces or Unicode form, a list."""
    groups = collections.defaultdict(list)
    for label in labels:
        folded = unicodedata.normalize("NFKC", label).casefold()
        groups[" ".join(folded.split())].append(label)
    return [group for group in groups.values() if len(group) > 1]


def write_description(dataset_dir, description):
    """Writes `dataset.json`."""
    text = json.dumps(description, indent=1) + "\n"
    with atomic_write(Path(dataset_dir) / DESCRIPTION_FILE) as path:
        path.write_text(text, encoding="utf-8")


def read_description(dataset_dir):
    """Returns the content of `dataset.json` as a dict, or None if there is no such file.

    Raises:
      BadInput: the file is not JSON, or lacks what the module's docstring shows.
    """
    path = Path(dataset_dir) / DESCRIPTION_FILE
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path}: cannot be read as JSON ({error}); delete it to count the records again"
        ) from error
    if not _is_description(description):
        raise BadInput(
            f"{path}: expected name, labels, and splits with their num_examples, classes and "
            "shards; delete it to count the records again"
        )
    return description


def _is_description(value):
    try:
        splits = value["splits"].values()
        shards = [shard for split in splits for shard in split["shards"]]
        return (
            isinstance(value["name"], str)
            and all(isinstance(label, str) for label in value["labels"])
            and all(isinstance(shard["file"], str) for shard in shards)
            and all(isinstance(shard["sha256"], str) for shard in shards)
            and all(isinstance(shard["bytes"], int) for shard in shards)
            and all(set(split["classes"]) <= set(value["labels"]) for split in splits)
            and all(split["num_examples"] == sum(split["classes"].values()) for split in splits)
            and all(
                split["num_examples"] == sum(shard["num_examples"] for shard in split["shards"])
                for split in splits
            )
        )
    except (KeyError, TypeError, AttributeError):
        return False
