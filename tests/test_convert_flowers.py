import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_photos import write_photos

import convert_flowers
from bad_input import BadInput

ROOT = Path(__file__).parent.parent


def run_main(*argv):
    return convert_flowers.main([str(word) for word in argv])


def test_it_converts_and_says_what_came_out(tmp_path, capsys):
    photos = write_photos(tmp_path / "photos", {"daisy": 20, "roses": 10})
    for index in range(12):
        (photos / "roses" / f"page{index:02}.jpg").write_text("<html>")
    dataset_dir = tmp_path / "data" / "flowers"
    status = run_main(
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
    assert "  roses/page09.jpg: an HTML page, no photo" in lines
    assert "  roses/page10.jpg: an HTML page, no photo" not in lines
    assert f"  ... and more: see skipped in {dataset_dir / 'dataset.json'}" in lines
    assert json.loads(lines[-1]) == {
        "dataset_dir": str(dataset_dir),
        "labels": ["daisy", "roses"],
        "num_examples": {"train": 21, "validation": 6, "test": 3},
        "skipped": 12,
        "in_two_classes": 0,
    }
    assert (dataset_dir / "garden_test_00001-of-00002.tfrecord").exists()


def test_the_flags_have_the_documented_defaults():
    flags = convert_flowers.parse_flags(["--photos_dir", "p", "--dataset_dir", "d"])
    assert vars(flags) == {
        "photos_dir": Path("p"),
        "photos_list": None,
        "dataset_dir": Path("d"),
        "dataset_name": "flowers",
        "num_shards": 5,
        "validation_fraction": 0.1,
        "test_fraction": 0.0,
        "seed": 0,
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
        ("--on_bad_photo", "ask"),
        ("--num_shard", "5"),
    ],
)
def test_a_bad_flag_is_named_in_one_line(capsys, flag, value):
    with pytest.raises(SystemExit) as exit_info:
        run_main("--photos_dir", "p", "--dataset_dir", "d", flag, value)
    assert exit_info.value.code == 2
    message = capsys.readouterr().err
    assert flag in message
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    "flags",
    [
        ["--photos_dir", "p"],
        ["--dataset_dir", "d"],
        ["--photos_list", "p.csv"],
    ],
)
def test_photos_and_a_folder_for_the_dataset_are_needed(flags):
    with pytest.raises(BadInput, match="--photos_dir and --dataset_dir are needed.*--photos_list"):
        run_main(*flags)


def test_of_a_folder_and_a_list_one_has_to_go():
    with pytest.raises(BadInput, match="--photos_list .* --photos_dir: leave out one of the two"):
        run_main("--photos_dir", "p", "--photos_list", "p.csv", "--dataset_dir", "d")


def test_a_list_takes_the_place_of_the_folder(tmp_path, capsys):
    photos = write_photos(tmp_path / "photos", {"heap": 10})
    (photos / "photos.csv").write_text(
        "file,label\nheap/none.jpg,even\n"
        + "".join(f"heap/{i}.jpg,{'odd' if i % 2 else 'even'}\n" for i in range(10))
    )
    dataset_dir = tmp_path / "data"
    assert run_main("--photos_list", photos / "photos.csv", "--dataset_dir", dataset_dir) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  heap/none.jpg: no such file" in lines
    assert json.loads(lines[-1]) == {
        "dataset_dir": str(dataset_dir),
        "labels": ["even", "odd"],
        "num_examples": {"train": 8, "validation": 2},
        "skipped": 1,
        "in_two_classes": 0,
    }
    (photos / "photos.csv").write_text("file,label\nheap/0.jpg,even\n")
    with pytest.raises(BadInput, match="photos.csv: lists one class, expected two or more"):
        run_main("--photos_list", photos / "photos.csv", "--dataset_dir", tmp_path / "other")


def test_wrong_folders_are_told_before_tensorflow_is_imported(tmp_path):
    (tmp_path / "labels.txt").write_text("0:daisy\n")
    photos = write_photos(tmp_path / "photos", {"daisy": 1, "roses": 1})
    single = write_photos(tmp_path / "single", {"daisy": 1})
    script = (
        "import sys\n"
        "import convert_flowers\n"
        "from bad_input import BadInput\n"
        "for photos_dir in sys.argv[2:]:\n"
        "    try:\n"
        "        convert_flowers.main(['--photos_dir', photos_dir, '--dataset_dir', sys.argv[1]])\n"
        "    except BadInput as error:\n"
        "        print(error)\n"
        "print('tensorflow' in sys.modules)\n"
    )
    command = [sys.executable, "-c", script, tmp_path, tmp_path / "missing", photos, single]
    lines = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()
    assert "missing: no such folder" in lines[0]
    assert "holds a dataset already" in lines[1]
    assert "holds one class folder, expected two or more" in lines[2]
    assert lines[3:] == ["False"]


def test_from_the_shell_bad_input_is_one_line(tmp_path):
    command = [sys.executable, "convert_flowers.py", "--photos_dir", tmp_path / "p"]
    done = subprocess.run(
        [*command, "--dataset_dir", tmp_path / "d"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("convert_flowers.py: ")
    assert done.stderr.count("\n") == 1
