"""Ingredients of recipes in a whole training: each does what it says, and all of them resume."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_photos import write_photos
from tiny_run import FLAGS, rows, train, words

import eval_flowers
import train_flowers
from datasets.shards import write_shards
from evaluation.sample_size import describe_splits
from slim_on_tf2 import tf
from system.errors import BadInput
from train_flags import describe_settings, flags_of_call, parse_flags
from training.class_weights import get_class_weights
from training.failures import Diverged
from training.flag_checks import EPOCHS
from training.optimization import accumulate_fn
from training.rate_finder import smooth_losses, suggest_rate
from training.recipes import RECIPES
from training.run_checkpoints import BestCheckpoint, find_weights
from training.run_record import read_run

ROOT = Path(__file__).parent.parent
EVERYTHING = {
    "head_init": "fit",
    "optimizer": "adamw",
    "learning_rate": 0.005,
    "learning_rate_decay_type": "cosine",
    "warmup_epochs": 0.5,
    "learning_rate_multipliers": "MobilenetV1/Logits=2",
    "layer_decay": 0.9,
    "accumulate_steps": 2,
    "clip_gradient_norm": 1.0,
    "label_smoothing": 0.1,
    "augmentation": "strong",
    "mixup_alpha": 0.2,
    "cutmix_alpha": 1.0,
    "balanced_sampling": True,
    "train_image_scale": 0.75,
    "moving_average_decay": 0.9,
    "best_by": "loss",
    "early_stopping_epochs": 50,
    "batch_size": 4,
    "max_number_of_steps": 9,
    "eval_steps": 3,
}

TRAINING_THAT_KILLS_ITSELF = """
import os, signal, sys

import train_flowers
from train_flags import parse_flags
from training.progress import Progress

report = Progress.report

def report_and_kill(self, step, learning_rate):
    report(self, step, learning_rate)
    if step == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)

