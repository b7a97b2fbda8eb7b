import collections
import io
import os
from pathlib import Path

import numpy as np
import pytest
from tiny_photos import tiny_photo, write_photos

from datasets import batches
from datasets.batches import check_records, examples_per_epoch, load_batch
from datasets.examples import make_example, write_examples
from datasets.shards import write_shards
from datasets.splits import get_split
from slim_on_tf2 import tf
from system.errors import BadInput

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
    """Writes a dataset of one shard of serialized examples, like another program."""
    folder.mkdir()
    (folder / "labels.txt").write_text("0:daisy\n1:roses\n")
    write_examples(folder / "other_train-00000-of-00001.tfrecord", examples)
    return get_split("train", folder)


def encode(image, file_format, **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def read(dataset, num_batches=None):
    """Returns the first batches, or all of them, concatenated: {name: array}."""
    iterator = tf.data.make_one_shot_iterator(dataset)
    batch, got = iterator.get_next(), []
    with tf.Session() as session:
        try:
            while num_batches is None or len(got) < num_batches:
                got.append(session.run(batch))
        except tf.errors.OutOfRangeError:
            assert num_batches is None
    return {name: np.concatenate([batch[name] for batch in got]) for name in got[0]}


def resize(encoded, height, width, seed):
    image = tf.image.decode_image(encoded, channels=3, expand_animations=False)
    return tf.image.resize(image, [height, width])


def noisy(encoded, height, width, seed):
    """A preprocessing function whose result depends on the seed."""
    noise = tf.random.stateless_uniform([height, width, 3], seed)
    return resize(encoded, height, width, seed) + noise


def load_noisy(dataset, **options):
    options = {"batch_size": 5, "seed": 7, "with_filenames": True} | options
    return load_batch(dataset, options.pop("batch_size"), 8, 6, True, noisy, **options)


@pytest.fixture(scope="module")
def uninterrupted(converted):
    """The first hundred examples of an uninterrupted run."""
    with tf.Graph().as_default():
        return read(load_noisy(get_split("train", converted)), num_batches=20)


def test_training_batches_have_fixed_shapes(train):
    spec = load_noisy(train).element_spec
    assert {name: (tensor.shape.as_list(), tensor.dtype) for name, tensor in spec.items()} == {
        "images": ([5, 8, 6, 3], tf.float32),
        "labels": ([5], tf.int64),
        "filenames": ([5], tf.string),
    }
    assert set(load_noisy(train, with_filenames=False).element_spec) == {"images", "labels"}


def test_every_epoch_has_each_image_once_in_a_new_order(uninterrupted):
    seen = uninterrupted["filenames"]
    epochs = [seen[e * NUM_TRAIN : (e + 1) * NUM_TRAIN].tolist() for e in range(4)]
    assert all(len(set(epoch)) == NUM_TRAIN for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_labels_belong_to_their_images(train, uninterrupted):
    for filename, label in zip(uninterrupted["filenames"], uninterrupted["labels"]):
        assert train.labels_to_names[label] == filename.decode().split("/")[0]


@pytest.mark.parametrize("first", [5, NUM_TRAIN, NUM_TRAIN + 2, 3 * NUM_TRAIN - 1])
def test_resumed_run_reads_what_the_uninterrupted_run_reads(train, uninterrupted, first):
    with tf.Graph().as_default():
        tf.set_random_seed(first)  # the seed of the graph has no effect
        resumed = read(load_noisy(train, first_example=first), num_batches=5)
    for name, values in resumed.items():
        np.testing.assert_array_equal(values, uninterrupted[name][first : first + 25], strict=True)


def test_skipped_examples_are_not_decoded(train):
    decoded = []

    def watched(encoded, height, width, seed):
        index = tf.numpy_function(
            lambda s: decoded.append(s[1]) or np.float32(0), [seed], tf.float32
        )
        return tf.ensure_shape(noisy(encoded, height, width, seed) + index, [height, width, 3])

    read(load_batch(train, 5, 8, 6, True, watched, first_example=20), num_batches=2)
    assert min(decoded) == 20


def test_augmentation_differs_between_epochs(uninterrupted):
    again = uninterrupted["filenames"].tolist().index(uninterrupted["filenames"][0], 1)
    images = uninterrupted["images"]
    assert np.abs(images[again] - images[0]).max() > 0.1


def test_order_depends_on_the_seed(train):
    orders = [
        read(load_noisy(train, seed=seed), num_batches=4)["filenames"].tolist()
        for seed in (7, 8, 7)
    ]
    assert orders[0] == orders[2] != orders[1]


def test_split_larger_than_the_buffer_is_read_completely(train, monkeypatch):
    monkeypatch.setattr(batches, "MAX_SHUFFLED", 4)
    monkeypatch.setattr(batches, "MAX_INTERLEAVED", 2)
    seen = read(load_noisy(train, batch_size=NUM_TRAIN), num_batches=2)["filenames"].tolist()
    assert len(set(seen[:NUM_TRAIN])) == len(set(seen[NUM_TRAIN:])) == NUM_TRAIN
    assert seen[:NUM_TRAIN] != seen[NUM_TRAIN:]


def test_batch_may_be_larger_than_the_split(validation):
    got = read(load_noisy(validation, batch_size=10), num_batches=1)
    assert sorted(np.unique(got["filenames"], return_counts=True)[1]) == [2, 2, 3, 3]


def test_evaluation_reads_each_image_once_in_the_order_of_the_shards(validation):
    got = read(load_batch(validation, 3, 8, 6, False, resize, with_filenames=True))
    written = []
    for shard in validation.data_sources:
        for record in tf.python_io.tf_record_iterator(shard):
            features = tf.train.Example.FromString(record).features.feature
            written.append(features["image/filename"].bytes_list.value[0])
    assert got["filenames"].tolist() == written
    assert len(set(written)) == NUM_VALIDATION


def test_preprocessing_gets_no_seed_in_evaluation(validation):
    seeds = []

    def remember(encoded, height, width, seed):
        seeds.append(seed)
        return tf.zeros([height, width, 3])

    load_batch(validation, 3, 8, 6, False, remember)
    assert seeds == [None]


def test_records_without_names_are_read(tmp_path):
    example = tf.train.Example.FromString(
        make_example(encode(tiny_photo(1), "JPEG"), 16, 24, 1, "roses", "roses/1.jpg")
    )
    for feature in ("image/filename", "image/class/text", "image/format", "image/height"):
        del example.features.feature[feature]
    dataset = write_dataset(tmp_path / "old", [example.SerializeToString()])
    got = read(load_batch(dataset, 1, 8, 6, False, resize, with_filenames=True))
    assert got["labels"].tolist() == [1]
    assert got["filenames"].tolist() == [b""]


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("file_format", ["PNG", "BMP", "GIF"])
def test_records_of_other_formats_are_read(tmp_path, file_format, is_training):
    photo = tiny_photo(1, 40, 30)
    record = make_example(encode(photo, file_format), 30, 40, 0, "daisy", "daisy/1")
    dataset = write_dataset(tmp_path / "other", [record])
    got = read(load_batch(dataset, 1, 30, 40, is_training, resize), num_batches=1)
    difference = np.abs(got["images"][0] - np.asarray(photo, np.float32))
    assert difference.mean() < 10 if file_format == "GIF" else difference.max() == 0


def test_empty_split_is_refused(tmp_path):
    dataset = write_dataset(tmp_path / "empty", [])
    with pytest.raises(BadInput, match="the split 'train' has no images"):
        load_batch(dataset, 5, 8, 6, True, resize)


def test_valid_records_pass_the_check(train, validation):
    check_records(train)
    check_records(validation)


def test_corrupt_record_is_named_with_its_shard_and_index(tmp_path, converted):
    photo = encode(tiny_photo(1), "JPEG")
    records = [make_example(photo, 16, 24, 0, "daisy", f"daisy/{i}.jpg") for i in range(5)]
    dataset = write_dataset(tmp_path / "corrupt", records)
    shard = Path(dataset.data_sources[0])
    content, stat = bytearray(shard.read_bytes()), shard.stat()
    content[3 * (len(content) // 5) + 100] ^= 0xFF  # the five records are equally long
    shard.write_bytes(content)
    os.utime(shard, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # like a failing disk
    dataset = get_split("train", tmp_path / "corrupt")
    with pytest.raises(tf.errors.DataLossError):
        read(load_batch(dataset, 1, 8, 6, False, resize))
    with pytest.raises(BadInput, match=r"00000-of-00001.tfrecord: record 3 .* cannot be read"):
        check_records(dataset)


def test_undecodable_image_is_named_with_its_shard_and_index(tmp_path):
    photos = [encode(tiny_photo(1), "JPEG"), b"<html>"]
    records = [make_example(p, 16, 24, 0, "daisy", f"daisy/{i}.jpg") for i, p in enumerate(photos)]
    dataset = write_dataset(tmp_path / "html", records)
    with pytest.raises(tf.errors.InvalidArgumentError):
        read(load_batch(dataset, 1, 8, 6, False, resize))
    with pytest.raises(BadInput, match=r"record 1 .*daisy/1.jpg\) is not an image that TensorFlow"):
        check_records(dataset)


def balanced_split(tmp_path):
    photos = write_photos(tmp_path / "photos", {"daisy": 9, "roses": 4, "tulips": 1})
    write_shards(photos, tmp_path / "data", validation_fraction=0, num_shards=3, progress=False)
    return get_split("train", tmp_path / "data")


def test_balanced_epoch_has_as_many_examples_of_each_class(tmp_path):
    dataset = balanced_split(tmp_path)
    assert list(dataset.class_counts.values()) == [8, 3, 1]
    assert examples_per_epoch(dataset, balanced=True) == 24
    batches = load_batch(
        dataset,
        24,
        8,
        8,
        is_training=True,
        preprocess=show_nothing,
        seed=1,
        balanced=True,
        with_filenames=True,
    )
    batch = tf.data.make_one_shot_iterator(batches).get_next()
    with tf.Session() as session:
        epochs = [session.run(batch) for _ in range(3)]
    for epoch in epochs:
        assert np.bincount(epoch["labels"]).tolist() == [8, 8, 8]
        of_each = collections.Counter(epoch["filenames"].tolist())
        assert sorted(of_each.values()) == [1] * 8 + [2, 3, 3] + [8]
    assert epochs[0]["labels"].tolist() != epochs[1]["labels"].tolist()


def test_balanced_batches_resume_where_they_were(tmp_path):
    dataset = balanced_split(tmp_path)

    def labels_from(first_example, count):
        batches = load_batch(
            dataset,
            5,
            8,
            8,
            is_training=True,
            preprocess=show_nothing,
            first_example=first_example,
            balanced=True,
            with_filenames=True,
        )
        batch = tf.data.make_one_shot_iterator(batches).get_next()
        with tf.Session() as session:
            return [session.run(batch["filenames"]).tolist() for _ in range(count)]

    assert labels_from(0, 9)[6:] == labels_from(30, 3)


def show_nothing(encoded, height, width, seed):
    """A preprocessing that shows nothing, for tests of the order."""
    del encoded, seed
    return tf.zeros([height, width, 3])


@pytest.mark.filterwarnings("ignore:To make it possible to preserve tf.data options")
def test_iterator_that_starts_again_waits_for_no_autotuning_thread(train, validation):
    """The thread may sleep for a minute; every function of the pipeline has to be without it."""
    for dataset, is_training in ((train, True), (validation, False)):
        options = load_batch(dataset, 2, 8, 8, is_training, resize).options()
        assert options.autotune.enabled is False
    assert not hasattr(batches, "AUTOTUNE")
