import csv
import json
from pathlib import Path

import numpy as np
import pytest
import scripts
from PIL import Image
from tiny_run import CLASSES, make_dataset, rows, train, words
from tolerance import float32_tolerance

import eval_flowers
import train_flowers
from datasets.splits import get_split
from evaluation.plot_windows import show
from slim_on_tf2 import tf
from system.errors import BadInput
from training.failures import Diverged
from training.run_record import read_run

PLOTS = ("predictions", "mistakes", "confusion_matrix", "calibration", "per_class")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of three steps and its dataset, evaluated once."""
    folder = tmp_path_factory.mktemp("run")
    data = make_dataset(folder)
    with tf.Graph().as_default():
        scripts.run(train_flowers, words(data, folder / "log", num_epochs=1))
        scripts.run(eval_flowers, [f"--log_dir={folder / 'log'}", "--batch_size=4"])
    return folder


def read_predictions(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_metrics_equal_a_count_by_hand(run):
    metrics = json.loads((run / "log" / "eval" / "metrics.json").read_text())
    rows = read_predictions(run / "log" / "eval" / "predictions.csv")
    assert list(rows[0]) == ["filename", "label", "prediction", *CLASSES]
    # Six photos were held out; the folder that a photo lay in is its truth.
    assert len({row["filename"] for row in rows}) == len(rows) == metrics["num_examples"] == 6
    assert all(row["filename"].startswith(f"{row['label']}/") for row in rows)
    for row in rows:
        probabilities = [float(row[name]) for name in CLASSES]
        assert sum(probabilities) == pytest.approx(1, abs=1e-5)
        assert row["prediction"] == CLASSES[int(np.argmax(probabilities))]
    right = sum(row["prediction"] == row["label"] for row in rows)
    assert metrics["accuracy"] == pytest.approx(right / 6)
    surprise = [-np.log(float(row[row["label"]])) for row in rows]
    assert metrics["loss"] == pytest.approx(np.mean(surprise), rel=1e-4)
    for i, truth in enumerate(CLASSES):
        for j, prediction in enumerate(CLASSES):
            pairs = [(row["label"], row["prediction"]) for row in rows]
            assert metrics["confusion_matrix"][i][j] == pairs.count((truth, prediction))
    assert metrics["global_step"] == 3
    assert metrics["split"] == "validation"
    assert metrics["checkpoint"] == str(run / "log" / "best" / "model.ckpt-3")


@pytest.mark.parametrize(
    "flags", [{"use_grayscale": True, "preprocessing_name": "none"}, {"model_name": "lenet"}]
)
def test_evaluation_prepares_images_as_training_did(run, tmp_path, capsys, flags):
    _, trained, _ = train(run / "data", tmp_path, capsys, max_number_of_steps=2, **flags)
    scripts.run(eval_flowers, [f"--log_dir={tmp_path}"])
    evaluated = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert evaluated["accuracy"] == pytest.approx(trained["accuracy"], abs=1e-6)
    (validation,) = rows(tmp_path, "validation")
    assert evaluated["loss"] == pytest.approx(float(validation["loss"]), rel=float32_tolerance(28))


def test_evaluation_agrees_with_validation_in_training(run):
    best = json.loads((run / "log" / "best" / "best.json").read_text())
    metrics = json.loads((run / "log" / "eval" / "metrics.json").read_text())
    assert best["accuracy"] == pytest.approx(metrics["accuracy"])
    assert best["loss"] == pytest.approx(metrics["loss"], rel=float32_tolerance(28))


def test_plots_are_written_and_shown_in_tensorboard(run):
    for name in PLOTS:
        assert Image.open(run / "log" / "eval" / f"{name}.png").size[0] > 300
    tags = {}
    for path in (run / "log" / "eval").glob("events*"):
        for event in tf.train.summary_iterator(str(path)):
            tags |= {value.tag: event.step for value in event.summary.value}
    assert {f"plots/{name}" for name in PLOTS} | {"accuracy", "losses/cross_entropy"} <= set(tags)
    assert set(tags.values()) == {3}


def test_report_and_projector_show_the_predictions(run):
    folder = run / "log" / "eval"
    metrics = json.loads((folder / "metrics.json").read_text())
    page = (folder / "report.html").read_text()
    assert f"{100 * metrics['accuracy']:.1f} %" in page
    assert page.count("data:image/png") == 4  # confusion matrix, calibration, scores, curves
    (points,) = ((folder / "projector" / "metadata.tsv").read_text(),)
    assert {line.split("\t")[0] for line in points.splitlines()[1:]} == {
        row["filename"] for row in read_predictions(folder / "predictions.csv")
    }
    # The last layer of mobilenet_v1_025 reads 256 numbers.
    assert np.loadtxt(folder / "projector" / "features.tsv").shape == (6, 256)


def test_metrics_hold_what_a_comparison_reads(run, capsys):
    metrics = json.loads((run / "log" / "eval" / "metrics.json").read_text())
    reader = tf.train.load_checkpoint(metrics["checkpoint"])
    shapes = reader.get_variable_to_shape_map()
    trained = [name for name in shapes if f"{name}/Adam" in shapes]
    assert metrics["parameters"] == sum(int(np.prod(shapes[name])) for name in trained)
    files = Path(metrics["checkpoint"]).parent.glob("model.ckpt-3.*")
    assert metrics["checkpoint_bytes"] == sum(file.stat().st_size for file in files)
    scripts.run(eval_flowers, ["--compare", str(run / "log"), str(run / "log")])
    first, second = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert first["mcnemar"] is None
    assert second["mcnemar"] == {"gained": 0, "lost": 0, "p_value": 1.0}


def test_watch_evaluates_each_checkpoint_of_an_ended_run(run, tmp_path, capsys):
    _, trained, _ = train(run / "data", tmp_path, capsys, max_number_of_steps=4, save_steps=2)
    scripts.run(eval_flowers, [f"--log_dir={tmp_path}", "--watch"])
    lines = [json.loads(x) for x in capsys.readouterr().out.splitlines() if x.startswith("{")]
    assert [line["global_step"] for line in lines] == [2, 3, 4]
    assert lines[-1]["accuracy"] == pytest.approx(trained["accuracy"], abs=1e-6)


def test_explain_adds_heat_maps_to_the_mistakes(run, tmp_path):
    metrics = json.loads((run / "log" / "eval" / "metrics.json").read_text())
    assert metrics["accuracy"] < 1
    scripts.run(eval_flowers, [f"--log_dir={run / 'log'}", f"--eval_dir={tmp_path}", "--explain"])
    plain = Image.open(run / "log" / "eval" / "mistakes.png")
    explained = Image.open(tmp_path / "mistakes.png")
    assert explained.size != plain.size


def test_latest_and_a_path_select_the_same_checkpoint(run, tmp_path):
    results = []
    for which in ("latest", str(run / "log" / "model.ckpt-3")):
        scripts.run(
            eval_flowers,
            [
                f"--log_dir={run / 'log'}",
                f"--checkpoint={which}",
                f"--eval_dir={tmp_path}",
                "--batch_size=4",
            ],
        )
        results.append(read_predictions(tmp_path / "predictions.csv"))
    assert results[0] == results[1] == read_predictions(run / "log" / "eval" / "predictions.csv")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--log_dir=nowhere"], "nowhere/run.json does not exist"),
        (["--checkpoint=nowhere.ckpt"], "--checkpoint nowhere.ckpt does not exist"),
        (["--split=holdout"], "holdout"),
        (["--dataset_dir=nowhere"], "nowhere"),
    ],
)
def test_wrong_flag_is_named(run, flags, expected):
    with pytest.raises(BadInput, match=expected) as error:
        scripts.run(eval_flowers, [f"--log_dir={run / 'log'}", *flags])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--compare", "a", "b", "--split=test"], "--split cannot be combined with --compare"),
        (["--watch", "--checkpoint=latest"], "--checkpoint cannot be combined with --watch"),
        (["--watch", "--show"], "--show cannot be combined with --watch"),
        (["--timeout=3"], "--timeout requires --watch"),
    ],
)
def test_conflicting_flags_are_refused(flags, expected):
    with pytest.raises(BadInput, match=expected):
        eval_flowers.parse_flags(flags)


def test_dataset_with_other_classes_is_refused(run, tmp_path):
    other = make_dataset(tmp_path)
    labels = other / "labels.txt"
    labels.write_text(labels.read_text().replace("daisy", "lilies"))
    (other / "dataset.json").unlink()
    with pytest.raises(BadInput, match="lilies, roses, tulips.* are not those"):
        scripts.run(eval_flowers, [f"--log_dir={run / 'log'}", f"--dataset_dir={other}"])


def test_checkpoint_of_another_network_is_refused(run, tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        variable = tf.get_variable("other", [1])
        session.run(variable.initializer)
        path = tf.train.Saver([variable]).save(session, str(tmp_path / "other.ckpt"))
    with pytest.raises(BadInput, match="is not of the network that run.json names .* is missing"):
        scripts.run(eval_flowers, [f"--log_dir={run / 'log'}", f"--checkpoint={path}"])


def test_broken_checkpoint_is_refused(run, tmp_path):
    for file in (run / "log").glob("model.ckpt-3.*"):
        half = file.read_bytes()
        cut = len(half) // 2 if ".data" in file.name else len(half)
        (tmp_path / file.name).write_bytes(half[:cut])
    with pytest.raises(BadInput, match="is broken; give --checkpoint another one of that run"):
        scripts.run(
            eval_flowers, [f"--log_dir={run / 'log'}", f"--checkpoint={tmp_path / 'model.ckpt-3'}"]
        )


def test_interrupted_evaluation_has_no_result(run):
    evaluator = eval_flowers.build_evaluator(
        read_run(run / "log"), get_split("validation", run / "data"), batch_size=2
    )
    checkpoint = str(run / "log" / "model.ckpt-3")
    batches = []
    interrupted = lambda: len(batches) == 2  # noqa: E731
    assert evaluator.evaluate(checkpoint, interrupted, batches.append) is None
    assert len(batches) == 2
    assert len(evaluator.evaluate(checkpoint).losses) == 6


def test_diverged_weights_are_refused(run, tmp_path):
    reader = tf.train.load_checkpoint(str(run / "log" / "model.ckpt-3"))
    with tf.Session() as session:
        for name in reader.get_variable_to_shape_map():
            tf.get_variable(name, initializer=reader.get_tensor(name))
        session.run(tf.global_variables_initializer())
        biases = tf.global_variables("MobilenetV1/Logits/Conv2d_1c_1x1/biases:0")[0]
        session.run(biases.assign([np.nan] * 3))
        path = tf.train.Saver().save(session, str(tmp_path / "nan.ckpt"))
    evaluator = eval_flowers.build_evaluator(
        read_run(run / "log"), get_split("validation", run / "data"), 6
    )
    with pytest.raises(Diverged, match="weights of step 3"):
        evaluator.evaluate(path)


def test_show_without_a_display_prints_a_line(capsys, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    show([])
    assert "there is no display" in capsys.readouterr().out