Progress.report = report_and_kill
train_flowers.main(parse_flags(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Data of uneven classes, and a run of it whose weights others start from."""
    folder = tmp_path_factory.mktemp("made")
    photos = write_photos(folder / "photos", {"daisy": 12, "roses": 8, "tulips": 4})
    write_shards(photos, folder / "data", validation_fraction=0.25, progress=False)
    train_flowers.fine_tune(
        folder / "data", checkpoint_path="none", max_number_of_steps=2, **settings(folder, "first")
    )
    return folder


def settings(folder, name):
    """The first arguments of `fine_tune` for the tiny network."""
    return {
        "network": FLAGS["model_name"],
        "log_dir": folder / name,
        "image_size": FLAGS["image_size"],
        "summary_steps": 1,
    }


def weights(log_dir, step):
    reader = tf.train.load_checkpoint(str(log_dir / f"model.ckpt-{step}"))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def test_training_with_every_ingredient_resumes_bit_for_bit(made, tmp_path, capsys):
    """Killed twice between two checkpoints, it ends with the weights of an undisturbed training."""
    everything = EVERYTHING | {
        "checkpoint_path": made / "first",
        "features_dir": tmp_path / "features",
    }
    for killed_at in (4, 8):
        command = words(made / "data", tmp_path / "a", **everything)
        done = subprocess.run(
            [sys.executable, "-c", TRAINING_THAT_KILLS_ITSELF, str(killed_at), *command],
            cwd=ROOT,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL
    _, _, lines = train(made / "data", tmp_path / "a", capsys, **everything)
    train(made / "data", tmp_path / "b", capsys, **everything)
    ours, theirs = weights(tmp_path / "a", 9), weights(tmp_path / "b", 9)
    assert ours.keys() == theirs.keys()
    assert any(name.endswith("ExponentialMovingAverage") for name in ours)
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], name)
    for ours, theirs in zip(rows(tmp_path / "a"), rows(tmp_path / "b"), strict=True):
        for column in ("step", "loss", "accuracy", "learning_rate"):
            assert ours[column] == theirs[column]
    assert any("accuracy of the larger label" in line for line in lines)
    assert any("steps 6 to 9, 8 images per step" in line for line in lines)


def test_averages_are_used_where_they_are_better_and_said(made, tmp_path, capsys):
    log_dir = tmp_path / "run"
    train(
        *(made / "data", log_dir, capsys),
        checkpoint_path=made / "first",
        moving_average_decay=0.9,
        max_number_of_steps=4,
        eval_steps=2,
    )
    for row in rows(log_dir, "validation"):
        raw, averages = float(row["raw_accuracy"]), float(row["averages_accuracy"])
        assert float(row["accuracy"]) == max(raw, averages)
    record = BestCheckpoint(log_dir).record
    for wanted in (True, False):
        record["moving_averages"] = wanted
        (log_dir / "best" / "best.json").write_text(json.dumps(record))
        assert find_weights(log_dir) == (str(log_dir / "best" / record["checkpoint"]), wanted)
        metrics = eval_flowers.evaluate(log_dir, eval_dir=tmp_path / "eval")
        assert metrics["moving_averages"] is wanted
        (row,) = (r for r in rows(log_dir, "validation") if int(r["step"]) == record["step"])
        column = "averages_accuracy" if wanted else "raw_accuracy"
        assert metrics["accuracy"] == pytest.approx(float(row[column]), abs=1e-6)
    assert find_weights(log_dir, "latest")[1] is False


def test_batch_norm_of_the_averages_is_averaged_with_the_weights(made, tmp_path, capsys):
    """A moving average of every model variable, by a count over the steps by hand."""
    train(
        *(made / "data", tmp_path / "run", capsys),
        checkpoint_path=made / "first",
        moving_average_decay=0.5,
        max_number_of_steps=3,
        save_steps=1,
    )
    name = "MobilenetV1/Conv2d_0/BatchNorm/moving_mean"
    values = [weights(tmp_path / "run", step)[name].astype(np.float64) for step in (1, 2, 3)]
    average = weights(made / "first", 2)[name]
    for step, value in enumerate(values, start=1):
        decay = min(0.5, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * value
    found = weights(tmp_path / "run", 3)[f"{name}/ExponentialMovingAverage"]
    np.testing.assert_allclose(found, average, rtol=1e-5, atol=1e-7)


def test_run_is_continued_with_all_its_weights(made, tmp_path, capsys):
    old, new = made / "first", tmp_path / "new"
    arguments = [f"--continue_from={old}", f"--log_dir={new}", "--max_number_of_steps=1"]
    train_flowers.main(parse_flags([*arguments, "--batch_size=4", "--learning_rate=1"]))
    assert "Excluded" not in capsys.readouterr().out
    best = BestCheckpoint(new).record  # a better start is not lost
    assert best["step"] == 0
    assert best["accuracy"] == pytest.approx(BestCheckpoint(old).record["accuracy"])
    run = read_run(new)
    assert (run.model_name, run.image_size) == (FLAGS["model_name"], FLAGS["image_size"])
    ours, theirs = weights(new, 0), weights(old / "best", BestCheckpoint(old).record["step"])
    names = [name for name in ours if name.startswith("MobilenetV1") and "Adam" not in name]
    assert any("Logits" in name for name in names)
    for name in names:
        np.testing.assert_array_equal(ours[name], theirs[name])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"log_dir": "first"}, "is the --log_dir itself"),
        ({"checkpoint_path": "none"}, "--checkpoint_path cannot be combined with --continue_from"),
        ({"head_init": "zeros"}, "--head_init cannot be combined with --continue_from"),
        ({"image_size": "64"}, "was trained with 32; leave the flag out"),
    ],
)
def test_continuation_that_contradicts_the_run_is_refused(made, tmp_path, flags, message):
    chosen = {"continue_from": made / "first", "log_dir": tmp_path / "new"} | flags
    if flags.get("log_dir"):
        chosen["log_dir"] = made / "first"
    with pytest.raises(BadInput, match=re.escape(message)):
        parse_flags([f"--{name}={value}" for name, value in chosen.items()])


def test_early_stopping_ends_the_run_and_stays_ended(made, tmp_path, capsys):
    """At a rate that changes nothing, no later validation is better than the first."""
    flags = {
        "checkpoint_path": made / "first",
        "optimizer": "sgd",
        "learning_rate": 1e-30,
        "batch_norm_decay": 0.9999999,
        "num_epochs": 9,
        "early_stopping_epochs": 2,
    }
    _, result, _ = train(made / "data", tmp_path, capsys, **flags)
    validations = [int(row["step"]) for row in rows(tmp_path, "validation")]
    assert validations == [3, 6, 9]  # 18 images in batches of 6
    assert result["steps"] == 9
    assert read_run(tmp_path).ended
    _, again, _ = train(made / "data", tmp_path, capsys, **flags)
    assert again["steps"] == 9


def test_time_budget_shortens_the_run_and_its_schedule(made, tmp_path, capsys):
    """No time is left after the first plan, so the run ends there, with its validation."""
    flags = {
        "checkpoint_path": made / "first",
        "max_minutes": 1e-4,
        "num_epochs": 50,
        "learning_rate_decay_type": "cosine",
    }
    _, result, lines = train(made / "data", tmp_path, capsys, **flags)
    assert 5 <= result["steps"] < 10
    assert int(rows(tmp_path, "validation")[-1]["step"]) == result["steps"]
    assert read_run(tmp_path).ended
    assert any("of 150 steps fit into --max_minutes" in line for line in lines)
    _, again, lines = train(made / "data", tmp_path, capsys, **flags)
    assert again["steps"] == result["steps"]
    assert any("nothing is left to train" in line for line in lines)


def test_learning_rate_is_suggested_and_nothing_else_is_written(made, tmp_path, capsys):
    arguments = {**FLAGS, "dataset_dir": made / "data", "log_dir": tmp_path / "run"}
    arguments |= {"checkpoint_path": made / "first"}
    del arguments["summary_steps"]
    words = [f"--{name}={value}" for name, value in arguments.items()]
    assert train_flowers.main(parse_flags([*words, "--find_learning_rate"])) == 0
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["learning_rate.png"]
    found = float(re.search(r"^Learning rate: (\S+) \(the loss", capsys.readouterr().out, re.M)[1])
    assert 1e-8 < found < 1


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        (None, None),
        ("balanced", [24 / (3 * 12), 24 / (3 * 8), 24 / (3 * 4)]),
        ("roses=2.5,tulips=4", [1.0, 2.5, 4.0]),
    ],
)
def test_class_weights_by_hand(flag, expected):
    assert get_class_weights(flag, {"daisy": 12, "roses": 8, "tulips": 4}) == expected


def test_class_weights_of_an_unknown_class_are_refused_before_the_run_begins(made, tmp_path):
    with pytest.raises(BadInput, match="there is no class 'rose'; the classes are daisy, roses"):
        train_flowers.fine_tune(
            made / "data",
            checkpoint_path=made / "first",
            class_weights="rose=2",
            **settings(tmp_path, "run"),
        )
    assert not (tmp_path / "run").exists()


def test_loss_counts_the_class_weights(made, tmp_path, capsys):
    """With weights zero, a head predicts the same for each image: the loss is known by hand."""
    train(
        *(made / "data", tmp_path, capsys),
        checkpoint_path=made / "first",
        class_weights="balanced",
        max_number_of_steps=3,
        learning_rate=1e-20,
        optimizer="sgd",
    )
    # Balanced weights make the initial prediction uniform: ln 3 for each image, and in an epoch
    # of whole batches the weights of the images have the mean 1.
    losses = [float(row["loss"]) for row in rows(tmp_path)]
    assert np.mean(losses) == pytest.approx(np.log(3), rel=1e-4)
    assert max(losses) > min(losses) + 0.01


def test_uneven_and_small_classes_are_named_at_the_start(made, tmp_path, capsys):
    _, _, lines = train(
        made / "data", tmp_path, capsys, checkpoint_path=made / "first", max_number_of_steps=0
    )
    text = "\n".join(lines)
    # Wilson's interval of 1 of 1, and of 5 of 6.
    assert "tulips has 3 training images and 1 validation images" in text
    assert "interval of 21% to 100%" in text
    assert "Few images: 6 validation images: an accuracy of about 80% has a" in text
    assert "interval of 44% to 97%" in text
    assert "Class imbalance" not in text  # 9 to 3 is not above 3


@pytest.mark.parametrize("flag", [None, "class_weights", "balanced_sampling"])
def test_large_imbalance_names_the_cure_unless_it_is_given(flag):
    splits = [
        SimpleNamespace(class_counts={"daisy": 70, "roses": 20}, num_samples=90),
        SimpleNamespace(class_counts={"daisy": 80, "roses": 30}, num_samples=110),
    ]
    flags = SimpleNamespace(class_weights=None, balanced_sampling=False)
    if flag:
        setattr(flags, flag, True)
    (line,) = describe_splits(flags, *splits)
    assert "daisy has 3.5 times the images of roses (70 and 20)" in line
    assert ("--class_weights balanced" in line) is (flag is None)


@pytest.mark.parametrize(
    ("criterion", "best_step"), [("accuracy", 2), ("loss", 1), ("balanced_accuracy", 3)]
)
def test_criterion_selects_the_best_checkpoint(run_dir, criterion, best_step):
    best = BestCheckpoint(run_dir, criterion)
    for step, values in enumerate([(0.5, 0.1, 0.3), (0.7, 0.4, 0.4), (0.6, 0.2, 0.6)], start=1):
        metrics = dict(zip(("accuracy", "loss", "balanced_accuracy"), values))
        best.save_if_best(str(run_dir / "model.ckpt-3"), step, metrics)
    assert best.record["step"] == best_step


def test_early_stopping_counts_validations_only(made, tmp_path, capsys):
    """With a validation every 9 epochs, 2 epochs without a better one end it at the second."""
    _, result, lines = train(
        *(made / "data", tmp_path, capsys),
        checkpoint_path=made / "first",
        optimizer="sgd",
        learning_rate=1e-30,
        batch_norm_decay=0.9999999,
        max_number_of_steps=30,
        eval_steps=8,
        early_stopping_epochs=2,
    )
    assert result["steps"] == 16
    assert "Stopping: no better validation for 2 epochs, since step 8" in lines


def test_run_with_other_classes_is_not_continued(made, tmp_path):
    photos = write_photos(tmp_path / "photos", {"daisy": 12, "roses": 8, "lilies": 4})
    write_shards(photos, tmp_path / "other", validation_fraction=0.25, progress=False)
    words = [f"--continue_from={made / 'first'}", f"--log_dir={tmp_path / 'new'}"]
    with pytest.raises(BadInput, match="has the classes daisy, roses, tulips"):
        parse_flags([*words, f"--dataset_dir={tmp_path / 'other'}"])


def test_loss_of_an_accumulated_batch_that_is_not_finite_ends_the_run():
    total_loss = tf.constant(np.nan)
    step = tf.train.get_or_create_global_step()
    optimizer = SimpleNamespace(accumulate_op=tf.no_op())
    accumulate = accumulate_fn(optimizer, {"metrics": {"total_loss": total_loss}})
    with tf.Session() as session:
        session.run(step.assign(7))
        with pytest.raises(Diverged, match="step 7"):
            accumulate(SimpleNamespace(session=session))


def test_suggested_rate_is_a_tenth_of_that_with_the_lowest_loss():
    rates = np.logspace(-6, 0, 7)
    losses = np.array([2.0, 2.0, 1.8, 1.0, 1.5, 9.0, 0.1])  # the last one follows an explosion
    assert suggest_rate(rates, losses) == pytest.approx(1e-4)
    np.testing.assert_allclose(smooth_losses(np.full(5, 3.0)), 3.0)
    # Two values: (0.9 * 0.1 * 1 + 0.1 * 2) / (1 - 0.81)
    assert smooth_losses(np.array([1.0, 2.0]))[1] == pytest.approx((0.09 + 0.2) / 0.19)


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_sets_its_flags_and_given_flags_win(made, tmp_path, name):
    first = {"checkpoint_path": str(made / "first")}
    flags = flags_of_call(made / "data", FLAGS["model_name"], tmp_path, first | {"recipe": name})
    for flag, (value, _) in RECIPES[name].items():
        assert getattr(flags, flag) == value
    given = first | {"recipe": name, "seed": 3, "head_init": "published"}
    flags = flags_of_call(made / "data", FLAGS["model_name"], tmp_path, given)
    assert (flags.seed, flags.head_init) == (3, "published")
    assert f"Recipe {name}: " in describe_settings(flags)[0]
    assert "seed 3" in describe_settings(flags)[0]


def test_recipe_leaves_out_what_cannot_apply(made, tmp_path):
    flags = flags_of_call(
        made / "data", "lenet", tmp_path, {"checkpoint_path": "none", "recipe": "best"}
    )
    assert flags.augmentation == "published"  # digits are neither cropped nor mirrored
    assert flags.train_image_scale == 1  # the variables of LeNet fit one size
    with pytest.raises(BadInput, match="--recipe quick fits a new head to pretrained weights"):
        flags_of_call(
            made / "data", "lenet", tmp_path, {"checkpoint_path": "none", "recipe": "quick"}
        )
    of_head = {"checkpoint_path": str(made / "first"), "trainable_scopes": "HEAD"}
    flags = flags_of_call(
        made / "data", FLAGS["model_name"], tmp_path, of_head | {"recipe": "best"}
    )
    assert (flags.augmentation, flags.train_image_scale) == ("published", 1.0)
    whole = {"checkpoint_path": str(made / "first"), "augmentation": "none", "recipe": "best"}
    assert flags_of_call(made / "data", FLAGS["model_name"], tmp_path, whole).train_image_scale == 1


@pytest.mark.parametrize(
    ("network", "image_size", "message"),
    [("lenet", 28, "fit one image size only"), ("inception_v3", 120, "needs at least 107 pixels")],
)
def test_crops_that_the_network_cannot_take_are_refused(made, network, image_size, message):
    flags = {"train_image_scale": 0.75, "image_size": image_size, "checkpoint_path": "none"}
    with pytest.raises(BadInput, match=message):
        flags_of_call(made / "data", network, made / "new", flags)


def test_smaller_crops_train_and_the_network_evaluates_at_its_size(made, tmp_path, capsys):
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        load_batch = train_flowers.load_batch
        patch.setattr(
            train_flowers,
            "load_batch",
            lambda *args, **sizes: seen.append(sizes["height"]) or load_batch(*args, **sizes),
        )
        train(
            *(made / "data", tmp_path, capsys),
            checkpoint_path=made / "first",
            train_image_scale=0.75,
            max_number_of_steps=1,
        )
    assert seen == [24]
    assert read_run(tmp_path).image_size == 32
    assert eval_flowers.evaluate(tmp_path, eval_dir=tmp_path / "eval")["image_size"] == 32


def test_length_of_the_run_is_given_once(made, tmp_path):
    best = {"recipe": "best", "checkpoint_path": str(made / "first")}
    flags = flags_of_call(
        made / "data", FLAGS["model_name"], tmp_path, best | {"max_number_of_steps": 5}
    )
    assert (flags.max_number_of_steps, flags.num_epochs) == (5, None)
    with pytest.raises(BadInput, match="--max_number_of_steps has no effect with --num_epochs"):
        flags_of_call(
            made / "data",
            FLAGS["model_name"],
            tmp_path,
            best | {"max_number_of_steps": 5, "num_epochs": 2},
        )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--find_learning_rate --learning_rate 1", "--learning_rate has no effect with --find"),
        ("--trainable_scopes HEAD,MobilenetV1/Conv2d_13_pointwise", "HEAD stands alone"),
        ("--checkpoint_path none --ignore_missing_vars", "with --checkpoint_path none"),
        ("--momentum 0.8", "--momentum has no effect with --optimizer adam"),
        ("--nesterov", "--optimizer momentum"),
        ("--adam_beta1 0.5 --optimizer sgd", "give --optimizer adam or adamw"),
        ("--opt_epsilon 1 --optimizer ftrl", "--opt_epsilon has no effect"),
        ("--ftrl_l1 0.1", "--ftrl_l1 has no effect"),
        ("--end_learning_rate 0.1", "type other than cosine and polynomial"),
        ("--num_epochs_per_decay 1 --learning_rate_decay_type fixed", "other than exponential"),
        ("--class_weights balanced --balanced_sampling", "has no effect with --balanced_sampling"),
        ("--freeze_batch_norm --batch_norm_decay 0.9", "--batch_norm_decay has no effect"),
    ],
)
def test_flag_without_effect_is_refused(made, words, message):
    arguments = [f"--dataset_dir={made / 'data'}", "--model_name=mobilenet_v1"]
    with pytest.raises(BadInput, match=re.escape(message)):
        parse_flags([*arguments, *words.split()])


@pytest.mark.parametrize(
    "words",
    [
        "--class_weights roses",
        "--class_weights roses=0",
        "--class_weights roses=1,roses=2",
        "--learning_rate_multipliers a=b",
        "--head_init ones",
        "--recipe cake",
        "--warmup_epochs -1",
        "--layer_decay 1.5",
        "--accumulate_steps 0",
        "--best_by f1",
        "--max_minutes 0",
        "--ftrl_learning_rate_power 1",
    ],
)
def test_bad_value_is_refused_in_one_line(words, capsys):
    with pytest.raises(SystemExit) as end:
        parse_flags(words.split())
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_default_length_is_that_of_the_tutorial(made, tmp_path):
    flags = flags_of_call(made / "data", "lenet", tmp_path, {"checkpoint_path": "none"})
    assert flags.num_epochs == EPOCHS
