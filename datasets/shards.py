"""Photos in one folder a class -> sharded TFRecords, `labels.txt` and `dataset.json`.

The photos are read twice: once to see which are good, which are equal and how large they are, once
to write them. So a collection may be larger than memory.
"""

import collections
import contextlib
import hashlib
import itertools
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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
from datasets.photos import BadPhoto, read_photo
from datasets.stratify import Source, group_equals, stratify
from files import folder_beside

# What other programs leave in folders of photos; hidden files are left out too.
NO_PHOTOS = ("thumbs.db", "ehthumbs.db", "desktop.ini")
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
MAX_SHARDS = 99_999  # five digits in a shard's name
# Decoded photos that wait for the writer, for each thread: more only take memory.
AHEAD = 4


def write_shards(
    photos_dir,
    dataset_dir,
    *,
    dataset_name="flowers",
    num_shards=5,
    validation_fraction=0.1,
    test_fraction=0.0,
    seed=0,
    on_bad_photo="skip",
    progress=True,
):
    """Converts a folder of photos into a dataset that appears in `dataset_dir` when it is complete.

    Args:
      photos_dir: a folder with one folder a class; the folders' names are the labels' names.
      dataset_dir: where the dataset goes; made if need be. Other files there are left alone.
      dataset_name: what the shards' names begin with.
      num_shards: how many files a split has.
      validation_fraction: share of each class that is held out, above 0.
      test_fraction: share of each class for a test split; 0 for none. Both together below 1.
      seed: decides which photos are held out, and the order of the records.
      on_bad_photo: "skip" lists a file that is no usable photo; "fail" raises.
      progress: whether to show progress bars on a terminal.

    Returns:
      The content of `dataset.json`, see `description.py`, a dict. `skipped` lists {file, reason};
      `in_two_classes` lists the files with equal pixels that lie in more than one class, none of
      which is in the dataset; `settings` holds the arguments.

    Raises:
      BadInput: an argument out of range; no photos; a class without a readable one; a dataset in
        `dataset_dir` already; a bad photo under "fail"; a disk that is full or read-only.
    """
    settings = {
        "num_shards": num_shards,
        "validation_fraction": validation_fraction,
        "test_fraction": test_fraction,
        "seed": seed,
        "on_bad_photo": on_bad_photo,
    }
    check_settings(dataset_name, settings)
    photos_dir, dataset_dir = Path(photos_dir), Path(dataset_dir)
    classes = find_photos(photos_dir)
    check_destination(photos_dir, dataset_dir)

    sources, skipped = _read_photos(photos_dir, classes, on_bad_photo, progress)
    groups, in_two_classes = group_equals(sources)
    _check_every_class(photos_dir, classes, groups, skipped)
    splits = stratify(groups, validation_fraction, test_fraction, seed)
    description = {
        "name": dataset_name,
        "labels": list(classes),
        "skipped": skipped,
        "in_two_classes": [[source.file for source in group] for group in in_two_classes],
        "settings": settings,
    }
    return _write_dataset(dataset_dir, description, splits, progress)


def check_settings(dataset_name, settings):
    """Raises `BadInput` for the first of `write_shards`' arguments that is out of range."""
    validation, test = settings["validation_fraction"], settings["test_fraction"]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", dataset_name):
        raise BadInput(f"dataset_name: expected letters, digits and ._-, got {dataset_name!r}")
    if not 1 <= settings["num_shards"] <= MAX_SHARDS:
        raise BadInput(f"num_shards: expected 1 to {MAX_SHARDS}, got {settings['num_shards']}")
    if not (validation > 0 and test >= 0 and validation + test < 1):
        raise BadInput(
            "validation_fraction has to be above 0, test_fraction at least 0, and both together "
            f"below 1 so that photos to train on are left; got {validation:g} and {test:g}"
        )
    if settings["on_bad_photo"] not in ("skip", "fail"):
        raise BadInput(f"on_bad_photo: expected skip or fail, got {settings['on_bad_photo']!r}")


