"""Conversion of labeled photos into a dataset of sharded TFRecords.

Each photo is read twice, first to check it and then to write it, so that the photos need not fit
into memory.
"""

import contextlib
import hashlib
import itertools
from functools import partial
from pathlib import Path

from datasets.description import check_destination
from datasets.examples import make_shape_decoder
from datasets.parallel import in_parallel
from datasets.photo_lists import list_photos
from datasets.photos import LONGEST_SIDE, BadPhoto, read_photo
from datasets.shard_writer import progress_bar, write_dataset
from datasets.stratify import Source, group_equals, stratify
from system.errors import BadInput


def write_shards(
    photos_dir,
    dataset_dir,
    *,
    photos_list=None,
    dataset_name="flowers",
    num_shards=5,
    validation_fraction=0.1,
    test_fraction=0.0,
    seed=0,
    longest_side=LONGEST_SIDE,
    on_bad_photo="skip",
    progress=True,
):
    """Converts photos into a dataset, which appears in `dataset_dir` when it is complete.

    Args:
      photos_dir: a folder with one folder per class, which has the name of the class; None with
        `photos_list`.
      dataset_dir: the dataset's folder, created if needed. Other files there are left alone.
      photos_list: instead of the folder, a CSV file with the columns file,label; see
        `photo_lists.read_photos_list`. A list that names the photos relative to `photos_dir` gives
        the same dataset.
      dataset_name: prefix of the shards' names: letters, digits and ._-
      num_shards: shards per split, from 1 to `description.MAX_SHARDS`.
      validation_fraction: share of each class for validation, above 0.
      test_fraction: share of each class for a test split; 0 for none. The two add up to less
        than 1.
      seed: decides the split and the order of the records.
      longest_side: of the dataset's images in pixels; a larger photo is shrunk to it. 0 keeps all.
      on_bad_photo: "skip" lists an unusable photo in `dataset.json`; "fail" raises.
      progress: whether to show progress bars on a terminal.

    Returns:
      The content of `dataset.json`, see `description.py`, a dict. `shrunk` is the number of photos
      that were larger than `longest_side`; `skipped` lists {file, reason}; `in_two_classes` lists
      the photos with equal pixels in more than one class, which are all left out; `settings` holds
      the arguments.

    Raises:
      BadInput: there are no photos; a class has no usable one; `dataset_dir` contains a dataset
        already; a photo is unusable under "fail"; a record of the list is invalid; the disk is full
        or read-only.
    """
    photos, dataset_dir = list_photos(photos_dir, photos_list), Path(dataset_dir)
    check_destination(dataset_dir, photos.place)
    sources, bad = _read_photos(photos, longest_side, on_bad_photo, progress)
    groups, in_two_classes = group_equals(sources)
    _check_classes(photos, groups, bad)
    splits = stratify(groups, validation_fraction, test_fraction, seed)
    description = {
        "name": dataset_name,
        "labels": list(photos.classes),
        "shrunk": sum(image.is_shrunk for images in splits.values() for image in images),
        "skipped": [{"file": photo.file, "reason": reason} for photo, reason in bad],
        "in_two_classes": [[source.file for source in group] for group in in_two_classes],
        "settings": {
            "num_shards": num_shards,
            "validation_fraction": validation_fraction,
            "test_fraction": test_fraction,
            "seed": seed,
            "longest_side": longest_side,
            "on_bad_photo": on_bad_photo,
        },
    }
    load_jpeg = partial(_load_jpeg, longest_side)
    return write_dataset(dataset_dir, description, splits, load_jpeg, progress=progress)


def _read_photos(photos, longest_side, on_bad_photo, progress):
    """Reads every photo once; returns ([`Source`, ...], [(`ListedPhoto`, reason), ...])."""
    decoded_shape = make_shape_decoder()

    def read(photo):
        try:
            return _read_source(photo, longest_side, decoded_shape)
        except BadPhoto as error:
            if on_bad_photo == "fail":
                record = f", {photo.record} of {photos.place}" if photo.record else ""
                raise BadInput(
                    f"{photo.path}{record}: {error}; remove it, or skip all such files with "
                    "--on_bad_photo skip"
                ) from error
            return photo, str(error)

    listed = [*photos.strays, *itertools.chain.from_iterable(photos.classes.values())]
    with progress_bar(listed, "reading", progress) as bar:
        results = list(in_parallel(read, bar))
    return (
        [result for result in results if isinstance(result, Source)],
        [result for result in results if not isinstance(result, Source)],
    )


def _read_source(photo, longest_side, decoded_shape):
    """Returns the `Source` of a photo that Pillow and TensorFlow decode to the same size."""
    if photo.label is None:
        raise BadPhoto("not in a class folder")
    content = read_photo(photo.path, longest_side)
    if decoded_shape(content.jpeg) != (content.height, content.width, 3):
        raise BadPhoto("TensorFlow cannot decode it")
    return Source(
        path=photo.path,
        file=photo.file,
        label=photo.label,
        height=content.height,
        width=content.width,
        is_shrunk=content.is_shrunk,
        file_digest=content.file_digest,
        pixel_digest=content.pixel_digest,
        jpeg_digest=_digest(content.jpeg),
    )


def _check_classes(photos, groups, bad):
    """Raises `BadInput` for a class without a usable photo."""
    usable = {group[0].label for group in groups}
    for label in photos.classes:
        if label not in usable:
            reasons = [f"{photo.file}: {reason}" for photo, reason in bad if photo.label == label]
            why = reasons[0] if reasons else "each of them is also in another class"
            raise BadInput(
                f"{photos.place}, class {label}: has no usable photo ({why}); add photos, or "
                "remove the class"
            )


def _load_jpeg(longest_side, source):
    """Returns the JPEG of a `Source`, which has to be the same as when it was checked."""
    with contextlib.suppress(OSError, BadPhoto):
        jpeg = source.path.read_bytes()
        if _digest(jpeg) != source.jpeg_digest:  # not an upright RGB JPEG, or a larger one
            jpeg = read_photo(source.path, longest_side).jpeg
        if _digest(jpeg) == source.jpeg_digest:
            return jpeg
    raise BadInput(f"{source.path}: changed during the conversion; convert again")


def _digest(data):
    return hashlib.sha256(data).hexdigest()
