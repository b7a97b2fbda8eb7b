import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_run
from matplotlib.image import imread
from random_keras import ROUNDING, SlimNetwork, small_values

from benchmarks import keras_transfer, recipes
from benchmarks.recipes_plot import median_curve, plot_accuracy_over_time
from keras_conversion.files import eager_keras
from nets.nets_factory import get_network_fn
from slim_on_tf2 import tf
from system.errors import BadInput
from training.recipes import RECIPES

ROOT = Path(recipes.__file__).resolve().parent.parent
# Two steps of six images.
TINY = f"{recipes.TRAIN} --recipe best --max_number_of_steps 2 --batch_size 6 --warmup_epochs 0"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_run.make_dataset(tmp_path_factory.mktemp("dataset"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A checkpoint of the tiny network with seven classes."""
    with tf.Graph().as_default(), tf.Session() as session:
        get_network_fn("mobilenet_v1_025", 7)(tf.zeros([1, 32, 32, 3]))
        session.run(tf.global_variables_initializer())
        return tf.train.Saver().save(session, str(tmp_path_factory.mktemp("weights") / "w.ckpt"))


@pytest.fixture
def argv(data, weights, tmp_path, monkeypatch):
    """The command line of the tiny network, without the variants."""
    monkeypatch.chdir(ROOT)
    flags = {"dataset_dir": data, "model_name": "mobilenet_v1_025", "checkpoint_path": weights}
    flags |= {"image_size": 32, "log_dir": tmp_path / "runs", "seeds": 0}
    return [f"--{name}={value}" for name, value in flags.items()]


def result(variant, best, last, seconds, **more):
    times = {"seconds": seconds, "seconds_after_imports": seconds - 5}
    times["processor_seconds"] = 2 * seconds
    metrics = {"steps": 9, "accuracy": last, "best_accuracy": best}
    return {"variant": variant, "seed": 0, "command": "python", "metrics": metrics} | times | more


def test_finished_run_is_reported_and_not_repeated(argv, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(recipes.VARIANTS, "best", TINY)
    assert recipes.main([*argv, "--only=best"]) == 0
    folder = tmp_path / "runs" / "best" / "0"
    stored = json.loads((folder / "result.json").read_text())
    assert stored["command"] in capsys.readouterr().out
    assert 0 < stored["seconds_after_imports"] < stored["seconds"]
    assert stored["processor_seconds"] > 0
    ((seconds, step, accuracy),) = stored["validations"]
    assert (step, stored["metrics"]["steps"]) == (2, 2)
    assert accuracy == pytest.approx(stored["metrics"]["accuracy"], abs=5e-4)
    assert seconds < stored["seconds"]
    assert (folder / "output.txt").read_text().startswith(stored["command"] + "\n")
    with (tmp_path / "runs" / "recipes.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["variant"], row["steps"], float(row["seconds"])) == ("best", "2", stored["seconds"])
    assert imread(tmp_path / "runs" / "recipes.png").std() > 0

    monkeypatch.setattr(recipes, "run", None)  # fails if it is called
    assert recipes.main([*argv, "--only=best", "--split=validation"]) == 0
    best = 100 * stored["metrics"]["best_accuracy"]
    assert "validation %" in (out := capsys.readouterr().out)
    assert out.splitlines()[3].endswith(f"{best:.1f} / {best:.1f} / {best:.1f}")
    monkeypatch.setitem(RECIPES["best"], "learning_rate", (0.5, "a changed recipe"))
    with pytest.raises(BadInput, match="result.json is the result of another command"):
        recipes.main([*argv, "--only=best"])


def test_interrupted_run_starts_again_and_failure_is_reported(argv, tmp_path, monkeypatch, capsys):
    script = tmp_path / "script.py"
    script.write_text("print('Device: CPU')\nraise SystemExit('no such thing')\n")
    folder = tmp_path / "runs" / "best" / "0"
    folder.mkdir(parents=True)
    (folder / "model.ckpt-1.index").touch()
    flags = recipes.parse_flags([*argv, "--only=best"])
    with pytest.raises(BadInput, match="was not written by this script"):
        recipes.plan(flags)
    (folder / "output.txt").touch()
    ((trial,), _) = recipes.plan(flags)
    assert trial.folder == folder
    failing = recipes.Trial("best", 0, folder, (str(script),))
    monkeypatch.setattr(recipes, "plan", lambda flags: ([failing], []))
    assert recipes.main([*argv, "--only=best"]) == 1
    assert "best, seed 0: failed" in (out := capsys.readouterr().out)
    assert out.splitlines()[0].endswith("no such thing")
    assert [file.name for file in folder.iterdir()] == ["output.txt"]


def test_flags_of_every_variant_are_accepted(argv, tmp_path):
    trials, skipped = recipes.plan(recipes.parse_flags([*argv, "--seeds=3,1"]))
    names = [trial.variant for trial in trials]
    left_out = {line.partition(":")[0] for line in skipped}
    assert names[: len(names) // 2] == [name for name in recipes.VARIANTS if name not in left_out]
    assert [trial.seed for trial in trials] == sorted([3, 1] * (len(names) // 2), reverse=True)
    assert {"tutorial", "quick", "best", "keras_1e-4", "keras_1e-5"} <= set(names)
    assert all(line.endswith("not run, equals best") for line in skipped)
    commands = {trial.variant: trial.command for trial in trials}
    assert "--moving_average_decay" not in commands["no_moving_averages"]
    assert f"--features_dir {tmp_path}/runs/quick/1/features" in commands["quick"]


def test_variants_that_keras_lacks_are_skipped(argv):
    others = ["--model_name=mobilenet_v1_025", "--model_name=lenet", "--checkpoint_path=none"]
    _, skipped = recipes.plan(
        recipes.parse_flags([*argv, *others, "--image_size=28", "--only=tutorial,keras_1e-4"])
    )
    assert skipped == ["keras_1e-4: not run, Keras has no lenet"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--only=bets", "--only: unknown variant 'bets'; expected tutorial, quick, best"),
        ("--split=test", "--split test: .* has the splits train, validation"),
        ("--dataset_dir=nowhere", "--dataset_dir nowhere is not a folder"),
    ],
)
def test_bad_flags_are_refused(argv, word, message):
    with pytest.raises(BadInput, match=message):
        recipes.main([*argv, word])


def test_table_shows_least_median_and_greatest():
    results = [
        result("best", 0.7, 0.65, 300, split_accuracy=0.6),
        result("best", 0.8, 0.75, 100, split_accuracy=0.7),
        result("best", 0.75, 0.75, 200, split_accuracy=0.8),
        result("keras_1e-4", 0.5, 0.4, 60, split_accuracy=None),
    ]
    _, titles, best, keras = recipes.table_lines(results, "test")
    expected = "runs best % last % seconds after imports of processors test %"
    assert " ".join(titles.split()) == expected
    assert " ".join(best.split()) == (
        "best 3 70.0 / 75.0 / 80.0 65.0 / 75.0 / 75.0 100.0 / 200.0 / 300.0 "
        "95.0 / 195.0 / 295.0 200.0 / 400.0 / 600.0 60.0 / 70.0 / 80.0"
    )
    assert keras.split()[:2] == ["keras_1e-4", "1"] and keras.endswith(" -")


def test_curve_is_the_median_of_what_all_seeds_reached(tmp_path):
    runs = [[[60, 5, 0.5], [120, 10, 0.7]], [[62, 5, 0.3], [125, 10, 0.8], [180, 15, 0.9]]]
    seconds, accuracies = median_curve(list(map(np.array, runs)))
    np.testing.assert_allclose(seconds, [61, 122.5])
    np.testing.assert_allclose(accuracies, [0.4, 0.75])
    results = {"best": [{"validations": run} for run in runs], "mixup": [{"validations": []}]}
    full = imread(plot_accuracy_over_time(results, tmp_path / "full.png"))
    empty = imread(plot_accuracy_over_time({}, tmp_path / "empty.png"))
    assert full.std() > empty.std() > 0


def test_keras_prints_what_train_flowers_prints(data, weights):
    words = f"--dataset_dir={data} --checkpoint_path={weights} --model_name=mobilenet_v1_025"
    words += " --image_size=32 --batch_size=6 --head_epochs=1 --epochs=1"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.keras_transfer", *words.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    device, read, *validations, last = done.stdout.splitlines()
    assert device.startswith("Device:") and read.startswith("Data: 18 images to train on")
    found = [recipes.VALIDATION.match(line) for line in validations]
    assert [int(match[1]) for match in found] == [3, 6]
    accuracies = [float(match[3]) for match in found]
    metrics = json.loads(last)
    assert metrics["steps"] == 6
    assert metrics["accuracy"] == pytest.approx(accuracies[-1], abs=5e-4)
    assert metrics["best_accuracy"] == pytest.approx(max(accuracies), abs=5e-4)
    assert "ran out of data" not in done.stderr


def test_keras_starts_from_the_features_of_the_checkpoint(data, weights):
    words = f"--dataset_dir={data} --checkpoint_path={weights} --model_name=mobilenet_v1_025"
    flags = keras_transfer.parse_flags([*words.split(), "--image_size=32"])
    values = small_values()
    images = np.random.default_rng(0).uniform(-1, 1, (3, 32, 32, 3)).astype(np.float32)
    with eager_keras():
        base, model = keras_transfer.build_model(flags, values, num_classes=3)
        base.trainable = False
        assert [weight.path for weight in model.trainable_weights] == ["head/kernel", "head/bias"]
        assert model.output_shape == (None, 3)
        features = np.array(base(images, training=False)).reshape(3, -1)
    network = SlimNetwork("mobilenet_v1_025", 32)
    expected = network.run(values, images, "AvgPool_1a").reshape(3, -1)
    np.testing.assert_allclose(features, expected, rtol=0, atol=ROUNDING * np.abs(expected).max())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--dataset_dir=nowhere", "--dataset_dir nowhere is not a folder"),
        ("--checkpoint_path=none", "--checkpoint_path none: expected pretrained weights"),
        ("--head_epochs=0 --epochs=0", "trains nothing"),
    ],
)
def test_bad_flags_of_keras_are_refused(data, words, message):
    with pytest.raises(BadInput, match=message):
        keras_transfer.parse_flags([f"--dataset_dir={data}", *words.split()])
