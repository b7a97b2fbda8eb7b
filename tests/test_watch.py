import dataclasses

import pytest
from test_run_record import RUN

from bad_input import BadInput
from training.run_record import end_run, write_run
from training.watch import new_checkpoints, wait_for_run


def names(paths):
    return [path.rpartition("/")[2] for path in paths]


class Training:
    """Does the next of its steps whenever somebody waits, and counts the time."""

    def __init__(self, *steps):
        self.steps = list(steps)
        self.seconds = 0

    def wait(self, seconds):
        self.seconds += seconds
        if self.steps:
            self.steps.pop(0)()

    def clock(self):
        return self.seconds


def copy(run_dir, old, new):
    for file in list(run_dir.glob(f"{old}.*")):
        (run_dir / file.name.replace(old, new)).write_bytes(file.read_bytes())


def test_each_checkpoint_comes_once_until_the_run_has_ended(run_dir):
    write_run(run_dir, RUN)
    training = Training(
        lambda: copy(run_dir, "model.ckpt-9", "model.ckpt-12"),
        lambda: None,
        lambda: (copy(run_dir, "model.ckpt-9", "model.ckpt-15"), end_run(run_dir)),
    )
    found = new_checkpoints(run_dir, wait=training.wait, clock=training.clock)
    assert names(found) == [f"model.ckpt-{step}" for step in (3, 6, 9, 12, 15)]
    assert training.steps == []


def test_a_run_that_has_ended_is_not_waited_for(run_dir):
    write_run(run_dir, dataclasses.replace(RUN, ended=True))
    assert len(list(new_checkpoints(run_dir, wait=pytest.fail))) == 3


def test_a_checkpoint_that_is_half_written_is_left_for_later(run_dir):
    write_run(run_dir, RUN)
    data = run_dir / "model.ckpt-6.data-00000-of-00001"
    whole = data.read_bytes()
    data.write_bytes(whole[:100])
    training = Training(lambda: data.write_bytes(whole), lambda: end_run(run_dir))
    found = new_checkpoints(run_dir, wait=training.wait, clock=training.clock)
    assert names(found) == ["model.ckpt-3", "model.ckpt-9", "model.ckpt-6"]


def test_a_checkpoint_that_is_removed_while_another_is_looked_at_is_passed_over(run_dir):
    write_run(run_dir, dataclasses.replace(RUN, ended=True))
    found = []
    for path in new_checkpoints(run_dir, wait=pytest.fail):
        found.append(path)
        for file in run_dir.glob("model.ckpt-6.*"):
            file.unlink()
    assert names(found) == ["model.ckpt-3", "model.ckpt-9"]


def test_waiting_has_an_end_where_a_training_died(run_dir, capsys):
    write_run(run_dir, RUN)
    training = Training()
    found = new_checkpoints(run_dir, timeout=60, wait=training.wait, clock=training.clock)
    assert len(list(found)) == 3
    assert training.seconds == 60
    assert "No new checkpoint in 60 s" in capsys.readouterr().out


def test_a_training_that_has_not_begun_is_waited_for(tmp_path, capsys):
    training = Training(lambda: None, lambda: write_run(tmp_path, RUN))
    wait_for_run(tmp_path, timeout=60, wait=training.wait, clock=training.clock)
    assert training.steps == []
    assert "Waiting for" in capsys.readouterr().out
    with pytest.raises(BadInput, match="run.json did not appear in 60 s"):
        never = Training()
        wait_for_run(tmp_path / "other", timeout=60, wait=never.wait, clock=never.clock)


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(BadInput, match="run.json is missing"):
        next(new_checkpoints(tmp_path))
