import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_archives import names_in
from tiny_photos import tiny_photo, write_photos

from datasets import shards
from datasets.examples import make_shape_decoder
from datasets.shards import write_shards
from slim_on_tf2 import tf
from system.errors import BadInput

ROOT = Path(__file__).parent.parent


def convert(photos_dir, dataset_dir, **options):
    return write_shards(photos_dir, dataset_dir, progress=False, **options)


def read_shard(path):
    """Returns a shard's records as dicts of plain values."""
    records = []
    for serialized in tf.python_io.tf_record_iterator(str(path)):
        features = tf.train.Example.FromString(serialized).features.feature
        records.append(
            {key: (f.bytes_list.value or f.int64_list.value)[0] for key, f in features.items()}
        )
    return records


def read_split(dataset_dir, split):
    paths = sorted(dataset_dir.glob(f"*_{split}_*.tfrecord"))
    return [record for path in paths for record in read_shard(path)]


def test_larger_photos_are_shrunk_once_and_upright(tmp_path):
    photos = write_photos(tmp_path / "photos", {"daisy": 3, "roses": 3})
    upright = tiny_photo(7, width=80, height=200)
    sideways = upright.transpose(Image.Transpose.ROTATE_90)
    exif = sideways.getexif()
    exif[0x0112] = 6  # the scene's top is on the right
    sideways.save(photos / "daisy" / "large.jpg", quality=95, exif=exif)
    kept, shrunk = (
        convert(photos, tmp_path / name, validation_fraction=0.3, longest_side=side)
        for name, side in (("kept", 0), ("shrunk", 50))
    )
    assert (kept["shrunk"], shrunk["shrunk"]) == (0, 1)
    # The split does not depend on the size.
    counts = [[split["classes"] for split in each["splits"].values()] for each in (kept, shrunk)]
    assert counts[0] == counts[1]
    records = [
        {
            record["image/filename"]: record
            for split in ("train", "validation")
            for record in read_split(tmp_path / name, split)
        }
        for name in ("kept", "shrunk")
    ]
    for name, record in records[1].items():
        if name != b"daisy/large.jpg":
            assert record == records[0][name]
    large = records[1][b"daisy/large.jpg"]
    assert (large["image/height"], large["image/width"]) == (50, 20)
    pixels = np.asarray(Image.open(io.BytesIO(large["image/encoded"])), int)
    expected = np.asarray(upright.reduce(4), int)  # means of 4 x 4 pixels
    assert np.abs(pixels - expected).mean() < 4


def test_files_of_a_dataset_and_their_description(tmp_path):
    photos = write_photos(tmp_path / "photos", {"roses": 20, "daisy": 10})
    returned = convert(photos, tmp_path / "flowers", seed=3)
    split_files = {
        split: [f"flowers_{split}_{i:05d}-of-00005.tfrecord" for i in range(5)]
        for split in ("train", "validation")
    }
    assert names_in(tmp_path / "flowers") == sorted(
        [*split_files["train"], *split_files["validation"], "labels.txt", "dataset.json"]
    )
    assert names_in(tmp_path) == ["flowers", "photos"]
    assert (tmp_path / "flowers/labels.txt").read_text() == "0:daisy\n1:roses\n"
    description = json.loads((tmp_path / "flowers/dataset.json").read_text())
    assert description == returned
    assert description["name"] == "flowers"
    assert description["labels"] == ["daisy", "roses"]
    assert description["shrunk"] == 0
    assert description["skipped"] == description["in_two_classes"] == []
    assert description["settings"] == {
        "num_shards": 5,
        "validation_fraction": 0.1,
        "test_fraction": 0.0,
        "seed": 3,
        "longest_side": 1024,
        "on_bad_photo": "skip",
    }
    assert description["splits"]["train"]["num_examples"] == 27
    assert description["splits"]["train"]["classes"] == {"daisy": 9, "roses": 18}
    assert description["splits"]["validation"]["classes"] == {"daisy": 1, "roses": 2}
    for split, files in split_files.items():
        assert [shard["file"] for shard in description["splits"][split]["shards"]] == files
        for shard in description["splits"][split]["shards"]:
            content = (tmp_path / "flowers" / shard["file"]).read_bytes()
            assert shard["bytes"] == len(content)
            assert shard["sha256"] == hashlib.sha256(content).hexdigest()
            assert shard["num_examples"] == len(read_shard(tmp_path / "flowers" / shard["file"]))


