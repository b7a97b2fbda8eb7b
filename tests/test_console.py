"""A training outlives its console: a pipe whose reader leaves, a lost terminal, another thread."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tiny_run import FLAGS, make_dataset, rows, send_at_step, train, words

import train_flowers
from slim_on_tf2 import tf
from system.console import Console
from system.signals import stop_on_signal

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("data"))


def test_training_goes_on_when_the_reader_of_its_pipe_leaves(data, tmp_path):
    """As with `| head -1`: the run ends at its last step, and the exit status tells the truth."""
    command = [sys.executable, str(ROOT / "train_flowers.py")]
    command += words(data, tmp_path, max_number_of_steps=4)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline().startswith("Device:")
        process.stdout.close()
        stderr = process.stderr.read()
    assert process.returncode == 0 and "Traceback" not in stderr and "Broken" not in stderr
    assert tf.train.latest_checkpoint(str(tmp_path)).endswith("model.ckpt-4")
    assert [int(row["step"]) for row in rows(tmp_path)] == [1, 2, 3, 4]


def test_other_errors_of_a_stream_are_raised():
    class Full:
        def write(self, text):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        Console(Full()).write("text")


@contextlib.contextmanager
def hangup(action):
    """Sets what SIGHUP does, whatever started the tests; `nohup` has it ignored."""
    before = signal.signal(signal.SIGHUP, action)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def test_lost_terminal_saves_and_stops(data, tmp_path, capsys, monkeypatch):
    send_at_step(monkeypatch, signal.SIGHUP, at=2)
    with hangup(signal.SIG_DFL):
        status, result, _ = train(data, tmp_path, capsys, max_number_of_steps=5)
    assert (status, result["steps"]) == (128 + signal.SIGHUP, 2)
    assert result["checkpoint"].endswith("model.ckpt-2")


def test_ignored_hangup_stays_ignored():
    with hangup(signal.SIG_IGN), stop_on_signal() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not stop


def test_training_runs_in_another_thread(data, tmp_path):
    """As in a server: only the main thread can receive signals."""
    found = {}

    def run():
        settings = {name: FLAGS[name] for name in ("image_size", "batch_size", "checkpoint_path")}
        found.update(
            train_flowers.fine_tune(
                data, FLAGS["model_name"], tmp_path, max_number_of_steps=2, **settings
            )
        )

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found["steps"] == 2


def test_sigterm_before_the_first_step_is_one_line(data, tmp_path):
    """Sent while the graph is built, when nothing has to be saved."""
    command = [sys.executable, str(ROOT / "train_flowers.py")]
    command += words(data, tmp_path, model_name="inception_v3", image_size=107)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            if line.startswith("Learning rate:"):
                process.terminate()
        stderr = process.stderr.read()
    assert process.returncode == 128 + signal.SIGTERM
    assert [line for line in stderr.splitlines() if line.startswith("train_flowers.py")] == [
        "train_flowers.py: stopped by SIGTERM"
    ]
    assert "Traceback" not in stderr
    assert json.loads((tmp_path / "run.json").read_text())["ended"] is False
