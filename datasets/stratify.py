"""Who goes into validation: decided by a photo's content alone, class by class.

The same photos and seed give the same split on every machine and file system, whatever the files
are called, and a photo that is added later moves few of the others. Photos with equal pixels are
one group and stay on one side, so that none is learned in training and met again in validation.
"""

import collections
import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """A photo that was read once: where it lies, what is in it, and how to know it again.

    Attributes:
      path: the file.
      file: its path from the folder of photos on, with slashes: `daisy/5.jpg`.
      label: the name of its class.
      height: in pixels, upright.
      width: in pixels, upright.
      file_digest: sha256 of the file.
      pixel_digest: sha256 of size and pixels.
      jpeg_digest: sha256 of the JPEG that goes into the shard.
    """

    path: Path
    file: str
    label: str
    height: int
    width: int
    file_digest: str
    pixel_digest: str
    jpeg_digest: str


def group_equals(sources):
    """Returns (groups, in_two_classes), both lists of lists of `Source`s with equal pixels.

    Every group of the second kind has more than one label, and nobody knows which is right.
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
    """Divides photos into splits, each class by the same fractions.

    A class of two groups or more has a photo in validation and one in training. Beyond that each
    count is as near to its fraction of the class as whole groups, taken in the seed's order, allow.

    Args:
      groups: lists of `Source`s with equal pixels and one label, from `group_equals`. Here and
        there, anything with a `Source`'s file, label and first two digests will do.
      validation_fraction: above 0, of all photos of a class.
      test_fraction: the same for the test split; 0 for none. Both together below 1.
      seed: int.

    Returns:
      {"train": [...], "validation": [...]}, with "test" where `test_fraction` is above 0: lists of
      `Source`s, the classes mixed, in an order that the seed decides.
    """

    def place(group):
        smallest = min(source.file_digest for source in group)
        return hashlib.sha256(f"{seed}:{smallest}".encode()).digest()

    by_label = collections.defaultdict(list)
    for group in sorted(groups, key=place):
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
        split: [source for group in sorted(chosen, key=place) for source in group]
        for split, chosen in splits.items()
    }


def _take(groups, wanted):
    """Returns (taken, rest): groups of about `wanted` photos together, and the others.

    Takes at least one group and leaves at least one, where there are two or more.
    """
    taken, rest, count = [], [], 0
    for group in groups:
        nearer = abs(count + len(group) - wanted) < abs(count - wanted)
        if nearer and len(taken) < len(groups) - 1:
            taken.append(group)
            count += len(group)
        else:
            rest.append(group)
    if not taken and len(rest) > 1:
        taken.append(rest.pop(rest.index(min(rest, key=len))))
    return taken, rest