def test_record_has_the_photo_with_its_label_size_and_name(tmp_path):
    photos = write_photos(tmp_path / "photos", {"daisy": 4, "roses": 4}, width=30, height=20)
    convert(photos, tmp_path / "flowers", validation_fraction=0.25, test_fraction=0.25)
    records = [
        record
        for split in ("train", "validation", "test")
        for record in read_split(tmp_path / "flowers", split)
    ]
    assert sorted(record["image/filename"].decode() for record in records) == sorted(
        path.relative_to(photos).as_posix() for path in photos.glob("*/*")
    )
    for record in records:
        filename = record["image/filename"].decode()
        assert record == {
            "image/encoded": (photos / filename).read_bytes(),
            "image/format": b"jpeg",
            "image/height": 20,
            "image/width": 30,
            "image/class/label": {"daisy": 0, "roses": 1}[filename.split("/")[0]],
            "image/class/text": filename.split("/")[0].encode(),
            "image/filename": filename.encode(),
        }


def test_conversion_is_reproducible(tmp_path):
    photos = write_photos(tmp_path / "photos", {"daisy": 12})
    tiny_photo(99).save(photos / "daisy" / "encoded_anew.png")
    for name in ("a", "b"):
        convert(photos, tmp_path / name)
    for name in names_in(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_photo_in_another_format_is_written_as_jpeg(tmp_path):
    photos = write_photos(tmp_path / "photos", {"daisy": 2})
    tiny_photo(7).save(photos / "daisy" / "a.png")
    convert(photos, tmp_path / "flowers")
    records = {
        record["image/filename"]: record
        for split in ("train", "validation")
        for record in read_split(tmp_path / "flowers", split)
    }
    image = Image.open(io.BytesIO(records[b"daisy/a.png"]["image/encoded"]))
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (24, 16))
    difference = np.asarray(image).astype(int) - np.asarray(tiny_photo(7)).astype(int)
    assert np.abs(difference).mean() < 4


def make_messy_photos(folder):
    """Writes a folder of photos with all kinds of files that have to be left out."""
    write_photos(folder, {"daisy": 6, "roses": 6})
    (folder / "daisy" / "page.jpg").write_text("<!doctype html><title>404</title>")
    (folder / "daisy" / "empty.jpg").touch()
    (folder / "daisy" / "notes.txt").write_text("where they grew")
    (folder / "daisy" / "more").mkdir()
    (folder / "roses" / "cut.jpg").write_bytes((folder / "roses" / "0.jpg").read_bytes()[:-40])
    os.mkfifo(folder / "roses" / "pipe.jpg")
    (folder / "roses" / ".DS_Store").write_text("hidden")
    (folder / "roses" / "Thumbs.db").write_text("litter")
    (folder / "LICENSE.txt").write_text("CC-BY")
    shutil.copy(folder / "daisy" / "0.jpg", folder / "stray.jpg")
    shutil.copy(folder / "daisy" / "1.jpg", folder / "roses" / "in_both.jpg")
    return folder


