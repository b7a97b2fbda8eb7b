"""The managed session of a training: what it initializes, when it saves, what it optimizes."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from checkpointing.warm_start import NO_VALUES, InitFn
from slim_on_tf2 import tf
from system import precision
from system.errors import BadInput
from training import session as training_session
from training.disk_space import check_disk_space
from training.session import get_scaffold, managed_session, training_config

PLAIN = {"batch_size": 8, "mixed_precision": "off", "xla": "off", "recompute": False}


def run_steps(log_dir, steps, save_steps=None, init_fn=NO_VALUES):
    """Runs a graph that adds 1 to a variable; returns the steps of the checkpoints, and its value.

    Its initial value is 10.
    """
    flags = SimpleNamespace(log_dir=str(log_dir), save_steps=save_steps, **PLAIN)
    with tf.Graph().as_default():
        step = tf.train.get_or_create_global_step()
        weight = tf.get_variable("weight", [], initializer=tf.constant_initializer(10.0))
        train_op = tf.group(weight.assign_add(1.0), step.assign_add(1))
        with managed_session(flags, get_scaffold(init_fn, dict)) as session:
            for _ in range(steps):
                session.run(train_op)
            value = session.run_step_fn(lambda step_context: step_context.session.run(weight))
    saved = sorted(int(path.stem.rpartition("-")[2]) for path in log_dir.glob("*.index"))
    return saved, float(value)


@pytest.mark.parametrize(
    ("steps", "save_steps", "expected"),
    [
        (0, None, []),  # a run without a step has nothing to save that its start has not
        (3, None, [3]),
        (5, 2, [2, 4, 5]),
        (4, 2, [2, 4]),
    ],
)
def test_checkpoints_are_saved_between_and_at_the_end(tmp_path, steps, save_steps, expected):
    assert run_steps(tmp_path, steps, save_steps) == (expected, 10 + steps)


def test_checkpoint_is_saved_after_ten_minutes(tmp_path, monkeypatch):
    """Each look at the clock takes four minutes: at the start, at each step, after each save."""
    now = iter(range(0, 100_000, 240))
    monkeypatch.setattr(training_session.time, "monotonic", lambda: next(now))
    saved, _ = run_steps(tmp_path, 8)
    assert saved == [3, 6, 8]


def test_resumed_session_goes_on_with_the_saved_values(tmp_path):
    run_steps(tmp_path, 3)
    assert run_steps(tmp_path, 2) == ([3, 5], 15.0)


def test_assigned_variables_get_no_other_initial_value(tmp_path):
    """The initial value would be an error, which nobody sees."""
    assigned, free = (
        tf.get_variable(name, [], initializer=initializer)
        for name, initializer in (
            ("assigned", lambda *_, **__: tf.cast(tf.strings.to_number("none"), tf.float32)),
            ("free", tf.constant_initializer(2.0)),
        )
    )
    value, set_value = tf.constant(7.0), tf.placeholder(tf.float32, [])
    assign_op = assigned.assign(set_value)
    tf.train.get_or_create_global_step()
    init_fn = InitFn(
        frozenset({"assigned"}),
        lambda session: session.run(assign_op, {set_value: session.run(value)}),
    )
    flags = SimpleNamespace(log_dir=str(tmp_path), save_steps=None, **PLAIN)
    with managed_session(flags, get_scaffold(init_fn, dict)) as session:
        np.testing.assert_array_equal(session.run([assigned, free]), [7, 2])


def test_forgotten_variable_stops_the_start(tmp_path):
    tf.get_variable("forgotten", [])
    tf.train.get_or_create_global_step()
    init_fn = InitFn(frozenset({"forgotten"}), lambda session: None)
    flags = SimpleNamespace(log_dir=str(tmp_path), save_steps=None, **PLAIN)
    with pytest.raises(RuntimeError, match="forgotten"):
        managed_session(flags, get_scaffold(init_fn, dict))


@pytest.mark.parametrize(
    ("has", "asked", "meta_optimizer_is_off"),
    [("off", "off", True), ("off", "bfloat16", True), ("bfloat16", "bfloat16", False)],
)
def test_cpu_skips_passes_that_do_not_pay(monkeypatch, has, asked, meta_optimizer_is_off):
    monkeypatch.setattr(precision, "fast_format", lambda: has)
    options = training_config(asked).graph_options.rewrite_options
    assert options.disable_meta_optimizer is meta_optimizer_is_off
    if not meta_optimizer_is_off:
        assert options.auto_mixed_precision_onednn_bfloat16 == options.ON
        assert options.constant_folding == options.OFF


def test_gpu_keeps_every_pass(monkeypatch):
    gpu = SimpleNamespace(name="GPU:0")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [gpu])
    options = training_config("off").graph_options.rewrite_options
    assert not options.disable_meta_optimizer
    assert options.layout_optimizer == options.DEFAULT


@pytest.mark.parametrize(
    ("free", "line"), [(24_000_000, ""), (23_999_999, "Disk: 24 MB are free"), (4_000_000, "Disk:")]
)
def test_scarce_disk_is_named_at_the_start(tmp_path, monkeypatch, capsys, free, line):
    """A million float32 values take 4 MB, and six checkpoints of them 24 MB."""
    variables = [tf.get_variable("weights", [1000, 1000])]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    check_disk_space(tmp_path / "a" / "new" / "folder", variables, most=6)
    printed = capsys.readouterr().out
    assert printed.startswith(line) and bool(printed) is bool(line)


def test_disk_without_space_for_a_checkpoint_is_refused(tmp_path, monkeypatch):
    variables = [tf.get_variable("weights", [1000, 1000])]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=3_999_999))
    with pytest.raises(BadInput, match="4 MB are free, and a checkpoint takes 4 MB; free some"):
        check_disk_space(tmp_path, variables, most=6)
