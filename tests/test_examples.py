import io

import numpy as np
import pytest
from PIL import Image
from tiny_photos import write_photos

from datasets.examples import (
    images_at,
    make_example,
    make_shape_decoder,
    read_examples,
    write_examples,
)
from datasets.shards import write_shards
from datasets.splits import get_split
from slim_on_tf2 import tf


def test_record_has_slims_features_and_is_read_back(tmp_path):
    records = [make_example(b"jpeg", 2, 3, label, "rôses", "rôses/1.jpg") for label in (0, 1)]
    write_examples(tmp_path / "shard", records)
    read = list(read_examples(tmp_path / "shard", num_classes=2))
    assert [example.SerializeToString(deterministic=True) for example in read] == [
        tf.train.Example.FromString(record).SerializeToString(deterministic=True)
        for record in records
    ]
    keys = [key.encode() for key in sorted(read[1].features.feature)]
    assert keys == sorted(keys, key=records[1].index)  # the same bytes in every process
    features = read[1].features.feature
    assert {
        name: (f.bytes_list.value or f.int64_list.value)[0] for name, f in features.items()
    } == {
        "image/encoded": b"jpeg",
        "image/format": b"jpeg",
        "image/height": 2,
        "image/width": 3,
        "image/class/label": 1,
        "image/class/text": "rôses".encode(),
        "image/filename": "rôses/1.jpg".encode(),
    }


def test_unwritable_shard_raises_os_error(tmp_path):
    with pytest.raises(OSError, match="^No such file or directory$"):
        write_examples(tmp_path / "missing" / "shard", [b"record"])


def test_images_are_read_by_index(tmp_path):
    photos = write_photos(tmp_path / "photos", {"daisy": 6, "roses": 6}, width=700, height=350)
    write_shards(photos, tmp_path / "data", validation_fraction=0.5, num_shards=2, progress=False)
    split = get_split("validation", tmp_path / "data")
    order = [
        example.features.feature["image/filename"].bytes_list.value[0].decode()
        for shard in split.data_sources
        for example in read_examples(shard, 2)
    ]
    found = images_at(split, [5, 0, 5])
    for index, image in zip([5, 0, 5], found):
        expected = Image.open(photos / order[index]).resize((512, 256))
        assert image.shape == (256, 512, 3)
        assert np.abs(image.astype(int) - np.asarray(expected)).mean() < 3


def test_shape_decoder_returns_the_shape_or_none():
    decoded_shape = make_shape_decoder()
    buffer = io.BytesIO()
    Image.new("L", (5, 4)).save(buffer, "JPEG")
    assert decoded_shape(buffer.getvalue()) == (4, 5, 3)
    assert decoded_shape(buffer.getvalue()[:-30]) is None
    assert decoded_shape(b"<html>") is None
