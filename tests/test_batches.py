import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_photos import tiny_photo, write_photos

from bad_input import BadInput
from datasets import batches
from datasets.batches import check_records, load_batch
from datasets.examples import make_example, write_examples
from datasets.shards import write_shards
from datasets.splits import get_split
from slim_on_tf2 import tf

NUM_TRAIN, NUM_VALIDATION = 23, 4


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("converted")
    photos = write_photos(folder / "photos", {"daisy": 13, "roses": 14}, width=40, height=30)
    write_shards(photos, folder / "flowers", num_shards=3, validation_fraction=0.15, progress=False)
    return folder / "flowers"


@pytest.fixture
def train(converted):
    dataset = get_split("train", converted)
    assert dataset.num_samples == NUM_TRAIN
    return dataset


@pytest.fixture
def validation(converted):
    dataset = get_split("validation", converted)
    assert dataset.num_samples == NUM_VALIDATION
    return dataset


def write_dataset(folder, examples):
    """Makes a dataset of one shard out of serialized examples, as another program might."""
    folder.mkdir()
    (folder / "labels.txt").write_text("0:daisy\n1:roses\n")
    write_examples(folder / "other_train-00000-of-00001.tfrecord", examples)
    return get_split("train", folder)


def encode(image, file_format, **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def read(dataset, num_batches=None):
    """Returns the first batches, or all, joined: {name: array}."""
    iterator = tf.data.make_one_shot_iterator(dataset)
    following, got = iterator.get_next(), []
    with tf.Session() as session:
        try:
            while num_batches is None or len(got) < num_batches:
                got.append(session.run(following))
        except tf.errors.OutOfRangeError:
            assert num_batches is None
    return {name: np.concatenate([batch[name] for batch in got]) for name in got[0]}


def noisy(encoded, height, width, seed):
    """A preprocessing whose outcome shows the seed it was given."""
    image = tf.image.resize(tf.image.decode_jpeg(encoded, channels=3), [height, width])
    return image + tf.random.stateless_uniform([height, width, 3], seed)


def load_noisy(dataset, **options):
    options = {"batch_size": 5, "seed": 7, "with_raw": True} | options
    return load_batch(dataset, options.pop("batch_size"), 8, 6, True, noisy, **options)


@pytest.fixture(scope="module")
def whole(converted):
    """The first hundred examples of a run that nothing interrupts."""
    with tf.Graph().as_default():
        return read(load_noisy(get_split("train", converted)), num_batches=20)


def test_training_batches_have_fixed_shapes(train):
    shapes = {k: v.shape.as_list() for k, v in load_noisy(train).element_spec.items()}
    assert shapes == {
        "images": [5, 8, 6, 3],
        "labels": [5],
        "raw_images": [5, 8, 6, 3],
        "filenames": [5],
    }
    types = {k: v.dtype for k, v in load_noisy(train).element_spec.items()}
    assert types == {
        "images": tf.float32,
        "labels": tf.int64,
        "raw_images": tf.uint8,
        "filenames": tf.string,
    }
    plain = load_batch(train, 5, 8, 6, is_training=True)
    assert set(plain.element_spec) == {"images", "labels"}


def test_every_epoch_holds_each_photo_once_in_an_order_of_its_own(whole):
    seen = whole["filenames"]
    epochs = [seen[e * NUM_TRAIN : (e + 1) * NUM_TRAIN].tolist() for e in range(4)]
    assert all(len(set(epoch)) == NUM_TRAIN for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_labels_belong_to_their_photos(train, whole):
    for filename, label in zip(whole["filenames"], whole["labels"]):
        assert train.labels_to_names[label] == filename.decode().split("/")[0]


@pytest.mark.parametrize("first", [5, NUM_TRAIN, NUM_TRAIN + 2, 3 * NUM_TRAIN - 1])
def test_a_resumed_stream_is_the_uninterrupted_one_bit_for_bit(train, whole, first):
    with tf.Graph().as_default():
        tf.set_random_seed(first)  # the graph's seed has no say in it
        resumed = read(load_noisy(train, first_example=first), num_batches=5)
    for name, values in resumed.items():
        np.testing.assert_array_equal(values, whole[name][first : first + 25], strict=True)


def test_what_is_left_out_on_resuming_is_not_decoded(train):
    decoded = []

    def watched(encoded, height, width, seed):
        index = tf.numpy_function(
            lambda s: decoded.append(s[1]) or np.float32(0), [seed], tf.float32
        )
        return tf.ensure_shape(noisy(encoded, height, width, seed) + index, [height, width, 3])

    read(load_batch(train, 5, 8, 6, True, watched, first_example=20), num_batches=2)
    assert min(decoded) == 20


def test_the_same_photo_is_augmented_anew_in_each_epoch(whole):
    again = whole["filenames"].tolist().index(whole["filenames"][0], 1)
    assert np.abs(whole["images"][again] - whole["images"][0]).max() > 0.1
    np.testing.assert_array_equal(whole["raw_images"][again], whole["raw_images"][0])


def test_the_seed_decides_the_order(train):
    orders = [
        read(load_noisy(train, seed=seed), num_batches=4)["filenames"].tolist()
        for seed in (7, 8, 7)
    ]
    assert orders[0] == orders[2] != orders[1]


def test_a_split_larger_than_the_buffer_is_still_read_whole(train, monkeypatch):
    monkeypatch.setattr(batches, "MAX_SHUFFLED", 4)
    monkeypatch.setattr(batches, "MAX_INTERLEAVED", 2)
    seen = read(load_noisy(train, batch_size=NUM_TRAIN), num_batches=2)["filenames"].tolist()
    assert len(set(seen[:NUM_TRAIN])) == len(set(seen[NUM_TRAIN:])) == NUM_TRAIN
    assert seen[:NUM_TRAIN] != seen[NUM_TRAIN:]


def test_a_batch_may_be_larger_than_the_split(validation):
    got = read(load_noisy(validation, batch_size=10), num_batches=1)
    assert sorted(np.unique(got["filenames"], return_counts=True)[1]) == [2, 2, 3, 3]


def test_evaluation_reads_each_photo_once_in_the_order_of_the_shards(validation):
    got = read(load_batch(validation, 3, 8, 6, is_training=False, with_raw=True))
    written = []
    for shard in validation.data_sources:
        for record in tf.python_io.tf_record_iterator(shard):
            features = tf.train.Example.FromString(record).features.feature
            written.append(features["image/filename"].bytes_list.value[0])
    assert got["filenames"].tolist() == written
    assert len(set(written)) == NUM_VALIDATION


def test_evaluation_gives_no_seed(validation):
    seeds = []

    def remember(encoded, height, width, seed):
        seeds.append(seed)
        return tf.zeros([height, width, 3])

    load_batch(validation, 3, 8, 6, False, remember)
    assert seeds == [None]


def test_by_default_the_whole_photo_is_resized_and_scaled(validation, converted):
    got = read(load_batch(validation, 4, 15, 20, is_training=False, with_raw=True))
    for image, filename in zip(got["images"], got["filenames"]):
        photo = Image.open(converted.parent / "photos" / filename.decode())
        small = np.asarray(photo.resize((20, 15), Image.Resampling.BILINEAR), np.float32)
        assert np.abs(image - (small / 127.5 - 1)).mean() < 0.02
        assert -1 <= image.min() < image.max() <= 1


@pytest.mark.parametrize(
    ("height", "width", "box"),
    [
        (12, 12, (5, 0, 35, 30)),  # the middle 30 x 30 of 40 x 30 pixels
        (6, 12, (0, 5, 40, 25)),
        (20, 10, (12, 0, 27, 30)),
    ],
)
def test_raw_images_show_the_middle_without_distortion(validation, converted, height, width, box):
    got = read(load_batch(validation, 4, height, width, is_training=False, with_raw=True))
    for image, filename in zip(got["raw_images"], got["filenames"]):
        photo = Image.open(converted.parent / "photos" / filename.decode()).crop(box)
        expected = np.asarray(photo.resize((width, height), Image.Resampling.BILINEAR), np.float32)
        assert np.abs(image - expected).mean() < 2.5


def test_records_without_file_names_are_read(tmp_path):
    example = tf.train.Example.FromString(
        make_example(encode(tiny_photo(1), "JPEG"), 16, 24, 1, "roses", "roses/1.jpg")
    )
    for feature in ("image/filename", "image/class/text", "image/format", "image/height"):
        del example.features.feature[feature]
    dataset = write_dataset(tmp_path / "old", [example.SerializeToString()])
    got = read(load_batch(dataset, 1, 8, 6, is_training=False, with_raw=True))
    assert got["labels"].tolist() == [1]
    assert got["filenames"].tolist() == [b""]


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("file_format", ["PNG", "BMP", "GIF"])
def test_records_of_other_formats_are_read(tmp_path, file_format, is_training):
    photo = tiny_photo(1, 40, 30)
    record = make_example(encode(photo, file_format), 30, 40, 0, "daisy", "daisy/1")
    dataset = write_dataset(tmp_path / "other", [record])

    def whole(encoded, height, width, seed):
        return tf.cast(tf.image.decode_image(encoded, channels=3, expand_animations=False), "float")

    got = read(load_batch(dataset, 1, 30, 40, is_training, whole, with_raw=True), num_batches=1)
    pixels = np.asarray(photo, np.float32)
    most = 10 if file_format == "GIF" else 2  # a GIF has 256 colours
    assert np.abs(got["images"][0] - pixels).mean() < most
    if file_format != "GIF":
        assert np.array_equal(got["images"][0], pixels)
    assert np.abs(got["raw_images"][0] - pixels).mean() < most


def test_an_empty_split_is_refused(tmp_path):
    dataset = write_dataset(tmp_path / "empty", [])
    with pytest.raises(BadInput, match="the split 'train' has no photos"):
        load_batch(dataset, 5, 8, 6, is_training=True)


def test_sound_records_pass_the_check(train, validation):
    check_records(train)
    check_records(validation)


def test_a_corrupt_record_is_named_with_its_shard_and_index(tmp_path, converted):
    photo = encode(tiny_photo(1), "JPEG")
    records = [make_example(photo, 16, 24, 0, "daisy", f"daisy/{i}.jpg") for i in range(5)]
    dataset = write_dataset(tmp_path / "corrupt", records)
    shard = Path(dataset.data_sources[0])
    content, stat = bytearray(shard.read_bytes()), shard.stat()
    content[3 * (len(content) // 5) + 100] ^= 0xFF  # the five records are equally long
    shard.write_bytes(content)
    os.utime(shard, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as a failing disk would do it
    dataset = get_split("train", tmp_path / "corrupt")
    with pytest.raises(tf.errors.DataLossError):
        read(load_batch(dataset, 1, 8, 6, is_training=False))
    with pytest.raises(BadInput, match=r"00000-of-00001.tfrecord: record 3 .* cannot be read"):
        check_records(dataset)


def test_a_record_that_holds_no_photo_is_named_with_its_shard_and_index(tmp_path):
    photos = [encode(tiny_photo(1), "JPEG"), b"<html>"]
    records = [make_example(p, 16, 24, 0, "daisy", f"daisy/{i}.jpg") for i, p in enumerate(photos)]
    dataset = write_dataset(tmp_path / "html", records)
    with pytest.raises(tf.errors.InvalidArgumentError):
        read(load_batch(dataset, 1, 8, 6, is_training=False))
    with pytest.raises(BadInput, match=r"record 1 .*daisy/1.jpg\) holds no photo that TensorFlow"):
        check_records(dataset)
