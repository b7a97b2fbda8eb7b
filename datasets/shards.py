"""Photos -> sharded TFRecords, `labels.txt` and `dataset.json`.

The photos are read twice: once to see which are good, which are equal and how large they are, once
to write them. So a collection may be larger than memory.
"""

import contextlib
import hashlib
import itertools
import re
import stat
from functools import partial
from pathlib import Path

from bad_input import BadInput
from datasets.parallel import in_parallel
from datasets.photo_lists import list_photos
from datasets.photos import BadPhoto, read_photo
from datasets.shard_writer import check_destination, progress_bar, write_dataset
from datasets.stratify import Source, group_equals, stratify

MAX_SHARDS = 99_999  # five digits in a shard's name


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
    on_bad_photo="skip",
    progress=True,
):
    """Converts photos into a dataset that appears in `dataset_dir` when it is complete.

    Args:
      photos_dir: a folder with one folder a class, whose names are the labels' names; None with
        `photos_list`.
      dataset_dir: where the dataset goes; made if need be. Other files there are left alone.
      photos_list: in place of the folder, a CSV file with the columns file,label; see
        `photo_lists.read_photos_list`. The same photos give the same dataset either way, where
        the list names them as they lie in the folder.
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
        `dataset_dir` already; a bad photo under "fail"; a bad record of the list; a disk that is
        full or read-only.
    """
    settings = {
        "num_shards": num_shards,
        "validation_fraction": validation_fraction,
        "test_fraction": test_fraction,
        "seed": seed,
        "on_bad_photo": on_bad_photo,
    }
    check_settings(dataset_name, settings)
    photos, dataset_dir = list_photos(photos_dir, photos_list), Path(dataset_dir)
    check_destination(dataset_dir)
    _check_not_inside(photos.place, dataset_dir)

    sources, bad = _read_photos(photos, on_bad_photo, progress)
    groups, in_two_classes = group_equals(sources)
    _check_every_class(photos, groups, bad)
    splits = stratify(groups, validation_fraction, test_fraction, seed)
    description = {
        "name": dataset_name,
        "labels": list(photos.classes),
        "skipped": [{"file": photo.file, "reason": reason} for photo, reason in bad],
        "in_two_classes": [[source.file for source in group] for group in in_two_classes],
        "settings": settings,
    }
    return write_dataset(dataset_dir, description, splits, _load_jpeg, progress=progress)


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


def _check_not_inside(photos_dir, dataset_dir):
    """Raises `BadInput` where a dataset would lie in the folder of photos; no list is one."""
    target = dataset_dir.resolve()
    if photos_dir.resolve() in (target, *target.parents):
        raise BadInput(
            f"{dataset_dir}: lies in the folder of photos and would be taken for a class; choose "
            "another folder for the dataset"
        )


def _read_photos(photos, on_bad_photo, progress):
    """Reads every photo once; returns ([`Source`, ...], [(`ListedPhoto`, reason), ...])."""
    # Here and not above: importing TensorFlow takes seconds, and wrong folders are told before.
    from datasets.examples import make_decoder

    def read(photo, decode):
        try:
            return _read_source(photo, decode)
        except BadPhoto as error:
            if on_bad_photo == "fail":
                record = f", {photo.record} of {photos.place}" if photo.record else ""
                raise BadInput(
                    f"{photo.path}{record}: {error}; remove it, or leave out all such files with "
                    "--on_bad_photo skip"
                ) from error
            return photo, str(error)

    listed = [*photos.strays, *itertools.chain.from_iterable(photos.classes.values())]
    with progress_bar(listed, "reading", progress) as bar:
        results = list(in_parallel(partial(read, decode=make_decoder()), bar))
    return (
        [result for result in results if isinstance(result, Source)],
        [result for result in results if not isinstance(result, Source)],
    )


def _read_source(photo, decode):
    """Returns the `Source` of a photo that Pillow reads and TensorFlow decodes to the same size."""
    _check_regular(photo.path)
    if photo.label is None:
        raise BadPhoto("lies in no class folder")
    content = read_photo(photo.path)
    if decode(content.jpeg) != (content.height, content.width, 3):
        raise BadPhoto("TensorFlow cannot decode it")
    return Source(
        path=photo.path,
        file=photo.file,
        label=photo.label,
        height=content.height,
        width=content.width,
        file_digest=content.file_digest,
        pixel_digest=content.pixel_digest,
        jpeg_digest=_digest(content.jpeg),
    )


def _check_regular(path):
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise BadPhoto("no such file") from error
    except (OSError, ValueError) as error:  # the latter of a name with a null byte
        raise BadPhoto(f"cannot be read: {error}") from error
    if stat.S_ISDIR(mode):
        raise BadPhoto("a folder; photos are read from the class folder itself")
    if not stat.S_ISREG(mode):
        raise BadPhoto("no regular file")


def _check_every_class(photos, groups, bad):
    left = {group[0].label for group in groups}
    for label in photos.classes:
        if label not in left:
            bad_here = [f"{photo.file}: {reason}" for photo, reason in bad if photo.label == label]
            why = bad_here[0] if bad_here else "each lies in another class too"
            raise BadInput(
                f"{photos.place}, class {label}: no usable photo in this class ({why}); add photos "
                "of it, or remove it"
            )


def _load_jpeg(source):
    """Returns the JPEG of a `Source`, the same as when it was read."""
    with contextlib.suppress(OSError, BadPhoto):
        jpeg = source.path.read_bytes()
        if _digest(jpeg) != source.jpeg_digest:  # it is no upright RGB JPEG as it stands
            jpeg = read_photo(source.path).jpeg
        if _digest(jpeg) == source.jpeg_digest:
            return jpeg
    raise BadInput(f"{source.path}: changed during the conversion; convert again")


def _digest(data):
    return hashlib.sha256(data).hexdigest()
