from pathlib import Path

import pytest

from bad_input import BadInput
from nets.checkpoint_files import step_of
from slim_on_tf2 import tf
from training import run_checkpoints
from training.run_checkpoints import Best


@pytest.mark.parametrize("relative", [False, True])
def test_a_run_goes_on_from_the_newest_checkpoint_that_is_whole(
    run_dir, capsys, monkeypatch, relative
):
    if relative:
        monkeypatch.chdir(run_dir.parent)
        run_dir = Path(run_dir.name)
    data = run_dir / "model.ckpt-9.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:1000])
    newest = run_checkpoints.newest_whole(run_dir)
    assert newest == str(run_dir / "model.ckpt-6")
    assert step_of(newest) == 6
    assert "model.ckpt-9 is broken" in capsys.readouterr().out
    assert tf.train.latest_checkpoint(str(run_dir)) == newest


@pytest.mark.parametrize(
    "torn", [b"", b"\0" * 80, b"<html>", b'model_checkpoint_path: "gone"', None]
)
def test_a_torn_list_of_checkpoints_costs_nothing(run_dir, torn):
    (run_dir / "checkpoint").unlink() if torn is None else (run_dir / "checkpoint").write_bytes(
        torn
    )
    assert run_checkpoints.newest_whole(run_dir) == str(run_dir / "model.ckpt-9")
    state = tf.train.get_checkpoint_state(str(run_dir))
    assert [path.rpartition("-")[2] for path in state.all_model_checkpoint_paths] == ["3", "6", "9"]


def test_a_list_without_checkpoints_is_a_new_run(tmp_path):
    (tmp_path / "checkpoint").write_text("")
    assert run_checkpoints.newest_whole(tmp_path) is None
    assert not (tmp_path / "checkpoint").exists()


def test_a_run_without_one_whole_checkpoint_is_refused_not_begun_anew(run_dir):
    for file in run_dir.glob("*.data*"):
        file.unlink()
    with pytest.raises(BadInput, match="no checkpoint of .* can be read"):
        run_checkpoints.newest_whole(run_dir)


def test_a_new_run_has_none(tmp_path):
    assert run_checkpoints.newest_whole(tmp_path) is None


def test_a_bad_checkpoint_is_forgotten(run_dir):
    assert run_checkpoints.forget(run_dir, 9) == str(run_dir / "model.ckpt-6")
    assert not list(run_dir.glob("model.ckpt-9*"))
    assert run_checkpoints.forget(run_dir, 7) == str(run_dir / "model.ckpt-6")


def test_the_best_checkpoint_is_kept_and_survives_a_restart(run_dir):
    best = Best(run_dir)
    assert best.checkpoint is None
    assert best.offer(str(run_dir / "model.ckpt-3"), 3, 0.5, 1.0)
    assert best.offer(str(run_dir / "model.ckpt-6"), 6, 0.8, 0.7)
    again = Best(run_dir)
    assert not again.offer(str(run_dir / "model.ckpt-9"), 9, 0.8, 0.6)
    assert again.accuracy == 0.8
    for file in run_dir.glob("model.ckpt-*"):
        file.unlink()  # what the run itself keeps goes its own way
    assert (tf.train.load_variable(again.checkpoint, "weights") == 6).all()
    assert not list((run_dir / "best").glob("model.ckpt-3*"))


def test_a_best_of_another_run_is_forgotten(run_dir):
    Best(run_dir).offer(str(run_dir / "model.ckpt-6"), 6, 0.8, 0.7)
    assert Best(run_dir, last_step=6).accuracy == 0.8
    assert Best(run_dir, last_step=5).accuracy is None
    assert Best(run_dir).checkpoint is None


def test_the_best_goes_with_the_weights_that_were_lost(run_dir):
    Best(run_dir).offer(str(run_dir / "model.ckpt-6"), 6, 0.8, 0.7)
    assert run_checkpoints.forget(run_dir, 6) == str(run_dir / "model.ckpt-3")
    assert Best(run_dir).record is None


@pytest.mark.parametrize("text", ["", "[]", '{"step": 3}', "null"])
def test_a_broken_best_json_is_named(run_dir, text):
    (run_dir / "best").mkdir()
    (run_dir / "best" / "best.json").write_text(text)
    with pytest.raises(BadInput, match=r"best\.json is broken"):
        Best(run_dir)
