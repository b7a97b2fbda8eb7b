"""What lies in a dataset's folder beside the records: file names, `labels.txt`, `dataset.json`.

`dataset.json` holds the counts for each split, class and shard, so that nobody counts again:

    {"name": "flowers", "labels": ["daisy", ...],
     "splits": {"train": {"num_examples": 3129, "classes": {"daisy": 555, ...},
                          "shards": [{"file": "flowers_train_00000-of-00005.tfrecord",
                                      "num_examples": 625, "bytes": 1, "sha256": "..."}, ...]}}}

A conversion adds `skipped`, `in_two_classes` and `settings`. Nothing here imports TensorFlow.
"""

import collections
import json
import re
from pathlib import Path

from bad_input import BadInput
from files import file_digest, written_aside

LABELS_FILE = "labels.txt"
DESCRIPTION_FILE = "dataset.json"
# `flowers_train_00000-of-00005.tfrecord`, as written here and by the tutorial, and slim's
# `flowers_train-00000-of-00005.tfrecord`.
SHARD_FILE = re.compile(
    r"(?P<name>.+)_(?P<split>[A-Za-z0-9]+)[_-](?P<index>\d{5})-of-(?P<count>\d{5})\.tfrecord"
)


def shard_file(name, split, index, count):
    """Returns the file name of shard `index` of `count`."""
    return f"{name}_{split}_{index:05d}-of-{count:05d}.tfrecord"


def find_shards(dataset_dir):
    """Returns {dataset name: {split: [path, ...]}} of the shards in a folder, sorted by file name.

    A folder that does not exist holds none.
    """
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    dataset_dir = Path(dataset_dir)
    for path in sorted(dataset_dir.iterdir()) if dataset_dir.is_dir() else ():
        match = SHARD_FILE.fullmatch(path.name)
        if match:
            found[match["name"]][match["split"]].append(path)
    return found


def check_complete(paths):
    """Raises `BadInput` unless `paths` are the shards 0 to n - 1 of n, the missing one by name."""
    matches = [SHARD_FILE.fullmatch(path.name) for path in paths]
    counts = sorted({match["count"] for match in matches})
    if len(counts) > 1:
        raise BadInput(
            f"{paths[0].parent}: shards of two conversions, -of-{counts[0]} and -of-{counts[1]}, "
            f"of the split {matches[0]['split']!r}; keep one of them"
        )
    first = paths[0]
    start = first.name[: matches[0].start("index")]
    for index in range(int(counts[0])):
        path = first.with_name(f"{start}{index:05d}-of-{counts[0]}.tfrecord")
        if path not in paths:
            raise BadInput(f"{path}: the shard is missing; copy it there or convert again")


def describe_shard(path, num_examples):
    """Returns a shard's entry in `dataset.json`."""
    return {
        "file": path.name,
        "num_examples": num_examples,
        "bytes": path.stat().st_size,
        "sha256": file_digest(path),
    }


def write_labels(dataset_dir, labels):
    """Writes `labels.txt`, a line `0:daisy` a label."""
    lines = [f"{index}:{label}\n" for index, label in enumerate(labels)]
    with written_aside(Path(dataset_dir) / LABELS_FILE) as path:
        path.write_text("".join(lines), encoding="utf-8")


def read_labels(dataset_dir):
    """Returns the names of the classes, in the order of their labels: a list of str.

    Raises:
      BadInput: `labels.txt` is missing, empty, no text, or a line is not `number:name`, with the
        numbers 0 to n - 1 once each.
    """
    path = Path(dataset_dir) / LABELS_FILE
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise BadInput(
            f"{path}: missing; expected a line 0:daisy a class; copy it there or convert again"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read as UTF-8 text: {error}") from error
    names = {}
    for number, line in enumerate(lines, start=1):
        label, colon, name = line.partition(":")
        if not line.strip():
            continue
        if not (colon and name and label.isdecimal()) or int(label) in names:
            raise BadInput(
                f"{path}: line {number} is {line[:80]!r}, expected number:name, each number once"
            )
        names[int(label)] = name
    if not names or sorted(names) != list(range(len(names))):
        raise BadInput(
            f"{path}: expected the labels 0 to n - 1 without a gap, got {sorted(names)[:20]}"
        )
    return [names[label] for label in sorted(names)]


def write_description(dataset_dir, description):
    """Writes `dataset.json`."""
    text = json.dumps(description, indent=1) + "\n"
    with written_aside(Path(dataset_dir) / DESCRIPTION_FILE) as path:
        path.write_text(text, encoding="utf-8")


def read_description(dataset_dir):
    """Returns the content of `dataset.json` as a dict, or None where there is none.

    Raises:
      BadInput: it is no JSON, or not of the form that the module's docstring shows.
    """
    path = Path(dataset_dir) / DESCRIPTION_FILE
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path}: cannot be read as JSON ({error}); delete it and the records are counted anew"
        ) from error
    if not _is_description(description):
        raise BadInput(
            f"{path}: expected name, labels, and splits with their num_examples, classes and "
            "shards; delete it and the records are counted anew"
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
