import dataclasses
import functools
import gzip
import hashlib
import io
import json
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
from loopback import answer, send, served
from PIL import Image
from tiny_archives import names_in

from datasets import mnist
from datasets.batches import load_batch
from datasets.mnist import ARCHIVES, download_and_convert, read_idx
from datasets.splits import get_split
from slim_on_tf2 import tf
from system import download
from system.errors import BadInput

NAMES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]
TRAIN_IMAGES, TRAIN_LABELS, T10K_IMAGES, T10K_LABELS = NAMES


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(download, "RETRY_DELAYS", (0, 0, 0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("MNIST_URL", raising=False)


def idx_images(images):
    return struct.pack(">4I", 2051, *images.shape) + images.tobytes()


def idx_labels(labels):
    return struct.pack(">2I", 2049, len(labels)) + bytes(labels)


def noise(seed, count):
    return np.random.default_rng(seed).integers(0, 256, [count, 28, 28], dtype=np.uint8)


IMAGES = {"train": noise(1, 23), "validation": noise(2, 7)}
LABELS = {"train": [i % 10 for i in range(23)], "validation": [9, 8, 7, 3, 3, 0, 1]}
CONTENTS = {
    TRAIN_IMAGES: idx_images(IMAGES["train"]),
    TRAIN_LABELS: idx_labels(LABELS["train"]),
    T10K_IMAGES: idx_images(IMAGES["validation"]),
    T10K_LABELS: idx_labels(LABELS["validation"]),
}
COMPRESSED = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in CONTENTS.items()}


def write_folder(folder, contents):
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def facts(base="http://127.0.0.1:9/mnist"):  # port 9 is closed
    return {
        name: dataclasses.replace(
            ARCHIVES[name],
            url=f"{base}/{name}.gz",
            num_bytes=len(COMPRESSED[f"{name}.gz"]),
            digest=f"sha256:{hashlib.sha256(COMPRESSED[f'{name}.gz']).hexdigest()}",
        )
        for name in NAMES
    }


def send_by_name(handler, content):
    send(handler, content[Path(handler.path).name])


def convert(folder, source=None, **options):
    return download_and_convert(folder, source and str(source), progress=False, **options)


def read_records(dataset_dir, split):
    return [
        tf.train.Example.FromString(serialized).features.feature
        for path in sorted(dataset_dir.glob(f"mnist_{split}_*.tfrecord"))
        for serialized in tf.python_io.tf_record_iterator(str(path))
    ]


@pytest.mark.parametrize(
    "contents",
    [
        CONTENTS,
        COMPRESSED,
        {name.replace("-idx", ".idx"): content for name, content in CONTENTS.items()},
        CONTENTS | {TRAIN_IMAGES: COMPRESSED[f"{TRAIN_IMAGES}.gz"]},  # detected by its content
    ],
    ids=["plain", "compressed", "dotted", "misnamed"],
)
def test_idx_files_are_converted_losslessly(tmp_path, contents):
    folder = write_folder(tmp_path / "idx", contents)
    description = convert(tmp_path / "mnist", folder)
    assert description["labels"] == list("0123456789")
    for split, images in IMAGES.items():
        records = read_records(tmp_path / "mnist", split)
        assert len(records) == description["splits"][split]["num_examples"] == len(images)
        for index, (features, image, label) in enumerate(zip(records, images, LABELS[split])):
            photo = Image.open(io.BytesIO(features["image/encoded"].bytes_list.value[0]))
            assert (photo.format, photo.mode) == ("PNG", "L")
            assert np.array_equal(np.asarray(photo), image)
            assert features["image/format"].bytes_list.value[0] == b"png"
            assert features["image/class/label"].int64_list.value[0] == label
            assert features["image/class/text"].bytes_list.value[0] == str(label).encode()
            assert features["image/height"].int64_list.value[0] == 28
            name = f"{split}/{index:05d}.png".encode()
            assert features["image/filename"].bytes_list.value[0] == name


def test_dataset_is_read_like_the_flowers(tmp_path):
    convert(tmp_path / "mnist", write_folder(tmp_path / "idx", CONTENTS))
    split = get_split("validation", tmp_path / "mnist")
    assert (split.name, split.num_samples, split.num_classes) == ("mnist", 7, 10)
    assert split.class_counts == {str(c): LABELS["validation"].count(c) for c in range(10)}

    def decode(encoded, height, width, seed):
        return tf.cast(tf.image.decode_image(encoded, channels=3), tf.float32)

    batches = load_batch(split, 7, 28, 28, False, decode)
    with tf.Session() as session:
        batch = session.run(tf.data.make_one_shot_iterator(batches).get_next())
    assert batch["labels"].tolist() == LABELS["validation"]
    in_three_channels = np.repeat(IMAGES["validation"][..., np.newaxis], 3, axis=-1)
    np.testing.assert_array_equal(batch["images"], in_three_channels)


def test_the_four_files_are_downloaded_and_kept(tmp_path, capsys):
    with served(COMPRESSED, *[send_by_name] * 4) as server:
        archives = facts(server.url.rpartition("/")[0])
        first = convert(tmp_path / "data" / "mnist", archives=archives)
        assert names_in(tmp_path / "data") == ["mnist", "mnist_idx"]
        assert names_in(tmp_path / "data" / "mnist_idx") == sorted(COMPRESSED)
        # neither the same dataset nor another one downloads them again
        assert convert(tmp_path / "data" / "mnist", archives=archives) == first
        assert convert(tmp_path / "data" / "again", archives=archives) == first
        assert server.ranges == [None] * 4
    assert capsys.readouterr().out.count("Downloading http://127.0.0.1") == 4


def test_only_missing_files_are_downloaded_from_a_mirror(tmp_path, monkeypatch):
    kept = dict(list(COMPRESSED.items())[:2])
    write_folder(tmp_path / "mnist_idx", kept)
    with served(COMPRESSED, *[send_by_name] * 2) as server:
        monkeypatch.setenv("MNIST_URL", server.url.rpartition("/")[0] + "/")
        convert(tmp_path / "mnist", archives=facts())
        assert len(server.ranges) == 2


def test_environment_variable_may_name_a_folder(tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "my idx", CONTENTS)
    monkeypatch.setenv("MNIST_URL", folder.as_uri())
    convert(tmp_path / "data" / "mnist")
    assert names_in(tmp_path / "data") == ["mnist"]


def test_message_without_network_names_the_cure(tmp_path):
    with pytest.raises(BadInput) as raised:
        convert(tmp_path / "data" / "mnist", archives=facts())
    message = str(raised.value)
    assert "\n" not in message
    url = f"http://127.0.0.1:9/mnist/{TRAIN_IMAGES}.gz"
    assert message.startswith(f"{url}: cannot be downloaded (ConnectionError)")
    assert f"copy it to {tmp_path / 'data' / 'mnist_idx' / TRAIN_IMAGES}.gz" in message
    assert "MNIST_URL=PLACE before the command" in message
    assert "PLACE may be a folder" in message
    assert "--dataset_name digits needs no download" in message
    assert not (tmp_path / "data" / "mnist").exists()


def test_server_without_the_files_is_named(tmp_path):
    with served(b"", answer(404)) as server, pytest.raises(BadInput, match="cannot be downloaded"):
        convert(tmp_path / "mnist", server.url.rpartition("/")[0], archives=facts())


def test_downloads_that_differ_from_the_published_files_are_refused(tmp_path):
    other = {name: gzip.compress(b"other") for name in COMPRESSED}
    with (
        served(other, *[send_by_name] * 4) as server,
        pytest.raises(BadInput, match=r"expected the published train-images-idx3-ubyte.gz.*folder"),
    ):
        convert(tmp_path / "mnist", server.url.rpartition("/")[0], archives=facts())
    write_folder(tmp_path / "data" / "mnist_idx", other)
    with pytest.raises(
        BadInput, match=r"mnist_idx/train-images.*differs from the published.*delete it"
    ):
        convert(tmp_path / "data" / "mnist", archives=facts())


def test_two_concurrent_calls_download_once(tmp_path):
    got = []
    with served(COMPRESSED, *[send_by_name] * 4) as server:
        archives = facts(server.url.rpartition("/")[0])
        threads = [
            threading.Thread(
                target=lambda: got.append(convert(tmp_path / "mnist", archives=archives))
            )
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.ranges) == 4
    assert got[0] == got[1]
    assert names_in(tmp_path) == ["mnist", "mnist_idx"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (TRAIN_LABELS, None, "train-labels-idx1-ubyte: no such file, nor .*the four files of MNI"),
        (TRAIN_IMAGES, CONTENTS[TRAIN_LABELS], "starts with 00 00 08 01, expected 00 00 08 03"),
        (TRAIN_LABELS, CONTENTS[TRAIN_IMAGES], "starts with 00 00 08 03, expected 00 00 08 01"),
        (TRAIN_IMAGES, b"<html>", "starts with 3c 68 74 6d, expected 00 00 08 03"),
        (TRAIN_IMAGES, b"", "starts with nothing, expected"),
        (TRAIN_IMAGES, CONTENTS[TRAIN_IMAGES][:9], "starts with 00 00 08 03, .* 3 sizes of four b"),
        (
            TRAIN_IMAGES,
            CONTENTS[TRAIN_IMAGES][:-1],
            "has 18,047 bytes decompressed, expected 18,048",
        ),
        (TRAIN_IMAGES, CONTENTS[TRAIN_IMAGES] + b"1", "has 18,049 bytes.* dimensions 23 x 28 x 28"),
        (T10K_IMAGES, idx_images(noise(1, 7)[:, :, 1:]), "t10k.* of 28 x 27 pixels, expected 28 x"),
        (T10K_IMAGES, idx_images(noise(1, 0)), "dimensions 0 x 28 x 28, none of them 0"),
        (T10K_LABELS, idx_labels([]), "t10k-labels.*dimensions 0, none of them 0"),
        (T10K_LABELS, idx_labels([1, 2]), "t10k-labels.*: contains 2 labels, but t10k-images-idx3"),
        (
            T10K_LABELS,
            idx_labels([1, 2, 10, 3, 4, 5, 99]),
            r"item 2 .* is the label 10, expected 0",
        ),
        (
            TRAIN_IMAGES,
            COMPRESSED[f"{TRAIN_IMAGES}.gz"][:900],
            "train-images.*: cannot be read .*again",
        ),
        (TRAIN_LABELS, b"\x1f\x8b no gzip", "train-labels.*: cannot be read .*copy it again"),
    ],
)
def test_invalid_file_is_named_in_one_line(tmp_path, name, content, expected):
    contents = {**CONTENTS, name: content}
    folder = write_folder(tmp_path / "idx", {k: v for k, v in contents.items() if v is not None})
    with pytest.raises(BadInput, match=expected) as raised:
        convert(tmp_path / "data" / "mnist", folder)
    assert str(raised.value).startswith(f"{folder / name}: ")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "data" / "mnist").exists()


