import json
import re

import pytest
from tiny_run import make_dataset, words

import train_flags
import train_flowers
from slim_on_tf2 import tf
from system.errors import BadInput
from training.dry_run import TimeSteps
from training.flag_rules import MODE_FLAGS
from training.modes import MODES


def test_dry_run_predicts_the_run_and_leaves_nothing(tmp_path, capsys, monkeypatch):
    data, log_dir = make_dataset(tmp_path), tmp_path / "runs" / "new"
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    flags = words(data, log_dir, dry_run=True, num_epochs=100, summary_steps=None)
    assert train_flowers.main(train_flags.parse_flags(flags)) == 0
    assert not log_dir.exists() and not list((tmp_path / "temporary").iterdir())
    lines = capsys.readouterr().out.splitlines()
    found = json.loads(lines[-1])
    # 18 images in batches of 6: 3 steps per epoch, 300 in all.
    assert found["seconds_per_epoch"] == pytest.approx(3 * found["seconds_per_step"])
    assert found["seconds"] == pytest.approx(300 * found["seconds_per_step"])
    assert found["images_per_second"] == pytest.approx(6 / found["seconds_per_step"])
    # Weights and Adam's two slots of 213,843 parameters, and batch norm's moving averages.
    assert 3 * 213_843 * 4 < found["checkpoint_bytes"] < 3 * 213_843 * 4 + 50_000
    assert found["memory_bytes"] > 1e8
    assert any(re.fullmatch(r"Disk: 6 checkpoints of 3 MB", line) for line in lines)


def test_steps_are_timed_without_the_first_two(monkeypatch):
    """The ends of the steps by hand: the graphs are optimized in the first two."""
    tf.get_variable("weights", [10], tf.float64)
    ends = iter([10.0, 14.0, 15.0, 17.0, 18.5])
    monkeypatch.setattr("training.dry_run.time.perf_counter", lambda: next(ends))
    hook, step, stops = TimeSteps(), tf.no_op(), []
    with tf.train.SingularMonitoredSession([hook]) as session:
        while not session.should_stop():
            session.run(step)
            stops.append(session.should_stop())
    assert stops == [False] * 4 + [True]
    assert hook.seconds == [1.0, 2.0, 1.5]
    assert hook.checkpoint_bytes == 80


def test_run_of_few_steps_is_not_timed(tmp_path):
    flags = words(make_dataset(tmp_path), tmp_path / "run", dry_run=True, max_number_of_steps=4)
    with pytest.raises(BadInput, match="times the first 5 steps, and this run has 4"):
        train_flowers.main(train_flags.parse_flags(flags))
    assert not (tmp_path / "run").exists()


def test_modes_exclude_each_other(tmp_path):
    assert tuple(MODES) == MODE_FLAGS
    flags = words(make_dataset(tmp_path), tmp_path / "run", dry_run=True, find_learning_rate=True)
    with pytest.raises(BadInput, match="--find_learning_rate cannot be combined with --dry_run"):
        train_flags.parse_flags(flags)
