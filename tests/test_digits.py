import functools
import io
import json

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from tiny_archives import names_in

from datasets import digits
from datasets.digits import download_and_convert, enlarge, read_digits
from datasets.splits import get_split
from slim_on_tf2 import tf
from system.errors import BadInput
from train_flowers import fine_tune


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "digits"
    return folder, download_and_convert(folder, progress=False)


def read_records(dataset_dir, split):
    """Returns {file: (label, pixels)} in the order of the records."""
    records = {}
    for path in sorted(dataset_dir.glob(f"digits_{split}_*.tfrecord")):
        for serialized in tf.python_io.tf_record_iterator(str(path)):
            features = tf.train.Example.FromString(serialized).features.feature
            image = Image.open(io.BytesIO(features["image/encoded"].bytes_list.value[0]))
            assert (image.format, image.mode, image.size) == ("PNG", "L", (28, 28))
            assert features["image/format"].bytes_list.value[0] == b"png"
            name = features["image/filename"].bytes_list.value[0].decode()
            records[name] = (features["image/class/label"].int64_list.value[0], np.asarray(image))
    return records


def test_every_digit_of_scikit_learn_is_in_one_split(converted):
    folder, description = converted
    splits = {split: read_records(folder, split) for split in ("train", "validation")}
    together = splits["train"] | splits["validation"]
    assert len(together) == len(splits["train"]) + len(splits["validation"]) == 1797
    labels = [together[f"digits/{index:04d}.png"][0] for index in range(1797)]
    assert labels == load_digits().target.tolist()
    assert description["labels"] == list("0123456789")
    assert description["in_two_classes"] == []


def test_one_tenth_of_each_class_is_held_out(converted):
    counts = np.bincount(load_digits().target)
    split = get_split("validation", converted[0])
    assert [split.class_counts[str(label)] for label in range(10)] == np.rint(counts / 10).tolist()


def test_split_is_reproducible_and_depends_on_the_seed(tmp_path, converted):
    again = download_and_convert(tmp_path / "again", progress=False)
    assert again["splits"] == converted[1]["splits"]
    download_and_convert(tmp_path / "other", seed=1, validation_fraction=0.2, progress=False)
    held_out = set(read_records(tmp_path / "other", "validation"))
    assert 350 < len(held_out) < 370
    held_out_before = set(read_records(converted[0], "validation"))
    assert len(held_out & held_out_before) < 80  # of 179; by chance, 36


def test_equal_digits_stay_in_one_split(tmp_path, monkeypatch):
    twins = [digit for digit in read_digits()[:100] for _ in range(2)]
    twins = [
        digits.GrayscaleImage(f"{index}.png", digit.label, digit.pixels)
        for index, digit in enumerate(twins)
    ]
    monkeypatch.setattr(digits, "read_digits", lambda: twins)
    download_and_convert(tmp_path / "twins", progress=False)
    held_out = {int(name.split(".")[0]) for name in read_records(tmp_path / "twins", "validation")}
    assert held_out
    assert held_out == {number ^ 1 for number in held_out}


def test_digit_is_enlarged_to_the_layout_of_mnist():
    pixels = np.zeros([8, 8], np.uint8)
    pixels[:, :4] = 255
    large = enlarge(pixels)
    assert large.shape == (28, 28)
    assert large.dtype == np.uint8
    rows, columns = np.nonzero(large)
    assert (rows.min(), rows.max()) == (4, 23)
    assert columns.min() == 4
    assert (large[4:24, 4:12] == 255).all()
    assert (large[:, 16:] == 0).all()
    assert large[4:24].mean(axis=0)[13] == large[10, 13]  # the border has no effect
    assert np.array_equal(enlarge(pixels.T), large.T)


def test_gray_levels_are_scaled_to_0_to_255():
    pixels = np.stack([digit.pixels for digit in read_digits()])
    np.testing.assert_allclose(pixels, load_digits().images * 255 / 16, atol=0.5)
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_existing_dataset_is_left_unchanged(converted):
    folder, description = converted
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert download_and_convert(folder, seed=5) == description
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert names_in(folder.parent) == ["digits"]


def test_shards_of_another_dataset_are_not_overwritten(tmp_path):
    (tmp_path / "birds_train-00000-of-00001.tfrecord").touch()
    with pytest.raises(BadInput, match="contains a dataset already"):
        download_and_convert(tmp_path)


def test_module_is_a_command(tmp_path, monkeypatch, capsys):
    convert = functools.partial(download_and_convert, progress=False)
    monkeypatch.setattr(digits, "download_and_convert", convert)
    monkeypatch.setattr(digits, "read_digits", lambda: read_digits()[:100])
    assert digits.main(["--dataset_dir", str(tmp_path / "digits")]) == 0
    counts = json.loads(capsys.readouterr().out.splitlines()[-1])["num_examples"]
    assert sum(counts.values()) == 100


def test_lenet_learns_the_digits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = fine_tune(
        "digits", "lenet", "log", batch_size=32, learning_rate=0.001, num_epochs=4, seed=0
    )
    assert result["best_accuracy"] >= 0.97
