"""A tiny dataset and a tiny network, for tests that train."""

import csv
import json
import os
from pathlib import Path

import scripts
from tiny_photos import write_photos

import train_flowers
from datasets.shards import write_shards
from training.progress import Progress

CLASSES = ("daisy", "roses", "tulips")
IMAGES = 8  # of each class; 6 to train on, 2 to validate on
BATCH_SIZE = 6  # so that an epoch is 3 steps
FLAGS = {
    "model_name": "mobilenet_v1_025",
    "image_size": 32,
    "batch_size": BATCH_SIZE,
    "summary_steps": 1,
    "checkpoint_path": "none",
}


def make_dataset(folder):
    """Converts tiny photos; returns the folder of the TFRecords."""
    photos = write_photos(Path(folder, "photos"), dict.fromkeys(CLASSES, IMAGES))
    write_shards(photos, Path(folder, "data"), validation_fraction=0.25, progress=False)
    return Path(folder, "data")


def words(data, log, **flags):
    """The command line that trains the tiny network on `data`, in the folder `log`.

    True gives a switch, None leaves a flag out.
    """
    chosen = FLAGS | {"dataset_dir": data, "log_dir": log} | flags
    return [
        f"--{name}" if value is True else f"--{name}={value}"
        for name, value in chosen.items()
        if value is not None
    ]


def train(data, log, capsys, **flags):
    """Trains in this process; returns the exit status, the last line's JSON, and all lines."""
    status = scripts.run(train_flowers, words(data, log, **flags))
    lines = capsys.readouterr().out.splitlines()
    return status, json.loads(lines[-1]), lines


def send_at_step(patch, number, at):
    """Lets a training in this process send itself a signal after the console line of step `at`.

    Args:
      patch: a `pytest.MonkeyPatch`.
      number: the signal.
      at: the step.
    """
    report = Progress.report

    def report_and_send(self, step, learning_rate):
        report(self, step, learning_rate)
        if step == at:
            os.kill(os.getpid(), number)

    patch.setattr(Progress, "report", report_and_send)


def rows(log_dir, split="train"):
    """The rows of metrics.csv of one split."""
    with Path(log_dir, "metrics.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["split"] == split]
