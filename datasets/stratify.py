"""The split of photos into train, validation and test, which depends on their content alone.

The same photos and seed give the same split on every machine, whatever the files are called, and a
photo that is added later moves few of the others. Photos with equal pixels stay in one split, so
that no photo is in both train and validation.
"""

import collections
import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """A photo that has been read and checked, and can be read again later.

    Attributes:
      path: the file.
      file: its path relative to the folder of photos, with slashes: `daisy/5.jpg`.
      label: the name of its class.
      height: in pixels, upright.
      width: in pixels, upright.
      is_shrunk: whether the photo in the file is larger.
      file_digest: SHA-256 of the file.
      pixel_digest: SHA-256 of the size and the pixels.
      jpeg_digest: SHA-256 of the JPEG that goes into the shard.
    """

    path: Path
    file: str
    label: str
    height: int
    width: int
    is_shrunk: bool
    file_digest: str
    pixel_digest: str
    jpeg_digest: str


def group_equals(sources):
    """Groups photos with equal pixels.

    Args:
      sources: `Source`s, or any objects with the attributes file, label and pixel_digest.

    Returns:
      (groups, in_two_classes), lists of lists of `sources`. A group of `in_two_classes` has more
      than one label, and it is unknown which one is right.
    """
    by_pixels = collections.defaultdict(list)
    for source in sorted(sources, key=lambda source: source.file):
        by_pixels[source.pixel_digest].append(source)
    groups = list(by_pixels.values())
    return (
        [group for group in groups if len({source.label for source in group}) == 1],
        [group for group in groups if len({source.label for source in group}) > 1],
    )


def stratify(groups, validation_fraction, test_fraction=0.0, seed=0):
    """Splits each class by the same fractions.

    A class of at least two groups has a photo in validation and one in training. Beyond that, each
    count is as close to its fraction of the class as undivided groups, taken in the order of the
    seed, allow.

    Args:
      groups: lists of photos with equal pixels and one label, from `group_equals`; they also need
        a file_digest.
      validation_fraction: share of each class, above 0.
      test_fraction: the same for a test split; 0 for none. The two add up to less than 1.
      seed: int.

    Returns:
      {"train": [...], "validation": [...]}, and "test" if `test_fraction` is above 0: lists of
      photos, the classes shuffled together in the order of the seed.
    """

    def order(group):
        smallest = min(source.file_digest for source in group)
        return hashlib.sha256(f"{seed}:{smallest}".encode()).digest()

    by_label = collections.defaultdict(list)
    for group in sorted(groups, key=order):
        by_label[group[0].label].append(group)
    splits = {"train": [], "validation": []} | ({"test": []} if test_fraction > 0 else {})
    for rest in by_label.values():
        num_photos = sum(map(len, rest))
        taken, rest = _take(rest, validation_fraction * num_photos)
        splits["validation"] += taken
        if test_fraction > 0:
            taken, rest = _take(rest, test_fraction * num_photos)
            splits["test"] += taken
        splits["train"] += rest
    return {
        split: [source for group in sorted(chosen, key=order) for source in group]
        for split, chosen in splits.items()
    }


def _take(groups, wanted):
    """Returns (taken, rest): groups of about `wanted` photos in total, and the other groups.

    Of two or more groups, each part gets at least one.
    """
    taken, rest, count = [], [], 0
    for group in groups:
        is_closer = abs(count + len(group) - wanted) < abs(count - wanted)
        if is_closer and len(taken) < len(groups) - 1:
            taken.append(group)
            count += len(group)
        else:
            rest.append(group)
    if not taken and len(rest) > 1:
        taken.append(rest.pop(rest.index(min(rest, key=len))))
    return taken, rest