def find_photos(photos_dir):
    """Returns {class: [path, ...]}, both sorted, of all that might be a photo in a class folder.

    Raises:
      BadInput: there is no such folder, no class folder in it, or one with nothing in it.
    """
    if not photos_dir.is_dir():
        raise BadInput(f"{photos_dir}: no such folder; expected one that holds a folder a class")
    folders = [path for path in _visible(photos_dir) if path.is_dir()]
    if not folders:
        found = "files, but no folders" if _visible(photos_dir) else "nothing"
        raise BadInput(
            f"{photos_dir}: holds {found}; expected one folder a class, such as "
            f"{photos_dir / 'daisy'}, with that class's photos in it"
        )
    for folder in folders:
        inside = _visible(folder)
        if all(path.is_dir() for path in inside):
            hint = f"; is {folder} the folder of photos?" if inside else ""
            raise BadInput(
                f"{folder}: holds no photo; remove the folder or put photos of that class in{hint}"
            )
        if not folder.name.isprintable():
            raise BadInput(f"{str(folder)!a}: rename it; labels.txt cannot hold such a name")
    return {folder.name: _visible(folder) for folder in folders}


def _visible(folder):
    """Returns what is in a folder, sorted by name, without hidden files and known litter."""
    try:
        paths = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise BadInput(f"{folder}: cannot be read: {error.strerror}") from error
    return [
        path
        for path in paths
        if not path.name.startswith(".") and path.name.lower() not in NO_PHOTOS
    ]


