"""A run recorded by version 0.1.0 is resumed, evaluated, used for prediction, and exported.

tests/old_run holds lenet at 4 px after 3 steps on the images of `tiny_run.make_dataset`.
"""

import csv
import json
import shutil
from pathlib import Path

import pytest
import scripts
from tiny_run import make_dataset, rows, train
from tiny_serving import predict_in_this_process
from tolerance import float32_tolerance

import eval_flowers
import export_flowers
import predict_flowers
from slim_on_tf2 import tf

OLD_RUN = Path(__file__).resolve().parent / "old_run"
# What version 0.1.0 measured on the validation split after 3 steps, and after resuming to step 6.
LOSS_AT_3, LOSS_AT_6 = 1.10827887, 1.10826898
TRAINING_LOSSES = [1.09918451, 1.15418494, 1.01952279]  # of the steps 4 to 6


@pytest.fixture
def old(tmp_path):
    """The folder of the run, `log`, laid out as version 0.1.0 left it, and its dataset, `data`."""
    make_dataset(tmp_path)
    log = tmp_path / "log"
    (log / "best").mkdir(parents=True)
    (log / "validation").mkdir()
    for file in OLD_RUN.iterdir():
        if file.name.startswith("events"):
            shutil.copy(file, log / "validation")
        elif file.name != "best.json":
            shutil.copy(file, log)
    for file in OLD_RUN.glob("best.json"), OLD_RUN.glob("model.ckpt-3.*"):
        for each in file:
            shutil.copy(each, log / "best")
    return tmp_path


def test_old_run_resumes_as_version_0_1_0_did(old, capsys):
    flags = {"model_name": "lenet", "image_size": 4, "optimizer": "sgd", "seed": 1}
    status, result, lines = train(old / "data", old / "log", capsys, max_number_of_steps=6, **flags)
    assert (status, result["steps"]) == (0, 6)
    assert any(line.startswith("Resuming from") and "model.ckpt-3" in line for line in lines)
    assert [int(row["step"]) for row in rows(old / "log")] == [1, 2, 3, 4, 5, 6]
    assert rows(old / "log")[0]["images_per_second"] == "46.8775578"
    # The same images, augmentation and dropout masks as version 0.1.0 drew after its checkpoint.
    losses = [float(row["loss"]) for row in rows(old / "log")[3:]]
    assert losses == pytest.approx(TRAINING_LOSSES, rel=4 * float32_tolerance(4))
    (at_3, at_6) = rows(old / "log", "validation")
    assert float(at_3["loss"]) == LOSS_AT_3
    # Three steps and an evaluation of four layers.
    assert float(at_6["loss"]) == pytest.approx(LOSS_AT_6, rel=4 * float32_tolerance(4))


def test_old_run_is_evaluated_predicted_and_exported(old, capsys, monkeypatch):
    log, data = old / "log", f"--dataset_dir={old / 'data'}"
    scripts.run(eval_flowers, [f"--log_dir={log}", data])
    metrics = json.loads((log / "eval" / "metrics.json").read_text())
    assert metrics["loss"] == pytest.approx(LOSS_AT_3, rel=float32_tolerance(4))
    with (log / "eval" / "predictions.csv").open(newline="") as file:
        evaluated = {row["filename"]: row["prediction"] for row in csv.DictReader(file)}

    table = old / "table.jsonl"
    photos = [old / "photos" / name for name in evaluated]
    scripts.run(predict_flowers, [f"--log_dir={log}", f"--output={table}", *photos])
    predicted = [json.loads(line) for line in table.read_text().splitlines()]
    assert [row["labels"][0] for row in predicted] == list(evaluated.values())

    predict_in_this_process(monkeypatch)
    scripts.run(export_flowers, [f"--log_dir={log}", data, f"--export_dir={old / 'exports'}"])
    exported = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert exported["models"][0]["same_answers"] == len(evaluated) == 6


def test_old_event_file_is_read():
    (path,) = OLD_RUN.glob("events*")
    events = list(tf.train.summary_iterator(str(path)))
    values = {v.tag: v.simple_value for event in events for v in event.summary.value}
    assert values == {
        "losses/cross_entropy": pytest.approx(LOSS_AT_3),
        "accuracy": pytest.approx(1 / 3),
    }
