import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_run import CLASSES, make_dataset
from tiny_serving import answer_in_this_process, write_tiny_run

import export_flowers
from bad_input import BadInput
from serving import versions

SCRIPT = Path(export_flowers.__file__)
# What is called at the moment of a kill -> the format that is exported.
MOMENTS = {
    "serving.tflite.tf.lite.TFLiteConverter.convert": "tflite",
    "serving.export_check.tqdm": "saved_model",  # counts what the fresh process has answered
}
KILLED = """
import os, pkgutil, signal, sys
import export_flowers

def kill(first=None, *others, **named):
    if hasattr(first, "readline"):
        first.readline()
    os.kill(os.getpid(), signal.SIGKILL)

owner, _, name = sys.argv[1].rpartition(".")
setattr(pkgutil.resolve_name(owner), name, kill)
export_flowers.main(sys.argv[2:])
"""


@pytest.fixture
def log_dir(tmp_path):
    """A run, and its dataset."""
    data = make_dataset(tmp_path / "flowers")
    write_tiny_run(data / "log", dataset_dir=str(data), labels=list(CLASSES))
    return data / "log"


def test_a_kill_in_the_middle_leaves_no_version_and_the_next_export_clears_up(
    log_dir, tmp_path, monkeypatch, capsys
):
    processes = {}
    for number, (moment, form) in enumerate(MOMENTS.items()):
        arguments = [f"--log_dir={log_dir}", f"--export_dir={tmp_path / str(number)}"]
        arguments.append(f"--format={form}")
        processes[moment] = (
            arguments,
            subprocess.Popen(
                [sys.executable, "-c", KILLED, moment, *arguments],
                cwd=SCRIPT.parent,
                env={**os.environ, "TMPDIR": str(tmp_path)},
            ),
        )
    answer_in_this_process(monkeypatch)
    for number, (moment, form) in enumerate(MOMENTS.items()):
        arguments, process = processes[moment]
        assert process.wait() == -signal.SIGKILL, moment
        folder = versions.folder_of(tmp_path / str(number), form)
        (left,) = folder.iterdir()
        assert left.name.startswith("."), moment
        assert (left / "saved_model.pb").is_file() == (form == "saved_model")
        assert export_flowers.main(arguments) == 0
        assert [path.name for path in folder.iterdir()] == ["1"]
    lines = capsys.readouterr().out.splitlines()
    found = json.loads(lines[-1])
    assert found["path"] == str(folder / "1")
    table = [line.split() for line in lines if line.lstrip().startswith(("evaluation", "saved_"))]
    accuracy = f"{found['accuracy']:.4f}"
    assert table[-2] == ["evaluation", accuracy]
    assert table[-1][2:6] == [accuracy, "6", "of", "6"]


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
    with pytest.raises(BadInput, match="nowhere.ckpt: there is no such checkpoint"):
        export_flowers.main([f"--log_dir={log_dir}", "--checkpoint=nowhere.ckpt"])


def test_each_run_has_versions_of_its_own(log_dir, monkeypatch):
    def export(export_dir, **flags):
        raise BadInput(export_dir)

    monkeypatch.setattr("serving.exporting.export", export)
    with pytest.raises(BadInput, match="^exports/log$"):
        export_flowers.main([f"--log_dir={log_dir}"])
