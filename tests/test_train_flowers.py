import os
import re
import shutil
import signal
from pathlib import Path

import pytest
import scripts
from tiny_photos import write_photos
from tiny_run import CLASSES, make_dataset, rows, send_at_step, train, words

import train_flowers
from datasets.shards import write_shards
from slim_on_tf2 import tf
from system.errors import BadInput
from system.locks import lock_log_dir
from training.flag_rules import MODE_FLAGS
from training.optimizers import OPTIMIZERS
from training.run_checkpoints import BestCheckpoint
from training.run_record import read_run
from training.validation import Validation


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("dataset"))


def events(folder):
    """The scalars (tag -> {step: value}) and the other tags of a folder's event files."""
    scalars, others = {}, set()
    for path in Path(folder).glob("events*"):
        for event in tf.train.summary_iterator(str(path)):
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    scalars.setdefault(value.tag, {})[event.step] = value.simple_value
                else:
                    others.add(value.tag)
    return scalars, others


def test_run_trains_validates_and_logs(data, tmp_path, capsys):
    status, result, lines = train(data, tmp_path, capsys, num_epochs=2)
    assert status == 0
    # 18 photos in batches of 6, twice; validation at the end of each epoch.
    assert result["steps"] == 6
    assert [int(row["step"]) for row in rows(tmp_path)] == [1, 2, 3, 4, 5, 6]
    assert [int(row["step"]) for row in rows(tmp_path, "validation")] == [3, 6]
    assert result["accuracy"] == pytest.approx(
        float(rows(tmp_path, "validation")[1]["accuracy"]), abs=1e-6
    )
    assert result["best_accuracy"] == pytest.approx(
        max(float(row["accuracy"]) for row in rows(tmp_path, "validation")), abs=1e-6
    )
    assert result["checkpoint"] == str(tmp_path / "model.ckpt-6")
    assert lines[0].startswith("Device: ")
    assert "18 images to train on, 6 to validate on, 3 classes" in lines[1]

    run = read_run(tmp_path)
    assert (run.model_name, run.image_size, run.labels) == (
        "mobilenet_v1_025",
        32,
        list(CLASSES),
    )
    assert run.flags["batch_size"] == 6

    scalars, others = events(tmp_path)
    for row in rows(tmp_path):
        step = int(row["step"])
        parts = float(row["loss"]) + float(row["regularization_loss"])
        assert float(row["total_loss"]) == pytest.approx(parts, rel=1e-5)
        assert scalars["losses/cross_entropy"][step] == pytest.approx(float(row["loss"]))
        assert 0 <= float(row["input_wait"]) <= 1
    assert {"accuracy", "learning_rate", "speed/images_per_second"} <= set(scalars)
    assert any(tag.startswith("settings") for tag in others)
    assert "augmented_images" in others
    assert set(events(tmp_path / "validation")[0]["accuracy"]) == {3, 6}

    again, result_again, lines = train(data, tmp_path, capsys, num_epochs=2)
    assert (again, result_again) == (0, result)
    assert any("Resuming from" in line for line in lines)


def test_diverged_loss_ends_the_run_and_keeps_a_good_checkpoint(data, tmp_path, capsys):
    """At this rate the weights of step 2 are finite and give an infinite loss in step 3 or 4."""
    train(data, tmp_path, capsys, optimizer="sgd", max_number_of_steps=1)
    with pytest.raises(BadInput, match="the weights of step . give a loss that is not") as error:
        train(
            data, tmp_path, capsys, optimizer="sgd", learning_rate=1e30, save_steps=1, eval_steps=1
        )
    good = tf.train.latest_checkpoint(str(tmp_path))
    assert good in str(error.value)
    lost = int(str(error.value).split("weights of step ")[1].split()[0])
    assert int(good.rpartition("-")[2]) < lost
    assert not list(tmp_path.glob(f"model.ckpt-{lost}.*"))
    best = BestCheckpoint(tmp_path).record
    assert best is None or best["step"] < lost


def test_run_that_diverges_before_its_first_checkpoint_leaves_none(data, tmp_path, capsys):
    with pytest.raises(BadInput, match="not a finite number; no checkpoint was saved before. Try"):
        train(data, tmp_path, capsys, optimizer="sgd", learning_rate=1e30)
    assert not list(tmp_path.glob("model.ckpt*"))


def test_run_resumed_after_sigterm_equals_uninterrupted_run(data, tmp_path, capsys, monkeypatch):
    """The interrupted run, gone on with, computes what the uninterrupted one does."""
    handler = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        send_at_step(patch, signal.SIGTERM, at=4)
        status, result, _ = train(data, tmp_path / "a", capsys, max_number_of_steps=7)
    assert status == 128 + signal.SIGTERM
    assert (result["steps"], result["stopped_by"]) == (4, "SIGTERM")
    assert result["checkpoint"] == str(tmp_path / "a" / "model.ckpt-4")
    assert signal.getsignal(signal.SIGTERM) is handler

    status, result, lines = train(data, tmp_path / "a", capsys, max_number_of_steps=7)
    assert (status, result["steps"]) == (0, 7)
    assert any("Resuming from" in line and "model.ckpt-4" in line for line in lines)

    train(data, tmp_path / "b", capsys, max_number_of_steps=7)
    for split in ("train", "validation"):
        for ours, theirs in zip(rows(tmp_path / "a", split), rows(tmp_path / "b", split)):
            for column in ("step", "loss", "accuracy", "learning_rate"):
                assert ours[column] == theirs[column]
    assert len(rows(tmp_path / "a")) == len(rows(tmp_path / "b")) == 7


