import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_photos import write_photos

import convert_flowers
from system.errors import BadInput

ROOT = Path(__file__).parent.parent


def convert(*argv):
    return convert_flowers.main(convert_flowers.parse_flags([str(word) for word in argv]))


def test_output_has_counts_left_out_files_and_a_line_of_json(tmp_path, capsys):
    photos = write_photos(tmp_path / "photos", {"daisy": 20, "roses": 10})
    for index in range(12):
        (photos / "roses" / f"page{index:02}.jpg").write_text("<html>")
    dataset_dir = tmp_path / "data" / "flowers"
    status = convert(
        *("--photos_dir", photos, "--dataset_dir", dataset_dir, "--num_shards", 2),
        *("--validation_fraction", 0.2, "--test_fraction", 0.1, "--dataset_name", "garden"),
    )
    lines = capsys.readouterr().out.splitlines()
    assert status == 0
    rows = [line.split() for line in lines]
    assert ["class", "train", "validation", "test", "all"] in rows
    assert ["daisy", "14", "4", "2", "20"] in rows
    assert ["roses", "7", "2", "1", "10"] in rows
    assert ["all", "21", "6", "3", "30"] in rows
    assert "left out: 12" in lines
    assert "  roses/page09.jpg: an HTML page, not a photo" in lines
    assert "  roses/page10.jpg: an HTML page, not a photo" not in lines
    assert f"  ... and more: see skipped in {dataset_dir / 'dataset.json'}" in lines
    assert json.loads(lines[-1]) == {
        "dataset_dir": str(dataset_dir),
        "labels": ["daisy", "roses"],
        "num_examples": {"train": 21, "validation": 6, "test": 3},
        "shrunk": 0,
        "skipped": 12,
        "in_two_classes": 0,
    }
    assert (dataset_dir / "garden_test_00001-of-00002.tfrecord").exists()


def test_flags_have_the_documented_defaults(tmp_path):
    photos = str(write_photos(tmp_path / "photos", {"daisy": 1, "roses": 1}))
    flags = convert_flowers.parse_flags(["--photos_dir", photos, "--dataset_dir", f"{tmp_path}/d"])
    assert vars(flags) == {
        "photos_dir": photos,
        "photos_list": None,
        "dataset_dir": f"{tmp_path}/d",
        "dataset_name": "flowers",
        "num_shards": 5,
        "validation_fraction": 0.1,
        "test_fraction": 0.0,
        "seed": 0,
        "longest_side": 1024,
        "on_bad_photo": "skip",
    }


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--num_shards", "0"),
        ("--num_shards", "many"),
        ("--validation_fraction", "0"),
        ("--validation_fraction", "1"),
        ("--validation_fraction", "nan"),
        ("--test_fraction", "-0.1"),
        ("--test_fraction", "1"),
        ("--seed", "-1"),
        ("--longest_side", "-1"),
        ("--longest_side", "large"),
        ("--on_bad_photo", "ask"),
        ("--num_shard", "5"),
    ],
)
def test_invalid_flag_is_named_in_one_line(capsys, flag, value):
    with pytest.raises(SystemExit) as exit_info:
        convert("--photos_dir", "p", "--dataset_dir", "d", flag, value)
    assert exit_info.value.code == 2
    message = capsys.readouterr().err
    assert flag in message
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--dataset_name=../flowers"], "--dataset_name: expected letters, digits and ._-, got"),
        (["--dataset_name="], "--dataset_name: expected letters"),
        (["--num_shards=100000"], "--num_shards: expected at most 99,999, got 100,000"),
        (["--validation_fraction=0.6", "--test_fraction=0.4"], "a sum below 1.* got 0.6 and 0.4"),
        (["--photos_list=p.csv"], "--photos_list cannot be combined with --photos_dir"),
    ],
)
def test_flags_that_cannot_work_are_refused(flags, expected):
    with pytest.raises(BadInput, match=expected):
        convert("--photos_dir", "p", "--dataset_dir", "d", *flags)


@pytest.mark.parametrize("flag", ["--photos_dir=p", "--dataset_dir=d", "--photos_list=p.csv"])
def test_photos_and_a_folder_for_the_dataset_are_required(flag):
    with pytest.raises(BadInput, match="--photos_dir and --dataset_dir are required.*--photos_li"):
        convert(flag)


def test_list_replaces_the_folder(tmp_path, capsys):
    photos = write_photos(tmp_path / "photos", {"heap": 10})
    (photos / "photos.csv").write_text(
        "file,label\nheap/none.jpg,even\n"
        + "".join(f"heap/{i}.jpg,{'odd' if i % 2 else 'even'}\n" for i in range(10))
    )
    dataset_dir = tmp_path / "data"
    assert convert("--photos_list", photos / "photos.csv", "--dataset_dir", dataset_dir) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  heap/none.jpg: no such file" in lines
    assert json.loads(lines[-1]) == {
        "dataset_dir": str(dataset_dir),
        "labels": ["even", "odd"],
        "num_examples": {"train": 8, "validation": 2},
        "shrunk": 0,
        "skipped": 1,
        "in_two_classes": 0,
    }
    (photos / "photos.csv").write_text("file,label\nheap/0.jpg,even\n")
    with pytest.raises(BadInput, match="photos.csv: lists one class, expected two or more"):
        convert("--photos_list", photos / "photos.csv", "--dataset_dir", tmp_path / "other")


def test_wrong_folders_are_reported_before_tensorflow_is_imported(tmp_path):
    (tmp_path / "labels.txt").write_text("0:daisy\n")
    photos = write_photos(tmp_path / "photos", {"daisy": 1, "roses": 1})
    single = write_photos(tmp_path / "single", {"daisy": 1})
    script = (
        "import runpy, sys\n"
        "dataset_dir, *folders = sys.argv[1:]\n"
        "for photos_dir in folders:\n"
        "    sys.argv = ['convert_flowers.py', '--photos_dir', photos_dir,\n"
        "                '--dataset_dir', dataset_dir]\n"
        "    try:\n"
        "        runpy.run_path('convert_flowers.py', run_name='__main__')\n"
        "    except SystemExit as end:\n"
        "        print(end.code)\n"
        "print('tensorflow' in sys.modules)\n"
    )
    command = [sys.executable, "-c", script, tmp_path, tmp_path / "missing", photos, single]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "2", "2", "False"]
    lines = done.stderr.splitlines()
    assert "missing: no such folder" in lines[0]
    assert "contains a dataset already" in lines[1]
    assert "contains one class folder, expected two or more" in lines[2]
    assert len(lines) == 3
    assert all(line.startswith("convert_flowers.py: ") for line in lines)
