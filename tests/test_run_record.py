import dataclasses
import json

import pytest

from system.errors import BadInput
from training.run_record import Run, changed_flags, check_same_run, read_run, write_run

RUN = Run(
    model_name="mobilenet_v1_025",
    image_size=96,
    preprocessing_name="inception",
    use_grayscale=False,
    labels=["daisy", "roses"],
    dataset_name="flowers",
    dataset_dir="data/flowers",
    optimizer="adam",
    trainable_scopes=None,
    batch_size=4,
    num_examples=18,
    flags={"batch_size": 4},
    versions={"tensorflow": "2.21.0"},
)


def test_run_is_read_back_as_written(tmp_path):
    write_run(tmp_path, RUN)
    assert read_run(tmp_path) == RUN


def test_flag_added_since_the_run_was_recorded_is_not_a_change():
    new = dataclasses.replace(RUN, flags={"batch_size": 8, "use_grayscale": False})
    assert changed_flags(RUN, new) == [("batch_size", 4, 8)]


def test_run_without_use_grayscale_is_in_color(tmp_path):
    settings = dataclasses.asdict(RUN)
    del settings["use_grayscale"]
    (tmp_path / "run.json").write_text(json.dumps(settings))
    assert read_run(tmp_path) == RUN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "does not exist"),
        ("{", "is not the JSON of a run"),
        ("[1]", "is not the JSON of a run"),
        ("{}", "run.json lacks model_name, image_size, preprocessing_name, labels, "),
        (
            json.dumps(dataclasses.asdict(RUN) | {"labels": "daisy"}),
            "a list of class names as labels",
        ),
        (json.dumps(dataclasses.asdict(RUN) | {"labels": []}), "a list of class names as labels"),
        (json.dumps(dataclasses.asdict(RUN) | {"image_size": "big"}), "image_size in pixels"),
    ],
)
def test_broken_run_json_is_named(tmp_path, text, expected):
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(BadInput, match=expected) as error:
        read_run(tmp_path)
    assert str(tmp_path / "run.json") in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model_name", "vgg_16"),
        ("labels", ["daisy", "tulips"]),
        ("image_size", 128),
        ("preprocessing_name", "vgg"),
        ("use_grayscale", True),
        ("optimizer", "sgd"),
        ("trainable_scopes", "MobilenetV1/Logits"),
        ("batch_size", 8),
        ("num_examples", 19),
    ],
)
def test_changed_fixed_setting_is_named(name, value):
    with pytest.raises(BadInput, match=name):
        check_same_run(RUN, dataclasses.replace(RUN, **{name: value}), "runs/x")


def test_changed_flags_are_described():
    assert changed_flags(RUN, dataclasses.replace(RUN, flags={"batch_size": 4})) == []
    old = dataclasses.replace(RUN, flags={"batch_size": 4, "seed": None, "log_dir": "a"})
    new = dataclasses.replace(RUN, flags={"batch_size": 4, "seed": 1, "log_dir": "b"})
    assert changed_flags(old, new) == [("seed", None, 1)]


def test_run_may_resume_with_other_flags_and_dataset_dir():
    check_same_run(RUN, dataclasses.replace(RUN, flags={}, dataset_dir="/elsewhere"), "runs/x")