def test_another_run_in_the_log_dir_is_refused(data, tmp_path, capsys):
    train(data, tmp_path, capsys, max_number_of_steps=0)
    with pytest.raises(BadInput, match="image_size 32 there, 48 here"):
        train(data, tmp_path, capsys, image_size=48)


def test_killed_validation_is_repeated(data, tmp_path, capsys):
    train(data, tmp_path, capsys, max_number_of_steps=0)
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    (tmp_path / "metrics.csv").write_text(lines[0] + "\n")
    shutil.rmtree(tmp_path / "best")
    _, result, _ = train(data, tmp_path, capsys, max_number_of_steps=0)
    assert result["accuracy"] is not None
    assert BestCheckpoint(tmp_path).record["step"] == 0


def test_trainable_scopes_leave_other_variables_unchanged(data, tmp_path, capsys):
    train(data, tmp_path / "first", capsys, max_number_of_steps=0)
    checkpoint = tmp_path / "first" / "model.ckpt-0"
    scope = "MobilenetV1/Logits"
    train(
        data,
        tmp_path / "second",
        capsys,
        checkpoint_path=checkpoint,
        checkpoint_exclude_scopes="",
        trainable_scopes=scope,
        max_number_of_steps=2,
    )
    before, after = (
        tf.train.load_checkpoint(str(path))
        for path in (checkpoint, tmp_path / "second" / "model.ckpt-2")
    )
    changed = {
        name
        for name in before.get_variable_to_shape_map()
        if name.startswith("MobilenetV1") and "Adam" not in name
        if (before.get_tensor(name) != after.get_tensor(name)).any()
    }
    # Not even the moving averages of the layers that do not train have moved.
    assert changed == {f"{scope}/Conv2d_1c_1x1/weights", f"{scope}/Conv2d_1c_1x1/biases"}


def test_log_dir_of_a_running_training_is_refused(data, tmp_path, capsys):
    with lock_log_dir(tmp_path), pytest.raises(BadInput, match="another training is running"):
        train(data, tmp_path, capsys)


def test_corrupt_record_is_named_by_shard_and_index(tmp_path, capsys):
    data = make_dataset(tmp_path)
    shard = sorted(data.glob("*train*"))[0]
    records = list(tf.io.tf_record_iterator(str(shard)))
    example = tf.train.Example.FromString(records[1])
    example.features.feature["image/encoded"].bytes_list.value[0] = b"\xff\xd8\xffno photo"
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for index, record in enumerate(records):
            writer.write(example.SerializeToString() if index == 1 else record)
    (data / "dataset.json").unlink()  # counted anew, so that the shard is taken for the right one
    with pytest.raises(BadInput, match=f"{shard}: record 1 "):
        train(data, tmp_path / "run", capsys)


def test_grayscale_restores_all_but_the_first_layer(data, tmp_path, capsys):
    train(data, tmp_path / "first", capsys, max_number_of_steps=0)
    log = tmp_path / "grey"
    checkpoint = tmp_path / "first" / "model.ckpt-0"
    status, _, lines = train(
        data, log, capsys, checkpoint_path=checkpoint, use_grayscale=True, max_number_of_steps=1
    )
    assert status == 0
    (line,) = [line for line in lines if line.startswith("RGB kernels for grayscale")]
    assert line.endswith("randomly initialized: 1 (MobilenetV1/Conv2d_0/weights)")
    saved = tf.train.load_checkpoint(str(log))
    assert saved.get_variable_to_shape_map()["MobilenetV1/Conv2d_0/weights"] == [3, 3, 1, 8]
    assert read_run(log).use_grayscale
    assert len(rows(log, "validation")) == 1


def test_lenet_uses_grayscale_by_default(data, tmp_path, capsys):
    status, _, _ = train(
        data, tmp_path, capsys, model_name="lenet", image_size=28, max_number_of_steps=1
    )
    run = read_run(tmp_path)
    assert (status, run.use_grayscale, run.preprocessing_name) == (0, True, "lenet")


def test_missing_moving_averages_are_refused(data, tmp_path, capsys):
    train(data, tmp_path / "first", capsys, max_number_of_steps=0)
    for checkpoint, expected in (
        (tmp_path / "first", "holds no moving averages"),
        ("none", "has no effect with --checkpoint_path none"),
    ):
        with pytest.raises(BadInput, match=f"--restore_moving_averages.*{expected}"):
            train(
                *(data, tmp_path / "second", capsys),
                checkpoint_path=checkpoint,
                restore_moving_averages=True,
            )


