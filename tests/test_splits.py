import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from tiny_photos import write_photos

from datasets.description import similar_labels
from datasets.examples import write_examples
from datasets.shards import write_shards
from datasets.splits import get_split
from slim_on_tf2 import slim, tf
from system.errors import BadInput


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """A dataset with 18 daisies and 9 roses for training, 2 and 1 for validation."""
    folder = tmp_path_factory.mktemp("converted")
    photos = write_photos(folder / "photos", {"daisy": 20, "roses": 10})
    write_shards(photos, folder / "flowers", progress=False)
    return folder / "flowers"


@pytest.fixture
def flowers(converted, tmp_path):
    """A copy of that dataset to modify."""
    return shutil.copytree(converted, tmp_path / "flowers")


def write_foreign(folder, names_and_labels, labels="0:daisy\n1:roses\n"):
    """Writes shards like other programs: {file name: [label, ...]}, without names of photos."""
    folder.mkdir(exist_ok=True)
    (folder / "labels.txt").write_text(labels)
    for name, numbers in names_and_labels.items():
        write_examples(folder / name, [foreign_example(number) for number in numbers])
    return folder


def foreign_example(label, image=b"\xff\xd8\xff"):
    feature = {
        "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
        "image/format": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"jpg"])),
        "image/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    return example.SerializeToString()


def test_split_is_described(converted):
    train = get_split("train", converted)
    assert train.data_sources == [
        str(converted / f"flowers_train_{index:05d}-of-00005.tfrecord") for index in range(5)
    ]
    assert train.num_samples == 27
    assert train.num_classes == 2
    assert train.labels_to_names == {0: "daisy", 1: "roses"}
    assert train.class_counts == {"daisy": 18, "roses": 9}
    assert (train.name, train.split_name) == ("flowers", "train")
    assert train.reader is tf.TFRecordReader
    assert set(train.items_to_descriptions) == set(train.decoder.list_items())
    assert get_split("validation", str(converted), "flowers").num_samples == 3


def test_dataset_data_provider_of_slim_reads_the_split(converted):
    """Slim's queue-based reader uses `reader` and `decoder` independently."""
    validation = get_split("validation", converted)
    provider = slim.dataset_data_provider.DatasetDataProvider(
        validation, num_readers=1, shuffle=False, num_epochs=1
    )
    wanted = provider.get(["image", "label", "class", "filename"])
    seen = {}
    with tf.train.MonitoredSession() as session:
        while not session.should_stop():
            image, label, name, filename = session.run(wanted)
            seen[filename.decode()] = image
            assert filename.decode().split("/")[0] == name.decode()
            assert name.decode() == validation.labels_to_names[label]
    assert len(seen) == 3
    for filename, image in seen.items():
        photo = np.asarray(Image.open(converted.parent / "photos" / filename))
        assert np.abs(image.astype(int) - photo.astype(int)).mean() < 3


@pytest.mark.parametrize("pattern", ["flowers_{}_0000{}-of-00002", "flowers_{}-0000{}-of-00002"])
def test_shards_of_other_programs_are_counted_once(tmp_path, pattern):
    shards = {
        pattern.format("train", 0) + ".tfrecord": [0, 1, 1],
        pattern.format("train", 1) + ".tfrecord": [1],
        pattern.format("validation", 0) + ".tfrecord": [],
        pattern.format("validation", 1) + ".tfrecord": [0],
    }
    folder = write_foreign(tmp_path / "flowers", shards)
    train = get_split("train", folder)
    assert (train.num_samples, train.class_counts) == (4, {"daisy": 1, "roses": 3})
    description = json.loads((folder / "dataset.json").read_text())
    assert description["labels"] == ["daisy", "roses"]
    assert description["splits"]["validation"]["num_examples"] == 1
    assert [s["num_examples"] for s in description["splits"]["train"]["shards"]] == [3, 1]
    written = (folder / "dataset.json").stat().st_mtime_ns
    assert get_split("validation", folder).class_counts == {"daisy": 1, "roses": 0}
    assert (folder / "dataset.json").stat().st_mtime_ns == written