def test_source_that_is_not_a_folder_is_named(tmp_path):
    (tmp_path / "file.gz").touch()
    with pytest.raises(BadInput, match="no such file, .* expected a folder with the four files"):
        convert(tmp_path / "mnist", tmp_path / "file.gz")


def test_unreadable_file_is_named(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInput, match=r"folder: cannot be read \(Is a directory\)"):
        read_idx(tmp_path / "folder", 1)


def test_another_dataset_is_not_used_as_mnist(tmp_path):
    folder = write_folder(tmp_path / "idx", CONTENTS)
    convert(tmp_path / "data", folder)
    description = json.loads((tmp_path / "data" / "dataset.json").read_text())
    (tmp_path / "data" / "dataset.json").write_text(json.dumps(description | {"name": "birds"}))
    with pytest.raises(BadInput, match="contains the dataset 'birds', expected 'mnist'"):
        convert(tmp_path / "data", folder)
    (tmp_path / "data" / "dataset.json").unlink()
    with pytest.raises(BadInput, match="contains a dataset already"):
        convert(tmp_path / "data", folder)


def test_sizes_are_those_of_the_mirror():
    assert {name: archive.num_bytes for name, archive in ARCHIVES.items()} == {
        TRAIN_IMAGES: 9_912_422,
        TRAIN_LABELS: 28_881,
        T10K_IMAGES: 1_648_877,
        T10K_LABELS: 4_542,
    }
    for name, archive in ARCHIVES.items():
        assert archive.url == f"https://storage.googleapis.com/cvdf-datasets/mnist/{name}.gz"
        assert len(archive.digest) == len("sha256:") + 64


def test_module_is_a_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        mnist, "download_and_convert", functools.partial(download_and_convert, progress=False)
    )
    folder = write_folder(tmp_path / "idx", CONTENTS)
    assert mnist.main(["--dataset_dir", str(tmp_path / "mnist"), "--source", str(folder)]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        "dataset_dir": str(tmp_path / "mnist"),
        "num_examples": {"train": 23, "validation": 7},
    }