def test_broken_checkpoint_is_named_before_the_first_step(data, tmp_path, capsys):
    train(data, tmp_path / "first", capsys, max_number_of_steps=0)
    weights = tmp_path / "first" / "model.ckpt-0.data-00000-of-00001"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    with pytest.raises(BadInput, match="model.ckpt-0 is broken") as error:
        train(
            data, tmp_path / "second", capsys, checkpoint_path=tmp_path / "first" / "model.ckpt-0"
        )
    assert "\n" not in str(error.value)


def test_resumed_run_keeps_its_initial_weights_on_record(data, tmp_path, capsys):
    train(data, tmp_path / "first", capsys, max_number_of_steps=0)
    log, checkpoint = tmp_path / "log", tmp_path / "first" / "model.ckpt-0"
    train(data, log, capsys, checkpoint_path=checkpoint, max_number_of_steps=0)
    _, _, lines = train(
        *(data, log, capsys),
        checkpoint_path=None,  # which would be fetched, were it read
        checkpoint_exclude_scopes="Nowhere",
        restore_moving_averages=True,
        ignore_missing_vars=True,
        max_number_of_steps=1,
    )
    assert not [line for line in lines if line.startswith("Changed: ") and "max_number" not in line]
    flags = read_run(log).flags
    assert flags["checkpoint_path"] == str(checkpoint)
    assert flags["checkpoint_exclude_scopes"] == "MobilenetV1/Logits"
    assert not flags["restore_moving_averages"] and not flags["ignore_missing_vars"]


@pytest.mark.parametrize(
    ("flag", "value", "expected"),
    [
        ("model_name", "inception_resnet", "did you mean inception_resnet_v2"),
        ("dataset_dir", "nowhere", "--dataset_dir nowhere is not a folder"),
        ("checkpoint_path", "nowhere.ckpt", "no file named nowhere.ckpt"),
        ("trainable_scopes", "Nowhere", "--trainable_scopes Nowhere names no variable"),
    ],
)
def test_wrong_flag_is_named(data, tmp_path, capsys, flag, value, expected):
    with pytest.raises(BadInput, match=expected) as error:
        scripts.run(train_flowers, words(data, tmp_path, **{flag: value}))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "checkpoint").exists()


def test_list_variables_prints_scopes_and_trains_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert scripts.run(train_flowers, ["--list_variables", "--model_name=lenet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    scopes = [line.partition(":")[0] for line in lines if line.startswith("LeNet")]
    assert scopes == ["LeNet/conv1", "LeNet/conv2", "LeNet/fc3", "LeNet/fc4"]
    # 5x5 kernels: 1 -> 32 -> 64 channels, then 7 * 7 * 64 -> 1024 -> 1001, and the biases.
    parameters = 832 + 51_264 + 3_212_288 + 1024 * 1001 + 1001
    assert f"{parameters:,} trainable" in lines[-1]
    assert list(tmp_path.iterdir()) == []


def test_list_variables_uses_the_classes_of_the_dataset(data, capsys):
    scripts.run(train_flowers, ["--list_variables", "--model_name=lenet", f"--dataset_dir={data}"])
    assert f"LeNet/fc4: 2 variables with {1024 * 3 + 3:,} parameters" in capsys.readouterr().out
    with pytest.raises(BadInput, match="--dataset_dir nowhere is not a folder"):
        scripts.run(
            train_flowers, ["--list_variables", "--model_name=lenet", "--dataset_dir=nowhere"]
        )


def test_stopped_run_is_not_marked_as_ended(data, tmp_path, capsys, monkeypatch):
    seen = []

    def validate(self, session, step):
        seen.append(read_run(tmp_path).ended)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Validation, "run", validate)
    train(data, tmp_path, capsys, num_epochs=2)
    assert (seen, read_run(tmp_path).ended) == ([False], False)
    monkeypatch.undo()
    train(data, tmp_path, capsys, num_epochs=2)
    assert read_run(tmp_path).ended


def test_empty_split_is_named_before_the_graph_is_built(tmp_path, capsys):
    photos = write_photos(tmp_path / "photos", dict.fromkeys(CLASSES, 1))
    write_shards(photos, tmp_path / "data", validation_fraction=0.1, progress=False)
    with pytest.raises(BadInput, match="the split validation holds no image"):
        train(tmp_path / "data", tmp_path / "log", capsys)
    assert not (tmp_path / "log").exists()


def test_log_dir_that_is_a_file_is_refused(data, tmp_path, capsys):
    (tmp_path / "log").write_text("")
    with pytest.raises(BadInput, match="--log_dir .*log cannot be written to"):
        train(data, tmp_path / "log", capsys)


def test_every_flag_is_read(data, tmp_path, capsys):
    """Each flag appears where the run is made, so that none is an empty promise."""
    parsed = vars(train_flowers.parse_flags([]))
    script = Path(train_flowers.__file__)
    folders = (script.parent, script.parent / "training")
    sources = [path for folder in folders for path in folder.glob("*.py")]
    text = "\n".join(path.read_text() for path in sources)
    by_table = {flag for row in OPTIMIZERS.values() for flag in row.flags.values()}
    unread = [name for name in parsed if not re.search(rf"flags\.{name}\b", text)]
    assert set(unread) - set(MODE_FLAGS) == by_table
