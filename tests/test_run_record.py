import dataclasses
import json

import pytest

from bad_input import BadInput
from training.run_record import Run, changed_flags, read_run, refuse_other_run, write_run

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


def test_a_run_is_read_back_as_it_was_written(tmp_path):
    write_run(tmp_path, RUN)
    assert read_run(tmp_path) == RUN


def test_a_flag_that_an_older_run_did_not_know_has_not_changed():
    new = dataclasses.replace(RUN, flags={"batch_size": 8, "use_grayscale": False})
    assert changed_flags(RUN, new) == ["batch_size 4 before, 8 now"]


def test_a_run_of_before_there_were_grey_photos_is_of_colour(tmp_path):
    settings = dataclasses.asdict(RUN)
    del settings["use_grayscale"]
    (tmp_path / "run.json").write_text(json.dumps(settings))
    assert read_run(tmp_path) == RUN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "is missing"),
        ("{", "is not the JSON of a run"),
        ("[1]", "is not the JSON of a run"),
        ("{}", "lacks 'model_name'"),
        (json.dumps(dataclasses.asdict(RUN) | {"labels": "daisy"}), "a list of names under labels"),
        (json.dumps(dataclasses.asdict(RUN) | {"labels": []}), "a list of names under labels"),
        (json.dumps(dataclasses.asdict(RUN) | {"image_size": "big"}), "pixels as image_size"),
    ],
)
def test_a_broken_run_json_is_named(tmp_path, text, expected):
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
def test_a_run_of_another_shape_is_refused_and_the_difference_named(name, value):
    with pytest.raises(BadInput, match=name):
        refuse_other_run(RUN, dataclasses.replace(RUN, **{name: value}), "runs/x")


def test_what_changed_is_said_in_words():
    assert changed_flags(RUN, dataclasses.replace(RUN, flags={"batch_size": 4})) == []
    old = dataclasses.replace(RUN, flags={"batch_size": 4, "seed": None, "log_dir": "a"})
    new = dataclasses.replace(RUN, flags={"batch_size": 4, "seed": 1, "log_dir": "b"})
    assert changed_flags(old, new) == ["seed None before, 1 now"]


def test_a_run_may_go_on_with_another_length_or_folder():
    refuse_other_run(RUN, dataclasses.replace(RUN, flags={}, dataset_dir="/elsewhere"), "runs/x")
