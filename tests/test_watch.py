import dataclasses

import pytest
from test_run_record import RUN

from evaluation import watch
from evaluation.watch import new_checkpoints, wait_for_run
from system.errors import BadInput
from training.run_record import write_run

ENDED_RUN = dataclasses.replace(RUN, ended=True)


class Training:
    """Replaces the module `time`: performs its next step during each sleep, and counts seconds."""

    def __init__(self, *steps):
        self.steps = list(steps)
        self.seconds = 0

    def sleep(self, seconds):
        self.seconds += seconds
        if self.steps:
            self.steps.pop(0)()

    def monotonic(self):
        return self.seconds


@pytest.fixture
def start(monkeypatch):
    """Starts a `Training` with the given steps."""

    def start(*steps):
        training = Training(*steps)
        monkeypatch.setattr(watch, "time", training)
        return training

    return start


def names(paths):
    return [path.rpartition("/")[2] for path in paths]


def copy(run_dir, old, new):
    for file in list(run_dir.glob(f"{old}.*")):
        (run_dir / file.name.replace(old, new)).write_bytes(file.read_bytes())


def test_each_checkpoint_is_yielded_once_until_the_run_has_ended(run_dir, start):
    write_run(run_dir, RUN)
    training = start(
        lambda: copy(run_dir, "model.ckpt-9", "model.ckpt-12"),
        lambda: None,
        lambda: (copy(run_dir, "model.ckpt-9", "model.ckpt-15"), write_run(run_dir, ENDED_RUN)),
    )
    found = names(new_checkpoints(run_dir))
    assert found == [f"model.ckpt-{step}" for step in (3, 6, 9, 12, 15)]
    assert training.steps == []


def test_ended_run_is_not_waited_for(run_dir, start):
    write_run(run_dir, ENDED_RUN)
    start(pytest.fail)
    assert len(list(new_checkpoints(run_dir))) == 3


def test_partial_checkpoint_is_yielded_when_it_is_complete(run_dir, start):
    write_run(run_dir, RUN)
    data = run_dir / "model.ckpt-6.data-00000-of-00001"
    content = data.read_bytes()
    data.write_bytes(content[:100])
    start(lambda: data.write_bytes(content), lambda: write_run(run_dir, ENDED_RUN))
    found = names(new_checkpoints(run_dir))
    assert found == ["model.ckpt-3", "model.ckpt-9", "model.ckpt-6"]


def test_checkpoint_removed_before_its_turn_is_skipped(run_dir, start):
    write_run(run_dir, ENDED_RUN)
    start(pytest.fail)
    found = []
    for path in new_checkpoints(run_dir):
        found.append(path)
        for file in run_dir.glob("model.ckpt-6.*"):
            file.unlink()
    assert names(found) == ["model.ckpt-3", "model.ckpt-9"]


def test_timeout_ends_the_watch_of_a_killed_training(run_dir, start, capsys):
    write_run(run_dir, RUN)
    training = start()
    assert len(list(new_checkpoints(run_dir, timeout=60))) == 3
    assert training.seconds == 60
    assert "No new checkpoint for 60 s" in capsys.readouterr().out


def test_wait_for_run_returns_when_run_json_appears_or_fails_after_the_timeout(
    tmp_path, start, capsys
):
    training = start(lambda: None, lambda: write_run(tmp_path, RUN))
    wait_for_run(tmp_path, timeout=60)
    assert training.steps == []
    assert "Waiting for" in capsys.readouterr().out
    start()
    with pytest.raises(BadInput, match="run.json did not appear within 60 s"):
        wait_for_run(tmp_path / "other", timeout=60)


def test_folder_without_run_json_is_refused(tmp_path):
    with pytest.raises(BadInput, match="run.json does not exist"):
        next(new_checkpoints(tmp_path))
