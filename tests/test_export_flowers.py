import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_run import CLASSES, make_dataset
from tiny_serving import write_tiny_run

import export_flowers
from bad_input import BadInput

SCRIPT = Path(export_flowers.__file__)


@pytest.fixture
def log_dir(tmp_path):
    """A run, and its dataset."""
    data = make_dataset(tmp_path / "flowers")
    write_tiny_run(data / "log", dataset_dir=str(data), labels=list(CLASSES))
    return data / "log"


def test_a_kill_in_the_middle_leaves_no_version_and_the_next_export_clears_up(
    log_dir, tmp_path, capsys
):
    exports = tmp_path / "exports"
    arguments = [f"--log_dir={log_dir}", f"--export_dir={exports}"]
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        for line in process.stdout:
            if line.startswith("Comparing"):
                os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    (left,) = exports.iterdir()
    assert left.name.startswith(".")
    assert (left / "saved_model.pb").is_file()
    assert export_flowers.main(arguments) == 0
    assert [path.name for path in exports.iterdir()] == ["1"]
    lines = capsys.readouterr().out.splitlines()
    found = json.loads(lines[-1])
    assert found["path"] == str(exports / "1")
    table = [line.split() for line in lines if line.lstrip().startswith(("evaluation", "saved_"))]
    accuracy = f"{found['accuracy']:.4f}"
    assert table[0] == ["evaluation", accuracy]
    assert table[1][2:6] == [accuracy, "6", "of", "6"]


def test_flags_are_checked_before_tensorflow_is_imported(tmp_path):
    code = (
        "import sys, export_flowers\n"
        "try: export_flowers.main(sys.argv[1:])\n"
        "finally: assert 'tensorflow' not in sys.modules, 'imported'"
    )
    for arguments, expected in {
        "--format=onnx": "--format: expected one of saved_model, tflite, frozen_graph, got 'onnx'",
        "--version=0": "--version: expected a whole number of at least 1",
        "--log_dir=nowhere": "nowhere/run.json is missing",
    }.items():
        done = subprocess.run(
            [sys.executable, "-c", code, arguments],
            capture_output=True,
            text=True,
            cwd=SCRIPT.parent,
        )
        assert done.returncode != 0
        assert expected in done.stderr.splitlines()[-1]


def test_the_help_fits_a_screen(capsys):
    with pytest.raises(SystemExit):
        export_flowers.main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 120


def test_a_checkpoint_that_is_not_there_is_named(log_dir):
    with pytest.raises(BadInput, match="there is no checkpoint nowhere.ckpt"):
        export_flowers.main([f"--log_dir={log_dir}", "--checkpoint=nowhere.ckpt"])
