import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import scripts
from tiny_run import CLASSES, make_dataset
from tiny_serving import predict_in_this_process, write_tiny_run

import export_flowers
from serving import versions
from system.errors import BadInput

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
export_flowers.main(export_flowers.parse_flags(sys.argv[2:]))
"""


@pytest.fixture
def log_dir(tmp_path):
    """A run, and its dataset."""
    data = make_dataset(tmp_path / "flowers")
    write_tiny_run(data / "log", dataset_dir=str(data), labels=list(CLASSES))
    return data / "log"


def test_killed_export_leaves_no_version_and_the_next_one_cleans_up(
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
    predict_in_this_process(monkeypatch)
    for number, (moment, form) in enumerate(MOMENTS.items()):
        arguments, process = processes[moment]
        assert process.wait() == -signal.SIGKILL, moment
        folder = versions.versions_dir(tmp_path / str(number), form)
        (left,) = folder.iterdir()
        assert left.name.startswith("."), moment
        assert (left / "saved_model.pb").is_file() == (form == "saved_model")
        assert scripts.run(export_flowers, arguments) == 0
        assert [path.name for path in folder.iterdir()] == ["1"]
    lines = capsys.readouterr().out.splitlines()
    found = json.loads(lines[-1])
    assert found["path"] == str(folder / "1")
    table = [line.split() for line in lines if line.lstrip().startswith(("evaluation", "saved_"))]
    accuracy = f"{found['accuracy']:.4f}"
    assert table[-2] == ["evaluation", accuracy]
    assert table[-1][2:6] == [accuracy, "6", "of", "6"]


def test_wrong_flags_are_answered_before_tensorflow_is_imported(tmp_path):
    code = (
        "import runpy, sys\n"
        "sys.argv[0] = 'export_flowers.py'\n"
        "try: runpy.run_path('export_flowers.py', run_name='__main__')\n"
        "finally: assert 'tensorflow' not in sys.modules, 'imported'"
    )
    for arguments, expected in {
        "--format=onnx": "--format: expected one of saved_model, tflite, frozen_graph, got 'onnx'",
        "--version=0": "--version: expected a whole number of at least 1",
        "--log_dir=nowhere": "nowhere/run.json does not exist",
    }.items():
        done = subprocess.run(
            [sys.executable, "-c", code, arguments],
            capture_output=True,
            text=True,
            cwd=SCRIPT.parent,
        )
        assert done.returncode != 0
        assert expected in done.stderr.splitlines()[-1]


def test_help_fits_a_screen(capsys):
    with pytest.raises(SystemExit):
        export_flowers.parse_flags(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 120


def test_missing_checkpoint_is_named(log_dir):
    with pytest.raises(BadInput, match="--checkpoint nowhere.ckpt does not exist"):
        scripts.run(export_flowers, [f"--log_dir={log_dir}", "--checkpoint=nowhere.ckpt"])


def test_each_run_has_its_own_versions(log_dir, monkeypatch):
    def export(export_dir, **flags):
        raise BadInput(export_dir)

    monkeypatch.setattr("export_flowers.export", export)
    with pytest.raises(BadInput, match="^exports/log$"):
        scripts.run(export_flowers, [f"--log_dir={log_dir}"])