def test_unusable_files_are_left_out_and_listed(tmp_path):
    photos = make_messy_photos(tmp_path / "photos")
    description = convert(photos, tmp_path / "flowers")
    skipped = {bad["file"]: bad["reason"] for bad in description["skipped"]}
    assert skipped.pop("roses/cut.jpg").startswith("broken: ")
    assert skipped == {
        "stray.jpg": "not in a class folder",
        "daisy/empty.jpg": "empty file",
        "daisy/more": "a folder; photos in it are not read",
        "daisy/notes.txt": "not a photo: expected JPEG, PNG, BMP, GIF, WebP or TIFF",
        "daisy/page.jpg": "an HTML page, not a photo",
        "roses/pipe.jpg": "not a regular file",
    }
    assert description["in_two_classes"] == [["daisy/1.jpg", "roses/in_both.jpg"]]
    assert sum(split["num_examples"] for split in description["splits"].values()) == 11


def write_list(path, photos):
    """Writes {file: label} as CSV, in reverse order."""
    records = [f"{file},{label}\n" for file, label in reversed(photos.items())]
    path.write_text("file,label\n" + "".join(records))
    return path


def test_list_gives_the_same_bytes_as_a_folder(tmp_path):
    photos = write_photos(tmp_path / "photos", {"daisy": 12, "roses": 9})
    tiny_photo(99).save(photos / "daisy" / "encoded_anew.png")
    convert(photos, tmp_path / "a")
    files = {path.relative_to(photos).as_posix(): path.parent.name for path in photos.glob("*/*")}
    convert(None, tmp_path / "b", photos_list=write_list(photos / "photos.csv", files))
    assert names_in(tmp_path / "a") == names_in(tmp_path / "b")
    for name in names_in(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_list_may_be_elsewhere_and_name_other_classes_than_folders(tmp_path):
    photos = write_photos(tmp_path / "photos", {"heap": 8})
    labels = {f"photos/heap/{i}.jpg": "odd, by number" if i % 2 else "even" for i in range(8)}
    path = tmp_path / "photos.csv"
    path.write_text("file,label\n" + "".join(f'"{f}","{label}"\n' for f, label in labels.items()))
    description = convert(None, tmp_path / "data", photos_list=path)
    assert description["labels"] == ["even", "odd, by number"]
    records = [r for s in ("train", "validation") for r in read_split(tmp_path / "data", s)]
    assert {
        record["image/filename"].decode(): (
            record["image/class/text"].decode(),
            record["image/class/label"],
            record["image/encoded"],
        )
        for record in records
    } == {
        file: (label, description["labels"].index(label), (photos.parent / file).read_bytes())
        for file, label in labels.items()
    }


def test_unusable_files_of_a_list_are_skipped_or_an_error(tmp_path):
    photos = write_photos(tmp_path / "photos", {"daisy": 4, "roses": 4})
    (photos / "page.jpg").write_text("<html>")
    files = {f"{label}/{i}.jpg": label for label in ("daisy", "roses") for i in range(4)}
    path = write_list(
        photos / "photos.csv",
        files
        | {"none.jpg": "daisy", "page.jpg": "roses", "roses": "roses", f"{'x' * 300}.jpg": "daisy"},
    )
    with pytest.raises(
        BadInput, match=r"xxx.jpg, record 1 \(line 2\) of .*csv: cannot be read: .*--on_bad_photo"
    ):
        convert(None, tmp_path / "data", photos_list=path, on_bad_photo="fail")
    description = convert(None, tmp_path / "data", photos_list=path)
    skipped = {bad["file"]: bad["reason"] for bad in description["skipped"]}
    assert "too long" in skipped.pop(f"{'x' * 300}.jpg")
    assert skipped == {
        "none.jpg": "no such file",
        "page.jpg": "an HTML page, not a photo",
        "roses": "a folder; photos in it are not read",
    }
    assert sum(split["num_examples"] for split in description["splits"].values()) == 8


def test_listed_class_without_a_photo_is_an_error(tmp_path):
    photos = write_photos(tmp_path / "photos", {"daisy": 2})
    files = {"daisy/0.jpg": "daisy", "daisy/1.jpg": "daisy", "none.jpg": "roses"}
    path = write_list(photos / "photos.csv", files)
    with pytest.raises(
        BadInput, match=r"photos.csv, class roses: has no usable photo .*\(none.jpg: no such file\)"
    ):
        convert(None, tmp_path / "data", photos_list=path)


def test_bad_photo_is_an_error_on_request(tmp_path):
    photos = write_photos(tmp_path / "photos", {"daisy": 3})
    (photos / "daisy" / "page.jpg").write_text("<html>")
    with pytest.raises(BadInput, match=r"daisy/page.jpg: an HTML page.*--on_bad_photo skip"):
        convert(photos, tmp_path / "flowers", on_bad_photo="fail")
    assert names_in(tmp_path) == ["photos"]


def test_photo_that_tensorflow_cannot_decode_is_left_out(tmp_path, monkeypatch):
    photos = write_photos(tmp_path / "photos", {"daisy": 3})
    refused = (photos / "daisy" / "1.jpg").read_bytes()
    decoded_shape = make_shape_decoder()
    monkeypatch.setattr(
        shards,
        "make_shape_decoder",
        lambda: lambda data: None if data == refused else decoded_shape(data),
    )
    description = convert(photos, tmp_path / "flowers")
    assert description["skipped"] == [
        {"file": "daisy/1.jpg", "reason": "TensorFlow cannot decode it"}
    ]


def test_file_name_that_is_not_utf8_is_escaped(tmp_path):
    photos = write_photos(tmp_path / "photos", {"daisy": 2})
    tiny_photo(9).save(os.fsencode(photos / "daisy") + b"/\xff.png", "PNG")
    convert(photos, tmp_path / "flowers")
    records = [r for s in ("train", "validation") for r in read_split(tmp_path / "flowers", s)]
    assert rb"daisy/\xff.png" in [record["image/filename"] for record in records]


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    photos = write_photos(tmp_path / "photos", {"daisy": 3})
    (tmp_path / "flowers").mkdir()
    (tmp_path / "flowers" / "notes.txt").write_text("mine")
    convert(photos, tmp_path / "flowers", num_shards=1)
    assert names_in(tmp_path / "flowers") == [
        "dataset.json",
        "flowers_train_00000-of-00001.tfrecord",
        "flowers_validation_00000-of-00001.tfrecord",
        "labels.txt",
        "notes.txt",
    ]
    assert (tmp_path / "flowers" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["labels.txt", "dataset.json", "birds_train-00000-of-00001.tfrecord"]
)
def test_existing_dataset_is_not_overwritten(tmp_path, name):
    photos = write_photos(tmp_path / "photos", {"daisy": 3})
    (tmp_path / "birds").mkdir()
    (tmp_path / "birds" / name).write_text("precious")
    with pytest.raises(BadInput, match="contains a dataset already"):
        convert(photos, tmp_path / "birds")
    assert names_in(tmp_path / "birds") == [name]
    assert (tmp_path / "birds" / name).read_text() == "precious"


def test_full_disk_is_an_error_and_leaves_nothing(tmp_path, monkeypatch):
    photos = write_photos(tmp_path / "photos", {"daisy": 30})
    written = []

    class FullDisk(tf.python_io.TFRecordWriter):
        def write(self, record):
            written.append(record)
            if len(written) == 8:
                raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")
            super().write(record)

    monkeypatch.setattr(tf.python_io, "TFRecordWriter", FullDisk)
    with pytest.raises(BadInput, match=r"cannot be written \(No space left on device\); free some"):
        convert(photos, tmp_path / "flowers")
    assert names_in(tmp_path) == ["photos"]


def test_photo_changed_during_the_conversion_is_an_error(tmp_path, monkeypatch):
    photos = write_photos(tmp_path / "photos", {"daisy": 5})
    stratify = shards.stratify

    def stratify_slowly(*args):
        tiny_photo(77).save(photos / "daisy" / "2.jpg")
        return stratify(*args)

    monkeypatch.setattr(shards, "stratify", stratify_slowly)
    with pytest.raises(BadInput, match=r"daisy/2.jpg: changed during the conversion"):
        convert(photos, tmp_path / "flowers")
    assert names_in(tmp_path) == ["photos"]


KILLED_AFTER_TWO_SHARDS = """
import os, signal, sys
from datasets import shard_writer
from datasets.shards import write_shards

write_examples = shard_writer.write_examples
written = []

def write_two(path, records):
    if len(written) == 2:
        path.write_bytes(b"part of a shard")
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(path)
    write_examples(path, records)

shard_writer.write_examples = write_two
write_shards(sys.argv[1], sys.argv[2], progress=False)
"""


def test_killed_conversion_leaves_no_dataset_and_the_next_one_succeeds(tmp_path):
    photos = write_photos(tmp_path / "photos", {"daisy": 20})
    command = [sys.executable, "-c", KILLED_AFTER_TWO_SHARDS, photos, tmp_path / "flowers"]
    killed = subprocess.run(command, cwd=ROOT, check=False)
    assert killed.returncode == -9
    leftover, name = names_in(tmp_path)
    assert leftover.startswith(".flowers.")
    assert name == "photos"
    assert len(names_in(tmp_path / leftover)) == 3  # killed during the third shard
    convert(photos, tmp_path / "flowers")
    assert names_in(tmp_path) == ["flowers", "photos"]
    assert len(read_split(tmp_path / "flowers", "train")) == 18


def test_folder_without_photos_is_an_error(tmp_path):
    with pytest.raises(BadInput, match="no such folder"):
        convert(tmp_path / "photos", tmp_path / "flowers")
    (tmp_path / "photos").mkdir()
    with pytest.raises(BadInput, match="photos: is empty; expected one folder per class"):
        convert(tmp_path / "photos", tmp_path / "flowers")
    tiny_photo(0).save(tmp_path / "photos" / "a.jpg")
    with pytest.raises(BadInput, match="contains files but no folders; expected one folder per"):
        convert(tmp_path / "photos", tmp_path / "flowers")
    (tmp_path / "photos" / "daisy").mkdir()
    with pytest.raises(BadInput, match="daisy: contains no photos; remove the folder or add"):
        convert(tmp_path / "photos", tmp_path / "flowers")


def test_parent_of_the_folder_of_photos_is_recognized(tmp_path):
    write_photos(tmp_path / "unpacked" / "flower_photos", {"daisy": 2})
    with pytest.raises(BadInput, match=r"is .*unpacked/flower_photos the folder of photos\?"):
        convert(tmp_path / "unpacked", tmp_path / "flowers")


def test_class_without_a_usable_photo_is_an_error(tmp_path):
    photos = write_photos(tmp_path / "photos", {"daisy": 2, "roses": 2})
    for path in (photos / "roses").iterdir():
        path.write_text("<html>")
    with pytest.raises(BadInput, match=r"roses: has no usable photo.*roses/0.jpg: an HTML page"):
        convert(photos, tmp_path / "flowers")
    for path in (photos / "roses").iterdir():
        shutil.copy(photos / "daisy" / path.name, path)
    with pytest.raises(
        BadInput, match=r"daisy: has no usable photo.*each of them is also in another"
    ):
        convert(photos, tmp_path / "flowers")


def test_dataset_inside_the_folder_of_photos_is_refused(tmp_path):
    photos = write_photos(tmp_path / "photos", {"daisy": 2})
    for folder in (photos, photos / "tfrecords", photos / "daisy" / "deep"):
        with pytest.raises(BadInput, match="is inside the folder of photos"):
            convert(photos, folder)


def test_unwritable_destination_is_an_error_before_photos_are_read(tmp_path, monkeypatch):
    photos = write_photos(tmp_path / "photos", {"daisy": 2})
    monkeypatch.setattr(shards, "read_photo", lambda path: pytest.fail("read"))
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "flowers"):
        with pytest.raises(BadInput, match=r"cannot be written, .*/file is not a writable folder"):
            convert(photos, folder)
