"""A run is tied to its images, and a checkpoint to its run."""

import json
import shutil

import pytest
import scripts
import tiny_run
from tiny_photos import write_photos

import eval_flowers
import export_flowers
import predict_flowers
import train_flags
import train_flowers
from datasets.shards import write_shards
from evaluation.splits import default_eval_dir, get_run_split
from system.errors import BadInput
from training.run_checkpoints import find_checkpoint, owner_of
from training.run_record import read_run, split_digest, write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two conversions of the same images with two seeds, and a run on the first."""
    folder = tmp_path_factory.mktemp("identity")
    data = tiny_run.make_dataset(folder)
    settings = {"validation_fraction": 0.25, "test_fraction": 0.25, "progress": False}
    write_shards(folder / "photos", folder / "other", seed=1, **settings)
    words = tiny_run.words(data, folder / "run", max_number_of_steps=2)
    assert scripts.run(train_flowers, words) == 0
    return folder


def other_run(folder, tmp_path, **changes):
    """A copy of the run, whose record says something else."""
    shutil.copytree(folder / "run", tmp_path / "copy")
    record = json.loads((tmp_path / "copy" / "run.json").read_text())
    (tmp_path / "copy" / "run.json").write_text(json.dumps(record | changes))
    return tmp_path / "copy"


def test_run_records_both_splits(folder):
    description = json.loads((folder / "data" / "dataset.json").read_text())
    digests = {
        split: split_digest(shard["sha256"] for shard in description["splits"][split]["shards"])
        for split in ("train", "validation")
    }
    assert read_run(folder / "run").split_digests == digests
    assert digests["train"] != digests["validation"]


def test_run_on_other_images_is_not_resumed(folder, tmp_path, capsys):
    """The same images in another order, in which the position in the epoch means others."""
    log_dir = shutil.copytree(folder / "run", tmp_path / "run")
    write_shards(
        folder / "photos", tmp_path / "data", validation_fraction=0.25, seed=1, progress=False
    )
    with pytest.raises(
        BadInput, match="holds a run on other images: the split train of .*/data is"
    ):
        tiny_run.train(tmp_path / "data", log_dir, capsys, max_number_of_steps=3)
    assert read_run(log_dir) == read_run(folder / "run")


def test_run_of_an_earlier_version_is_resumed(folder, tmp_path, capsys):
    log_dir = other_run(folder, tmp_path, split_digests={})
    status, result, _ = tiny_run.train(folder / "data", log_dir, capsys, max_number_of_steps=3)
    assert (status, result["steps"]) == (0, 3)
    assert read_run(log_dir).split_digests == read_run(folder / "run").split_digests


@pytest.mark.parametrize(
    ("data", "split", "is_of_run"),
    [
        ("data", "validation", True),
        ("data", "train", True),
        ("other", "validation", False),
        ("other", "test", False),  # not recorded; the training split beside it decides
    ],
)
def test_evaluation_says_whether_the_images_are_of_the_training(
    folder, capsys, data, split, is_of_run
):
    run = read_run(folder / "run")
    assert get_run_split(run, split, folder / data).is_of_run is is_of_run
    said = capsys.readouterr().out
    assert ("may hold images of the training" in said) is not is_of_run


def test_evaluation_on_other_images_is_marked(folder, tmp_path):
    metrics = eval_flowers.evaluate(
        folder / "run", split="test", dataset_dir=folder / "other", eval_dir=tmp_path
    )
    assert metrics["is_of_training_dataset"] is False
    stored = json.loads((tmp_path / "metrics.json").read_text())
    assert stored["is_of_training_dataset"] is False
    assert "test, of another dataset than the training" in (tmp_path / "report.html").read_text()


def test_unrecorded_run_says_nothing(folder, tmp_path, capsys):
    run = read_run(other_run(folder, tmp_path, split_digests={}))
    assert get_run_split(run, "validation", folder / "other").is_of_run is None
    assert capsys.readouterr().out == ""


def test_every_split_has_a_folder_of_its_own():
    assert str(default_eval_dir("runs/x", "validation")) == "runs/x/eval"
    assert str(default_eval_dir("runs/x", "test")) == "runs/x/eval_test"


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": ["a", "b", "c"]},
        {"image_size": 64},
        {"preprocessing_name": "vgg"},
        {"model_name": "mobilenet_v1_050"},
    ],
)
def test_checkpoint_of_another_run_is_refused(folder, tmp_path, changes):
    log_dir = other_run(folder, tmp_path, **changes)
    (name,) = changes
    for checkpoint in ("model.ckpt-2", "best/model.ckpt-2"):
        with pytest.raises(
            BadInput, match=f"is of the run {folder}/run .{name} .*--log_dir {folder}"
        ):
            find_checkpoint(log_dir, str(folder / "run" / checkpoint))


def test_every_script_refuses_the_checkpoint_of_another_run(folder, tmp_path):
    log_dir = other_run(folder, tmp_path, labels=["a", "b", "c"])
    checkpoint = str(folder / "run" / "model.ckpt-2")
    photo = str(folder / "photos" / "daisy" / "0.jpg")
    for call in (
        lambda: eval_flowers.evaluate(log_dir, checkpoint),
        lambda: predict_flowers.predict(log_dir, photo, checkpoint=checkpoint),
        lambda: export_flowers.export(log_dir, tmp_path / "exports", checkpoint=checkpoint),
    ):
        with pytest.raises(BadInput, match="is of the run"):
            call()


def test_checkpoint_of_a_like_run_or_of_none_is_accepted(folder, tmp_path):
    log_dir = other_run(folder, tmp_path, batch_size=99)
    theirs = str(folder / "run" / "model.ckpt-2")
    assert find_checkpoint(log_dir, theirs) == theirs
    (folder / "loose").mkdir()
    for file in (folder / "run").glob("model.ckpt-2.*"):
        shutil.copy(file, folder / "loose")
    loose = str(folder / "loose" / "model.ckpt-2")
    assert owner_of(loose) is None
    assert find_checkpoint(log_dir, loose) == loose


def test_head_of_other_classes_is_not_restored(folder, tmp_path):
    garden = write_photos(tmp_path / "photos", dict.fromkeys(("elm", "fir", "oak"), 4))
    write_shards(garden, tmp_path / "data", validation_fraction=0.25, progress=False)
    flags = {"checkpoint_path": folder / "run", "checkpoint_exclude_scopes": ""}
    with pytest.raises(
        BadInput, match="the head is of the classes daisy, roses, tulips, not of elm"
    ):
        train_flags.parse_flags(tiny_run.words(tmp_path / "data", tmp_path / "run", **flags))
    train_flags.parse_flags(tiny_run.words(folder / "data", tmp_path / "run", **flags))
    flags["checkpoint_exclude_scopes"] = None
    train_flags.parse_flags(tiny_run.words(tmp_path / "data", tmp_path / "run", **flags))


def test_record_of_a_run_without_digests_is_read(folder, tmp_path):
    record = json.loads((folder / "run" / "run.json").read_text())
    del record["split_digests"]
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert read_run(tmp_path).split_digests == {}
    write_run(tmp_path, read_run(tmp_path))
