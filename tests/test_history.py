"""run.json says with which flags the weights were trained."""

import json

import pytest
import tiny_run

from datasets.splits import get_split
from system.errors import BadInput
from training.run_record import read_run


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_run.make_dataset(tmp_path_factory.mktemp("dataset"))


def test_repeated_command_changes_nothing(data, tmp_path, capsys):
    tiny_run.train(data, tmp_path, capsys, max_number_of_steps=2, learning_rate=0.01)
    recorded = (tmp_path / "run.json").read_text()
    _, _, lines = tiny_run.train(data, tmp_path, capsys, max_number_of_steps=2)
    assert any("nothing is left to train" in line for line in lines)
    assert not any(line.startswith("Changed") for line in lines)
    assert (tmp_path / "run.json").read_text() == recorded
    assert read_run(tmp_path).flags["learning_rate"] == 0.01


def test_changes_of_flags_are_kept_with_their_step(data, tmp_path, capsys):
    flags = {"max_number_of_steps": 2, "learning_rate": 0.01}
    for change in (
        {},
        {"max_number_of_steps": 3},
        {"learning_rate": 0.02, "max_number_of_steps": 4},
    ):
        flags |= change
        tiny_run.train(data, tmp_path, capsys, **flags)
    assert read_run(tmp_path).history == [
        {"step": 2, "flag": "max_number_of_steps", "old": 2, "new": 3},
        {"step": 3, "flag": "max_number_of_steps", "old": 3, "new": 4},
        {"step": 3, "flag": "learning_rate", "old": 0.01, "new": 0.02},
    ]


@pytest.mark.parametrize(
    ("batch_size", "size", "values"),
    # Maps of mobilenet_v1 are 32 times smaller than the image, rounded up.
    [(1, 32, "one value"), (2, 32, "2 values"), (3, 32, None), (1, 64, None), (1, 33, None)],
)
def test_layers_that_cannot_learn_are_named(data, tmp_path, capsys, batch_size, size, values):
    _, _, lines = tiny_run.train(
        data, tmp_path, capsys, max_number_of_steps=1, batch_size=batch_size, image_size=size
    )
    said = [line for line in lines if line.startswith("Batch norm")]
    assert len(said) == (values is not None)
    if values:
        assert f"4 of 27 layers normalize {values} per channel" in said[0]


def test_frozen_layers_normalize_with_averages(data, tmp_path, capsys):
    flags = {"max_number_of_steps": 1, "batch_size": 1, "freeze_batch_norm": True}
    _, _, lines = tiny_run.train(data, tmp_path, capsys, **flags)
    assert not any(line.startswith("Batch norm") for line in lines)


def test_empty_shard_with_counted_records_is_refused(tmp_path):
    """Training would wait for its records for ever."""
    data = tiny_run.make_dataset(tmp_path)
    description = json.loads((data / "dataset.json").read_text())
    shard = description["splits"]["train"]["shards"][0]
    (data / shard["file"]).write_bytes(b"")
    shard["bytes"] = 0
    (data / "dataset.json").write_text(json.dumps(description))
    with pytest.raises(BadInput, match="has 0 bytes, too few for the .* records that dataset.json"):
        get_split("train", data)
