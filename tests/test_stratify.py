import collections
import hashlib
import random
from pathlib import Path

import pytest

from datasets.stratify import Source, group_equals, stratify


def source(file, content=None):
    """A photo whose content is that of the word `content`, by default its file name."""
    digest = hashlib.sha256((content or file).encode()).hexdigest()
    label = file.split("/")[0]
    return Source(Path(file), file, label, 10, 10, False, digest, digest, digest)


def photos(**num_photos):
    return [source(f"{label}/{i}") for label, count in num_photos.items() for i in range(count)]


def files(splits):
    return {split: [source.file for source in sources] for split, sources in splits.items()}


def counts(splits):
    return {
        split: dict(collections.Counter(source.label for source in sources))
        for split, sources in splits.items()
    }


def test_each_class_is_split_by_the_same_fractions():
    groups, _ = group_equals(photos(daisy=100, roses=57, tulips=30))
    splits = stratify(groups, 0.1, 0.2)
    assert counts(splits) == {
        "train": {"daisy": 70, "roses": 40, "tulips": 21},
        "validation": {"daisy": 10, "roses": 6, "tulips": 3},
        "test": {"daisy": 20, "roses": 11, "tulips": 6},
    }


def test_every_photo_is_in_exactly_one_split():
    sources = photos(daisy=23, roses=17)
    splits = stratify(group_equals(sources)[0], 0.3, 0.3)
    together = [source for part in splits.values() for source in part]
    assert sorted(s.file for s in together) == sorted(s.file for s in sources)


def test_split_does_not_depend_on_the_order_of_the_files():
    sources = photos(daisy=40, roses=20)
    shuffled = random.Random(0).sample(sources, len(sources))
    assert files(stratify(group_equals(shuffled)[0], 0.2)) == files(
        stratify(group_equals(sources)[0], 0.2)
    )


def test_split_depends_on_content_and_not_on_names():
    names = [f"daisy/{i}" for i in range(30)]
    renamed = [source(f"daisy/renamed-{99 - i}", content=name) for i, name in enumerate(names)]

    def content_held_out(sources):
        splits = stratify(group_equals(sources)[0], 0.2)
        return [source.file_digest for source in splits["validation"]]

    assert content_held_out(renamed) == content_held_out([source(name) for name in names])


def test_split_depends_on_the_seed():
    groups, _ = group_equals(photos(daisy=50))
    held_out = [set(files(stratify(groups, 0.2, seed=seed))["validation"]) for seed in range(3)]
    assert held_out[0] != held_out[1] != held_out[2] != held_out[0]


def test_additional_photo_moves_few_others():
    sources = photos(daisy=100)
    before = set(files(stratify(group_equals(sources)[0], 0.1))["validation"])
    sources.append(source("daisy/new"))
    after = set(files(stratify(group_equals(sources)[0], 0.1))["validation"])
    assert len(before - after) <= 1


def test_classes_are_shuffled_within_a_split():
    train = stratify(group_equals(photos(daisy=40, roses=40))[0], 0.1)["train"]
    first = collections.Counter(source.label for source in train[:36])
    assert 9 <= first["daisy"] <= 27


def test_equal_photos_stay_in_one_split():
    sources = [source(f"daisy/{i}", content=f"p{i // 3}") for i in range(90)]
    for seed in range(5):
        splits = stratify(group_equals(sources)[0], 0.2, 0.2, seed)
        pixels = [{source.pixel_digest for source in part} for part in splits.values()]
        assert sum(map(len, pixels)) == 30
        assert len(splits["validation"]) == 18
        assert len(splits["test"]) == 18


def test_group_larger_than_the_fraction_is_not_held_out():
    sources = [source(f"daisy/same{i}", content="same") for i in range(40)] + photos(daisy=60)
    for seed in range(5):
        splits = stratify(group_equals(sources)[0], 0.1, seed=seed)
        assert len(splits["validation"]) == 10


def test_photos_in_two_classes_are_returned_with_all_their_copies():
    sources = [
        source("daisy/a", "same"),
        source("daisy/b"),
        source("roses/c", "same"),
        source("roses/d", "same"),
        source("roses/e"),
    ]
    groups, in_two_classes = group_equals(sources)
    assert [[s.file for s in group] for group in in_two_classes] == [
        ["daisy/a", "roses/c", "roses/d"]
    ]
    assert [[s.file for s in group] for group in groups] == [["daisy/b"], ["roses/e"]]


@pytest.mark.parametrize("fraction", [0.001, 0.5, 0.999])
def test_two_photos_are_enough_for_training_and_validation(fraction):
    splits = stratify(group_equals(photos(daisy=2))[0], fraction)
    assert counts(splits) == {"train": {"daisy": 1}, "validation": {"daisy": 1}}


def test_three_photos_are_enough_for_three_splits():
    splits = stratify(group_equals(photos(daisy=3))[0], 0.1, 0.1)
    assert {split: len(part) for split, part in splits.items()} == {
        "train": 1,
        "validation": 1,
        "test": 1,
    }


def test_single_photo_is_used_for_training():
    splits = stratify(group_equals(photos(daisy=1, roses=10))[0], 0.1)
    assert counts(splits) == {"train": {"daisy": 1, "roses": 9}, "validation": {"roses": 1}}
