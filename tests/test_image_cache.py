"""A cache gives training what the shards give, and says when it does not fit or is broken."""

import copy
import shutil

import numpy as np
import pytest
import tiny_run
from PIL import Image
from tiny_photos import tiny_photo, write_photos

from datasets import image_cache
from datasets.batches import load_batch
from datasets.examples import make_example, write_examples
from datasets.image_cache import cached
from datasets.shards import write_shards
from datasets.splits import get_split
from preprocessing.preprocessing_factory import get_preprocessing
from slim_on_tf2 import tf
from system.errors import BadInput
from train_flags import parse_flags

SIDE = 24


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("converted")
    photos = write_photos(folder / "photos", {"daisy": 5, "roses": 16}, width=40, height=30)
    # Large enough to be decoded at a fraction of its size.
    tiny_photo(99, width=300, height=200).save(photos / "roses" / "large.jpg", quality=95)
    write_shards(photos, folder / "flowers", num_shards=3, validation_fraction=0.2, progress=False)
    return folder / "flowers"


@pytest.fixture
def train(converted):
    return get_split("train", converted)


def with_cache(dataset, *arguments):
    dataset = copy.copy(dataset)
    dataset.cache = cached(dataset, *arguments)
    return dataset


def read(dataset, num_batches, preprocess, **options):
    """Reads batches of 4 images; returns images, labels and filenames."""
    with tf.Graph().as_default(), tf.Session() as session:
        batches = load_batch(
            dataset, 4, SIDE, SIDE, preprocess=preprocess, with_filenames=True, **options
        )
        following = tf.data.make_one_shot_iterator(batches).get_next()
        got = [session.run(following) for _ in range(num_batches)]
    names = ("images", "labels", "filenames")
    return [np.concatenate([batch[name] for batch in got]) for name in names]


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("in_file", [False, True])
@pytest.mark.parametrize("kind", ["encoded", "decoded"])
def test_order_and_images_are_those_of_the_shards(train, tmp_path, kind, in_file, balanced):
    dataset = with_cache(train, kind, tmp_path if in_file else None)
    preprocess = get_preprocessing("inception", is_training=True)
    options = {"is_training": True, "seed": 3, "first_example": 5, "balanced": balanced}
    expected = read(train, 11, preprocess, **options)  # more than two epochs
    images, labels, filenames = read(dataset, 11, preprocess, **options)
    np.testing.assert_array_equal(filenames, expected[2])
    np.testing.assert_array_equal(labels, expected[1])
    if kind == "encoded":
        np.testing.assert_array_equal(images, expected[0])
    # libjpeg interpolates the colors at the border of a decoded window from within it, and its
    # fractions are nearly means; both matter for few pixels.
    assert np.abs(images - expected[0]).mean() < 0.01
    assert np.abs(images - expected[0]).max() < 0.2


@pytest.mark.parametrize("name", ["inception", "vgg", "cifarnet", "lenet", "none"])
@pytest.mark.parametrize("augmentation", ["published", "light", "strong", "none"])
def test_every_scheme_and_augmentation_takes_pixels(train, name, augmentation):
    dataset = with_cache(train, "decoded")
    preprocess = get_preprocessing(name, is_training=True, augmentation=augmentation)
    images, expected = (read(each, 5, preprocess, is_training=True)[0] for each in (dataset, train))
    assert np.abs(images - expected).mean() < 0.02 * np.ptp(expected)