def test_counting_agrees_with_the_conversion(flowers):
    before = json.loads((flowers / "dataset.json").read_text())
    (flowers / "dataset.json").unlink()
    get_split("train", flowers)
    assert json.loads((flowers / "dataset.json").read_text()) == {
        key: before[key] for key in ("name", "labels", "splits")
    }


def test_records_of_a_read_only_folder_are_counted_each_time(tmp_path, monkeypatch):
    folder = write_foreign(tmp_path / "d", {"d_train-00000-of-00001.tfrecord": [0]})
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert get_split("train", folder).num_samples == 1
    assert not (folder / "dataset.json").exists()


def test_copy_of_a_dataset_is_read(flowers):
    """After `cp -r`, some shards are newer than dataset.json."""
    for index, path in enumerate(sorted(flowers.iterdir())):
        os.utime(path, (1_000_000 + index, 1_000_000 + index))
    assert get_split("train", flowers).num_samples == 27


def test_shard_changed_after_the_count_is_named(flowers):
    shard = flowers / "flowers_train_00002-of-00005.tfrecord"
    content = bytearray(shard.read_bytes())
    content[40] ^= 1
    shard.write_bytes(content)
    later = (flowers / "dataset.json").stat().st_mtime + 10
    os.utime(shard, (later, later))
    with pytest.raises(BadInput, match=r"train_00002-of-00005.tfrecord: has changed since its rec"):
        get_split("train", flowers)
    assert get_split("validation", flowers).num_samples == 3


def test_missing_shard_is_named(flowers):
    (flowers / "flowers_train_00003-of-00005.tfrecord").unlink()
    with pytest.raises(BadInput, match=r"train_00003-of-00005.tfrecord: the shard is missing"):
        get_split("train", flowers)
    (flowers / "dataset.json").unlink()
    with pytest.raises(BadInput, match=r"train_00003-of-00005.tfrecord: the shard is missing"):
        get_split("train", flowers)


def test_truncated_shard_is_named(flowers):
    shard = flowers / "flowers_train_00001-of-00005.tfrecord"
    shard.write_bytes(shard.read_bytes()[:-10])
    with pytest.raises(BadInput, match=r"00001-of-00005.tfrecord: has [\d,]+ bytes, expected"):
        get_split("train", flowers)
    (flowers / "dataset.json").unlink()
    with pytest.raises(
        BadInput, match=r"00001-of-00005.tfrecord: record \d \(counted from 0\) can"
    ):
        get_split("train", flowers)
    assert not (flowers / "dataset.json").exists()


def test_shard_missing_in_dataset_json_is_named(flowers):
    shutil.copy(
        flowers / "flowers_train_00000-of-00005.tfrecord",
        flowers / "flowers_train_00005-of-00006.tfrecord",
    )
    with pytest.raises(BadInput, match=r"00005-of-00006.tfrecord: is missing in dataset.json"):
        get_split("train", flowers)
    (flowers / "dataset.json").unlink()
    with pytest.raises(BadInput, match=r"shards of two conversions, -of-00005 and -of-00006"):
        get_split("train", flowers)


def test_unknown_split_is_answered_with_the_existing_ones(flowers):
    with pytest.raises(BadInput, match=r"no split 'test'; it has train, validation$"):
        get_split("test", flowers)
    shutil.copy(
        flowers / "flowers_train_00000-of-00005.tfrecord",
        flowers / "flowers_test_00000-of-00001.tfrecord",
    )
    with pytest.raises(BadInput, match=r"to count flowers_test_00000-of-00001.tfrecord too$"):
        get_split("test", flowers)


