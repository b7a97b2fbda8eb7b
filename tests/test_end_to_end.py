"""The whole path as a user walks it, each script in a process of its own."""

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_photos import write_photos
from tiny_run import CLASSES, rows, words

from nets.nets_factory import get_network_fn
from slim_on_tf2 import slim, tf

ROOT = Path(__file__).resolve().parent.parent


def script(name, *flags):
    """Runs a script; returns its lines."""
    done = subprocess.run(
        [sys.executable, str(ROOT / name), *map(str, flags)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines()


def published_checkpoint(path):
    """Stands in for a published network: another number of classes, random weights, V1 format."""
    with tf.Graph().as_default(), tf.Session() as session:
        get_network_fn("mobilenet_v1_025", 1001)(tf.zeros([1, 32, 32, 3]))
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver(slim.get_model_variables(), write_version=tf.train.SaverDef.V1)
        return saver.save(session, str(path))


def kill_at(command, text):
    """Starts a command and sends SIGKILL once it says `text`; returns its exit status."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if text in line:
                process.kill()
    return process.returncode


def test_convert_train_kill_resume_evaluate(tmp_path):
    photos = write_photos(tmp_path / "photos", dict.fromkeys(CLASSES, 8))
    data, log = tmp_path / "data", tmp_path / "log"
    folders = (f"--photos_dir={photos}", f"--dataset_dir={data}")
    converted = script("convert_flowers.py", *folders, "--validation_fraction=0.25")
    assert json.loads(converted[-1])["num_examples"] == {"train": 18, "validation": 6}

    checkpoint = published_checkpoint(tmp_path / "published.ckpt")
    flags = words(data, log, checkpoint_path=checkpoint, max_number_of_steps=8, save_steps=2)
    command = [sys.executable, str(ROOT / "train_flowers.py"), *flags]
    assert kill_at(command, "step 5/8") == -signal.SIGKILL
    saved = tf.train.latest_checkpoint(str(log))

    lines = script("train_flowers.py", *flags)
    result = json.loads(lines[-1])
    assert any(f"Resuming from {saved}" in line for line in lines)
    assert result["steps"] == 8
    assert [int(row["step"]) for row in rows(log)] == list(range(1, 9))

    evaluated = json.loads(script("eval_flowers.py", f"--log_dir={log}")[-1])
    with (log / "eval" / "predictions.csv").open(newline="") as file:
        predictions = list(csv.DictReader(file))
    right = sum(row["prediction"] == row["filename"].split("/")[0] for row in predictions)
    assert evaluated["num_examples"] == len(predictions) == 6
    assert evaluated["accuracy"] == pytest.approx(right / 6)
    assert evaluated["accuracy"] == pytest.approx(result["best_accuracy"], abs=1e-6)


def test_wrong_input_is_one_line_and_exit_status_2(tmp_path):
    for name, *flags in (
        ("train_flowers.py", "--batch_size=0"),
        ("train_flowers.py", f"--dataset_dir={tmp_path / 'nowhere'}"),
        ("eval_flowers.py", f"--log_dir={tmp_path}"),
        ("convert_flowers.py", f"--photos_dir={tmp_path / 'nowhere'}", f"--dataset_dir={tmp_path}"),
    ):
        done = subprocess.run(
            [sys.executable, str(ROOT / name), *flags], capture_output=True, text=True
        )
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.startswith(f"{name}: ")
        assert done.stderr.count("\n") == 1