def test_png_is_kept_without_loss(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    encoded = (tmp_path / "a.png").read_bytes()
    data = tmp_path / "data"
    data.mkdir()
    (data / "labels.txt").write_text("0:a\n1:b\n")
    example = make_example(encoded, SIDE, SIDE, 1, "b", "a.png", "png")
    write_examples(data / "x_train-00000-of-00001.tfrecord", [example])
    dataset = with_cache(get_split("train", data), "decoded")
    preprocess = get_preprocessing("none", is_training=True)
    images, labels, _ = read(dataset, 1, preprocess, is_training=True)
    np.testing.assert_allclose(images, np.stack(4 * [pixels]) / 255, atol=1e-6)
    np.testing.assert_array_equal(labels, [1, 1, 1, 1])


def test_file_is_read_again_by_the_same_split_only(train, converted, tmp_path, capsys, monkeypatch):
    cached(train, "decoded", tmp_path)
    (folder,) = tmp_path.iterdir()
    capsys.readouterr()
    fill = image_cache._fill
    monkeypatch.setattr(image_cache, "_fill", None)  # fails if it is called
    cached(train, "decoded", tmp_path)
    assert capsys.readouterr().out == f"Cache: 18 images, decoded, in {folder}\n"
    monkeypatch.setattr(image_cache, "_fill", fill)
    cached(get_split("validation", converted), "decoded", tmp_path)
    cached(train, "encoded", tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("file", ["images.bin", "index.npz"])
def test_broken_file_is_read_again_from_the_shards(train, tmp_path, capsys, file):
    cached(train, "encoded", tmp_path)
    (folder,) = tmp_path.iterdir()
    (folder / file).write_bytes((folder / file).read_bytes()[:-40])
    capsys.readouterr()
    cached(train, "encoded", tmp_path)
    first, second = capsys.readouterr().out.splitlines()
    assert f"{folder} is broken" in first
    assert second == f"Cache: 18 images, encoded, in {folder}"


@pytest.mark.parametrize(("kind", "damage"), [("decoded", "image"), ("encoded", "shard")])
def test_broken_record_is_named(converted, tmp_path, kind, damage):
    data = shutil.copytree(converted, tmp_path / "data")
    if damage == "image":
        (data / "dataset.json").unlink()
        example = make_example(b"\xff\xd8\xff", SIDE, SIDE, 1, "roses", "x.jpg")
        write_examples(data / "flowers_train_00001-of-00003.tfrecord", [example])
    dataset = get_split("train", data)
    if damage == "shard":
        shard = data / "flowers_train_00001-of-00003.tfrecord"
        content = bytearray(shard.read_bytes())
        content[40] ^= 255
        shard.write_bytes(content)
    with pytest.raises(BadInput, match="flowers_train_00001-of-00003.tfrecord: record 0"):
        cached(dataset, kind)


def test_limit_of_a_container_counts(train, tmp_path, monkeypatch):
    (tmp_path / "max").write_text("1000000\n")
    (tmp_path / "current").write_text("999000\n")
    pairs = [(tmp_path / "missing", tmp_path / "current"), (tmp_path / "max", tmp_path / "current")]
    monkeypatch.setattr(image_cache, "CONTAINER_MEMORY", pairs)
    with pytest.raises(BadInput, match="half of the free memory"):
        cached(train, "encoded")
    (tmp_path / "max").write_text("max\n")
    cached(train, "encoded")


def test_names_are_kept_whatever_their_bytes(train, tmp_path):
    for cache_dir in (None, tmp_path):
        cache = cached(train, "encoded", cache_dir)
        assert cache._filenames[3].startswith((b"daisy/", b"roses/"))
    names = [b"", b"a\0", b"\xff", b"long" * 99, b""]
    content = np.frombuffer(b"".join(names), np.uint8)
    parts = image_cache._MappedParts(content, np.cumsum([len(name) for name in names]))
    assert [parts[index] for index in range(5)] == names


def test_interrupted_file_leaves_nothing(train, tmp_path, monkeypatch):
    read_shard, shards = image_cache._read_shard, list(train.data_sources)

    def fail_at_the_last(shard, *arguments):
        if shard == shards[-1]:
            raise KeyboardInterrupt
        return read_shard(shard, *arguments)

    monkeypatch.setattr(image_cache, "_read_shard", fail_at_the_last)
    with pytest.raises(KeyboardInterrupt):
        cached(train, "decoded", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_images_that_do_not_fit_are_refused(train, tmp_path, monkeypatch):
    memory = tmp_path / "meminfo"
    memory.write_text("MemTotal: 999 kB\nMemAvailable: 100 kB\n")
    monkeypatch.setattr(image_cache, "MEMORY", memory)
    cached(train, "encoded")
    cure = "give --cache encoded, or leave --cache out"
    with pytest.raises(BadInput, match=f"--cache decoded: .* half of the free memory .*{cure}"):
        cached(train, "decoded")
    usage = type(shutil.disk_usage(tmp_path))(10, 10, 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(BadInput, match="--cache encoded: .* free space in .*; leave --cache out"):
        cached(train, "encoded", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["meminfo"]


def test_folder_that_cannot_be_written_is_named(train, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="--cache_dir .*/file/x: cannot be written"):
        cached(train, "encoded", tmp_path / "file" / "x")


def test_run_with_encoded_images_is_the_same_bit_for_bit(tmp_path, capsys):
    data = tiny_run.make_dataset(tmp_path)
    rows = []
    kept = {"cache": "encoded", "cache_dir": tmp_path / "cache"}
    for name, flags in {"plain": {}, "kept": kept}.items():
        tiny_run.train(data, tmp_path / name, capsys, max_number_of_steps=4, **flags)
        rows.append([row["total_loss"] for row in tiny_run.rows(tmp_path / name)])
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"cache_dir": "c"}, "--cache_dir has no effect with no --cache"),
        (
            {"cache": "encoded", "trainable_scopes": "HEAD"},
            "--cache has no effect with --trainable_scopes HEAD",
        ),
    ],
)
def test_flags_without_effect_are_refused(tmp_path, flags, expected):
    with pytest.raises(BadInput, match=expected):
        parse_flags(tiny_run.words(tmp_path, tmp_path / "run", **flags))