def test_missing_or_empty_folder_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"no such folder"):
        get_split("train", tmp_path / "missing")
    (tmp_path / "labels.txt").write_text("0:daisy\n")
    with pytest.raises(BadInput, match=r"contains no shards such as \*_train_00000-of-00005.tfrec"):
        get_split("train", tmp_path)
    with pytest.raises(BadInput, match=r"contains no shards such as birds_train_00000-of-00005.tf"):
        get_split("train", tmp_path, "birds")


def test_one_of_two_datasets_in_a_folder_is_chosen_by_name(tmp_path):
    shards = {"a_train-00000-of-00001.tfrecord": [0], "b_train-00000-of-00001.tfrecord": [0, 1]}
    folder = write_foreign(tmp_path / "two", shards)
    with pytest.raises(BadInput, match=r"contains several datasets \(a, b\)"):
        get_split("train", folder)
    assert get_split("train", folder, "b").num_samples == 2
    with pytest.raises(BadInput, match=r"describes 'b', not 'a'"):
        get_split("train", folder, "a")


def test_label_missing_in_labels_txt_is_found_when_counting(tmp_path):
    folder = write_foreign(tmp_path / "d", {"d_train-00000-of-00001.tfrecord": [0, 1, 2]})
    with pytest.raises(BadInput, match=r"record 2 .* has the label 2 .* expected 0 to 1 as in lab"):
        get_split("train", folder)


def test_records_without_images_are_found_when_counting(tmp_path):
    folder = write_foreign(tmp_path / "d", {})
    shard = folder / "d_train-00000-of-00001.tfrecord"
    write_examples(shard, [foreign_example(0), b"not an example"])
    with pytest.raises(BadInput, match=r"record 1 .* cannot be read: not a tf.train.Example"):
        get_split("train", folder)
    write_examples(shard, [tf.train.Example().SerializeToString()])
    with pytest.raises(BadInput, match=r"record 0 .* has no image in image/encoded"):
        get_split("train", folder)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"name": "flowers"}',
        '{"name": "flowers", "labels": ["daisy"], "splits": {"train": 3}}',
        '{"name": "flowers", "labels": ["daisy"], "splits": {"train": {"num_examples": 3}}}',
    ],
)
def test_invalid_dataset_json_is_named(flowers, text):
    (flowers / "dataset.json").write_text(text)
    with pytest.raises(BadInput, match=r"dataset.json: .*delete it to count the records again"):
        get_split("train", flowers)


def test_inconsistent_counts_are_refused(flowers):
    description = json.loads((flowers / "dataset.json").read_text())
    description["splits"]["train"]["num_examples"] += 1
    (flowers / "dataset.json").write_text(json.dumps(description))
    with pytest.raises(BadInput, match=r"dataset.json: expected name, labels, and splits"):
        get_split("train", flowers)


def test_contradictory_labels_are_refused(flowers):
    (flowers / "labels.txt").write_text("0:roses\n1:daisy\n")
    with pytest.raises(BadInput, match=r"has the labels daisy, roses, but labels.txt roses, daisy"):
        get_split("train", flowers)


def test_two_labels_of_one_name_are_refused(flowers):
    (flowers / "labels.txt").write_text("0:daisy\n1:roses\n2:daisy\n")
    with pytest.raises(BadInput, match=r"labels.txt: the labels 0 and 2 are both 'daisy'"):
        get_split("train", flowers)


def test_name_of_spaces_is_refused(flowers):
    (flowers / "labels.txt").write_text("0:daisy\n1:  \n")
    with pytest.raises(BadInput, match="line 2 is '1:  ', expected number:name"):
        get_split("train", flowers)


def test_similar_names_are_grouped():
    labels = ["Rose", "rose", "tulip", "r\u00f6te", "ro\u0308te", "big  rose", "Big rose"]
    assert similar_labels(labels) == [
        ["Rose", "rose"],
        ["r\u00f6te", "ro\u0308te"],
        ["big  rose", "Big rose"],
    ]
