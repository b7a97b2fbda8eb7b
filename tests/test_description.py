import pytest

from datasets.description import (
    find_shards,
    read_description,
    read_labels,
    shard_file,
    write_description,
    write_labels,
)
from system.errors import BadInput


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        (b"0:daisy\n1:roses\n", ["daisy", "roses"]),
        (b"\xef\xbb\xbf0:daisy\r\n1:roses\r\n\r\n", ["daisy", "roses"]),
        (b"1:roses\n0:red: wild", ["red: wild", "roses"]),
        ("0:Gänseblümchen\n".encode(), ["Gänseblümchen"]),
    ],
)
def test_labels_are_read(tmp_path, content, labels):
    (tmp_path / "labels.txt").write_bytes(content)
    assert read_labels(tmp_path) == labels


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "labels.txt: missing; expected one line per class, such as 0:daisy"),
        (b"", "expected the labels 0 to n - 1 without a gap"),
        (b"0:daisy\nroses\n", "line 2 is 'roses', expected number:name"),
        (b"0:daisy\n1:\n", "line 2 is '1:'"),
        (b"zero:daisy\n", "line 1 is 'zero:daisy'"),
        (b"0:daisy\n0:roses\n", "line 2 is '0:roses', expected number:name, each number once"),
        (b"0:daisy\n2:roses\n", r"without a gap, got \[0, 2\]"),
        (b"0:\xff\n", "cannot be read as UTF-8 text"),
    ],
)
def test_invalid_labels_are_named_with_their_line(tmp_path, content, expected):
    if content is not None:
        (tmp_path / "labels.txt").write_bytes(content)
    with pytest.raises(BadInput, match=expected):
        read_labels(tmp_path)


def test_written_files_are_read_back(tmp_path):
    shard = {"file": "a_train_00000-of-00001.tfrecord", "num_examples": 3, "bytes": 9, "sha256": ""}
    split = {"num_examples": 3, "classes": {"daisy": 1, "rôses": 2}, "shards": [shard]}
    description = {"name": "a", "labels": ["daisy", "rôses"], "splits": {"train": split}}
    write_labels(tmp_path, description["labels"])
    write_description(tmp_path, description)
    assert read_labels(tmp_path) == ["daisy", "rôses"]
    assert read_description(tmp_path) == description
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset.json", "labels.txt"]


def test_shards_of_both_name_patterns_are_found(tmp_path):
    names = [
        "my_flowers_train_00000-of-00002.tfrecord",
        "my_flowers_train_00001-of-00002.tfrecord",
        "birds_validation-00000-of-00001.tfrecord",
    ]
    others = ["labels.txt", "train.tfrecord", "x_train_0-of-1.tfrecord", f".{names[0]}.12"]
    for name in names + others:
        (tmp_path / name).touch()
    found = find_shards(tmp_path)
    assert {name: dict(splits) for name, splits in found.items()} == {
        "my_flowers": {"train": [tmp_path / names[0], tmp_path / names[1]]},
        "birds": {"validation": [tmp_path / names[2]]},
    }
    assert shard_file("my_flowers", "train", 1, 2) == names[1]
    assert not find_shards(tmp_path / "missing")