def check_destination(photos_dir, dataset_dir):
    """Raises `BadInput` where no dataset can go: over another, among the photos, in no folder."""
    target = dataset_dir.resolve()
    existing = next(path for path in (target, *target.parents) if path.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        raise BadInput(
            f"{dataset_dir}: cannot be written, {existing} is no folder or read-only; choose "
            "another folder"
        )
    if photos_dir.resolve() in (target, *target.parents):
        raise BadInput(
            f"{dataset_dir}: lies in the folder of photos and would be taken for a class; choose "
            "another folder for the dataset"
        )
    own_names = (LABELS_FILE, DESCRIPTION_FILE)
    if find_shards(dataset_dir) or any((dataset_dir / name).exists() for name in own_names):
        raise BadInput(
            f"{dataset_dir}: holds a dataset already; choose another folder, or delete its "
            f".tfrecord files, {LABELS_FILE} and {DESCRIPTION_FILE}"
        )


def _read_photos(photos_dir, classes, on_bad_photo, progress):
    """Reads every photo once; returns ([`Source`, ...], [{file, reason}, ...])."""
    # Here and not above: importing TensorFlow takes seconds, and wrong folders are told before.
    from datasets.examples import make_decoder

    decode = make_decoder()

    def read(path):
        try:
            return _read_source(photos_dir, path, decode)
        except BadPhoto as error:
            if on_bad_photo == "fail":
                raise BadInput(
                    f"{path}: {error}; remove it, or leave out all such files with "
                    "--on_bad_photo skip"
                ) from error
            return {"file": _relative(photos_dir, path), "reason": str(error)}

    beside = [path for path in _visible(photos_dir) if path.suffix.lower() in PHOTO_SUFFIXES]
    paths = [path for path in beside if path.is_file()]
    paths += itertools.chain.from_iterable(classes.values())
    results = list(_in_parallel(read, paths, "reading", progress))
    return (
        [result for result in results if isinstance(result, Source)],
        [result for result in results if not isinstance(result, Source)],
    )


def _relative(photos_dir, path):
    """Returns `daisy/5.jpg`, printable even where a file's name is no UTF-8."""
    name = path.relative_to(photos_dir).as_posix()
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _read_source(photos_dir, path, decode):
    """Returns the `Source` of a photo that Pillow reads and TensorFlow decodes to the same size."""
    if path.is_dir():
        raise BadPhoto("a folder; photos are read from the class folder itself")
    if not path.is_file():
        raise BadPhoto("no regular file")
    if path.parent == photos_dir:
        raise BadPhoto("lies in no class folder")
    photo = read_photo(path)
    if decode(photo.jpeg) != (photo.height, photo.width, 3):
        raise BadPhoto("TensorFlow cannot decode it")
    return Source(
        path=path,
        file=_relative(photos_dir, path),
        label=path.parent.name,
        height=photo.height,
        width=photo.width,
        file_digest=photo.file_digest,
        pixel_digest=photo.pixel_digest,
        jpeg_digest=_digest(photo.jpeg),
    )


def _in_parallel(function, items, doing, progress):
    """Yields `function(item)` for each item, in order, computed in threads a little ahead."""
    waiting = collections.deque()
    num_threads = os.cpu_count() or 1
    pool = ThreadPoolExecutor(num_threads)
    bar = tqdm(items, doing, unit=" photos", disable=None if progress else True)
    try:
        for item in bar:
            waiting.append(pool.submit(function, item))
            if len(waiting) > AHEAD * num_threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        bar.close()
        pool.shutdown(cancel_futures=True)


def _check_every_class(photos_dir, classes, groups, skipped):
    left = {group[0].label for group in groups}
    for label in classes:
        if label not in left:
            bad = [f for f in skipped if f["file"].startswith(f"{label}/")]
            why = "{file}: {reason}".format(**bad[0]) if bad else "each lies in another class too"
            raise BadInput(
                f"{photos_dir / label}: no usable photo in this class ({why}); put photos of it "
                "there or remove the folder"
            )


def _write_dataset(dataset_dir, description, splits, progress):
    """Writes all files aside and moves them to their place; returns the whole description."""
    is_new = not dataset_dir.exists()
    try:
        dataset_dir.parent.mkdir(parents=True, exist_ok=True)
        with folder_beside(dataset_dir if is_new else dataset_dir / description["name"]) as aside:
            with contextlib.closing(_load_jpegs(splits, progress)) as jpegs:
                description = {
                    "name": description["name"],
                    "labels": description["labels"],
                    "splits": {
                        split: _write_split(aside, description, split, sources, jpegs)
                        for split, sources in splits.items()
                    },
                    **description,
                }
            write_labels(aside, description["labels"])
            write_description(aside, description)
            _publish(aside, dataset_dir, is_new)
    except OSError as error:
        raise BadInput(
            f"{dataset_dir}: cannot be written ({error.strerror or error}); make room or choose "
            "another folder; nothing half-written is left"
        ) from error
    return description


def _load_jpegs(splits, progress):
    """Yields the JPEG of each `Source`, split by split."""

    def load(source):
        with contextlib.suppress(OSError, BadPhoto):
            jpeg = source.path.read_bytes()
            if _digest(jpeg) != source.jpeg_digest:  # it is no upright RGB JPEG as it stands
                jpeg = read_photo(source.path).jpeg
            if _digest(jpeg) == source.jpeg_digest:
                return jpeg
        raise BadInput(f"{source.path}: changed during the conversion; convert again")

    sources = list(itertools.chain.from_iterable(splits.values()))
    return _in_parallel(load, sources, "writing", progress)


def _digest(data):
    return hashlib.sha256(data).hexdigest()


def _write_split(aside, description, split, sources, jpegs):
    """Writes the shards of one split; returns its part of the description."""
    count = description["settings"]["num_shards"]
    shards = []
    for index in range(count):
        chosen = sources[index * len(sources) // count : (index + 1) * len(sources) // count]
        path = aside / shard_file(description["name"], split, index, count)
        _write_shard(path, description["labels"], zip(chosen, jpegs))
        shards.append(describe_shard(path, len(chosen)))
    per_class = collections.Counter(source.label for source in sources)
    return {
        "num_examples": len(sources),
        "classes": {label: per_class[label] for label in description["labels"]},
        "shards": shards,
    }


def _write_shard(path, labels, photos):
    from datasets.examples import make_example, write_examples  # TensorFlow, late as above

    examples = (
        make_example(
            jpeg,
            source.height,
            source.width,
            labels.index(source.label),
            source.label,
            source.file,
        )
        for source, jpeg in photos
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
