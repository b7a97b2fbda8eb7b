import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import startup, training
from system.errors import BadInput

ROOT = Path(training.__file__).resolve().parent.parent


def lines_of(command):
    done = subprocess.run(
        [sys.executable, *command.split()], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_contestants_take_turns_and_absent_ones_say_why(tmp_path):
    file = tmp_path / "found.json"
    lines = lines_of(
        f"-m benchmarks.training --model_names lenet --batch_size 2 --steps 2 --json {file}"
    )
    rows = [line for line in lines if line.startswith("lenet")]
    assert [row[22:37].strip() for row in rows] == list(training.CONTESTANTS)
    found = json.loads(file.read_text())["lenet"]
    measured = found["slim float32"]
    assert len(measured["steps"]) == 2 and 0 < max(measured["steps"]) < measured["first"]
    assert measured["memory"] > 1e8
    assert found["keras float32"] == "keras.applications lacks it"
    assert "keras.applications lacks it" in rows[2]


def test_ratio_is_that_of_the_medians():
    found = {
        "slim float32": {"first": 1.0, "steps": [2.0, 3.0, 9.0], "memory": 1e9},
        "keras float32": {"first": 2.0, "steps": [4.0, 4.0, 5.0], "memory": 2e9},
    }
    ours, theirs = training.format_rows("net", found)
    assert ours.split() == ["net", "slim", "float32", "1.0", "2.000", "/", "3.000", "/", "9.000",
                            "0.75", "1.0"]  # fmt: skip
    assert theirs.split()[-2:] == ["1.00", "2.0"]


def test_start_is_timed_up_to_the_first_step(capsys):
    assert startup.main(["--model_name", "lenet", "--batch_size", "4", "--runs", "1"]) == 0
    name, *seconds, ratio = capsys.readouterr().out.replace("/", " ").rsplit(maxsplit=4)
    assert (name.strip(), ratio) == ("this checkout", "-")
    low, median, high = map(float, seconds)
    assert 0 < low == median == high


def test_unknown_network_is_rejected():
    with pytest.raises(BadInput, match="there is no network 'lenot'"):
        training.main(["--model_names", "lenot"])
