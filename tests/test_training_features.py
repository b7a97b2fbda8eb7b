"""Features of the frozen network: computed once, kept on disk, trained on."""

import re
from pathlib import Path

import numpy as np
import pytest
from tiny_run import FLAGS, make_dataset, rows, train

from datasets.splits import get_split
from eval_flowers import build_evaluator
from slim_on_tf2 import tf
from system.errors import BadInput
from train_flags import flags_of_call
from train_flowers import fine_tune
from training.features import features_name, features_source, get_features, read_features
from training.run_record import read_run

SCOPE = "MobilenetV1/Logits/Conv2d_1c_1x1"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A dataset, and a run of it whose checkpoint serves as the pretrained one."""
    folder = tmp_path_factory.mktemp("made")
    data = make_dataset(folder)
    flags_of_first = {name: FLAGS[name] for name in ("image_size", "batch_size")}
    fine_tune(
        data,
        FLAGS["model_name"],
        folder / "pretrained",
        checkpoint_path="none",
        head_init="published",
        max_number_of_steps=3,
        save_steps=2,
        **flags_of_first,
    )
    return folder


def settings(made, features_dir, **changes):
    """The flags of a training on features."""
    return flags_of_call(
        made / "data",
        FLAGS["model_name"],
        str(made / "log"),
        {
            "image_size": 32,
            "checkpoint_path": str(made / "pretrained"),
            "features_dir": str(features_dir),
            "head_init": "fit",
            **changes,
        },
    )


def test_features_are_those_of_the_evaluation(made, tmp_path):
    flags = settings(made, tmp_path)
    dataset = get_split("train", made / "data")
    features, labels = read_features(get_features(flags, dataset, flags.checkpoint_path))
    run = read_run(made / "pretrained")
    evaluation = build_evaluator(run, dataset, 7, with_features=True).evaluate(
        tf.train.latest_checkpoint(str(made / "pretrained"))
    )
    np.testing.assert_array_equal(labels, evaluation.predictions.labels)
    np.testing.assert_allclose(features, evaluation.features, rtol=1e-4, atol=1e-5)


def test_features_are_computed_once(made, tmp_path, capsys):
    flags, dataset = settings(made, tmp_path), get_split("train", made / "data")
    first = read_features(get_features(flags, dataset, flags.checkpoint_path))
    assert " s, kept in " in capsys.readouterr().out
    again = read_features(get_features(flags, dataset, flags.checkpoint_path))
    assert ", read from " in capsys.readouterr().out
    for ours, theirs in zip(first, again):
        np.testing.assert_array_equal(ours, theirs)


def name_of(flags, dataset, checkpoint_path):
    return features_name(features_source(flags, dataset, checkpoint_path))


def test_features_of_other_weights_images_or_sizes_have_other_names(made, tmp_path):
    flags, dataset = settings(made, tmp_path), get_split("train", made / "data")
    name = name_of(flags, dataset, flags.checkpoint_path)
    assert name == name_of(flags, dataset, flags.checkpoint_path)
    step_2 = str(made / "pretrained" / "model.ckpt-2")
    other = get_split("validation", made / "data")
    larger = settings(made, tmp_path, image_size=40)
    vgg = settings(made, tmp_path, preprocessing_name="vgg")
    names = {
        name,
        name_of(flags, dataset, step_2),
        name_of(flags, other, flags.checkpoint_path),
        name_of(larger, dataset, flags.checkpoint_path),
        name_of(vgg, dataset, flags.checkpoint_path),
    }
    assert len(names) == 5


def test_features_in_16_bits_have_another_name_where_they_are_computed(made, tmp_path, monkeypatch):
    dataset = get_split("train", made / "data")
    plain, mixed = (
        settings(made, tmp_path, mixed_precision=value) for value in ("off", "bfloat16")
    )
    names = set()
    for fast in ("off", "bfloat16"):
        monkeypatch.setattr("system.precision.fast_format", lambda fast=fast: fast)
        names |= {name_of(flags, dataset, flags.checkpoint_path) for flags in (plain, mixed)}
    assert len(names) == 2


def test_torn_features_are_computed_again(made, tmp_path, capsys):
    flags, dataset = settings(made, tmp_path), get_split("train", made / "data")
    features = get_features(flags, dataset, flags.checkpoint_path)
    expected = read_features(features)
    shard = features.data_sources[0]
    with Path(shard).open("r+b") as file:
        file.truncate(100)
    capsys.readouterr()
    found = read_features(get_features(flags, dataset, flags.checkpoint_path))
    assert "has 100 bytes" in capsys.readouterr().out
    np.testing.assert_array_equal(found[0], expected[0])


def values(log_dir, step):
    reader = tf.train.load_checkpoint(str(log_dir / f"model.ckpt-{step}"))
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name.startswith("MobilenetV1") and not re.search("Adam", name)
    }


def head_flags(made, features_dir):
    return {
        "checkpoint_path": made / "pretrained",
        "features_dir": features_dir,
        "trainable_scopes": "HEAD",
        "learning_rate": 0.01,
    }


def test_head_trains_on_features_and_resumes_bit_for_bit(made, tmp_path, capsys):
    flags = head_flags(made, tmp_path / "features")
    data = made / "data"
    train(data, tmp_path / "a", capsys, **flags, max_number_of_steps=4)
    _, result, lines = train(data, tmp_path / "a", capsys, **flags, max_number_of_steps=9)
    assert any(", read from " in line for line in lines)  # the run's own weights give the name
    train(data, tmp_path / "b", capsys, **flags, max_number_of_steps=9)
    ours, theirs = values(tmp_path / "a", 9), values(tmp_path / "b", 9)
    before = values(made / "pretrained", 3)
    assert result["steps"] == 9
    assert ours.keys() == before.keys()
    changed = {name for name in ours if (ours[name] != before[name]).any()}
    assert changed == {f"{SCOPE}/weights", f"{SCOPE}/biases"}
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name])
    losses = [float(row["loss"]) for row in rows(tmp_path / "b")]
    assert losses[-1] < losses[0]


def test_fitted_head_is_validated_before_the_first_step(made, tmp_path, capsys):
    _, _, lines = train(
        made / "data",
        tmp_path / "log",
        capsys,
        checkpoint_path=made / "pretrained",
        features_dir=tmp_path / "features",
        head_init="fit",
        max_number_of_steps=1,
    )
    assert any(line.startswith("Head: fitted to the features of 18 images") for line in lines)
    assert [int(row["step"]) for row in rows(tmp_path / "log", "validation")] == [0, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head_init": "fit", "checkpoint_path": "none"}, "--head_init fit needs pretrained"),
        ({"head_init": "fit", "ignore_missing_vars": True}, "with --ignore_missing_vars"),
        ({"trainable_scopes": "HEAD", "augmentation": "light"}, "--augmentation has no effect"),
        ({"trainable_scopes": "HEAD", "mixup_alpha": 0.2}, "--mixup_alpha has no effect"),
        ({"features_dir": "elsewhere", "head_init": "zeros"}, "--features_dir has no effect"),
        ({"head_init": "fit", "checkpoint_exclude_scopes": ""}, "the head is restored"),
        (
            {
                "trainable_scopes": "HEAD",
                "checkpoint_exclude_scopes": "MobilenetV1/Logits,MobilenetV1/Conv2d_13_pointwise",
            },
            "leave MobilenetV1/Conv2d_13_pointwise out of --checkpoint_exclude_scopes",
        ),
    ],
)
def test_flags_that_features_make_pointless_are_refused(made, tmp_path, changes, message):
    given = {"checkpoint_path": str(made / "pretrained"), **changes}
    with pytest.raises(BadInput, match=message):
        flags_of_call(made / "data", FLAGS["model_name"], str(tmp_path / "new"), given)


def test_grayscale_has_no_features_of_the_rgb_checkpoint(made, tmp_path):
    flags = settings(made, tmp_path, use_grayscale=True)
    with pytest.raises(BadInput, match="does not have MobilenetV1/Conv2d_0/weights in the shape"):
        get_features(flags, get_split("train", made / "data"), flags.checkpoint_path)
    assert not list(tmp_path.iterdir())
