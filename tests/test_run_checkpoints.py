from pathlib import Path

import pytest

from checkpointing.reading import global_step_of
from slim_on_tf2 import tf
from system.errors import BadInput
from training import resume
from training.run_checkpoints import BestCheckpoint


@pytest.mark.parametrize("relative", [False, True])
def test_run_resumes_from_the_latest_valid_checkpoint(run_dir, capsys, monkeypatch, relative):
    if relative:
        monkeypatch.chdir(run_dir.parent)
        run_dir = Path(run_dir.name)
    data = run_dir / "model.ckpt-9.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:1000])
    newest = resume.latest_valid_checkpoint(run_dir)
    assert newest == str(run_dir / "model.ckpt-6")
    assert global_step_of(newest) == 6
    assert "model.ckpt-9 is broken" in capsys.readouterr().out
    assert tf.train.latest_checkpoint(str(run_dir)) == newest


@pytest.mark.parametrize(
    "torn", [b"", b"\0" * 80, b"<html>", b'model_checkpoint_path: "gone"', None]
)
def test_broken_checkpoint_list_is_rewritten(run_dir, torn):
    (run_dir / "checkpoint").unlink() if torn is None else (run_dir / "checkpoint").write_bytes(
        torn
    )
    assert resume.latest_valid_checkpoint(run_dir) == str(run_dir / "model.ckpt-9")
    state = tf.train.get_checkpoint_state(str(run_dir))
    assert [path.rpartition("-")[2] for path in state.all_model_checkpoint_paths] == ["3", "6", "9"]


def test_checkpoint_list_without_checkpoints_starts_a_new_run(tmp_path):
    (tmp_path / "checkpoint").write_text("")
    assert resume.latest_valid_checkpoint(tmp_path) is None
    assert not (tmp_path / "checkpoint").exists()


def test_run_without_a_valid_checkpoint_is_refused(run_dir):
    for file in run_dir.glob("*.data*"):
        file.unlink()
    with pytest.raises(BadInput, match="no checkpoint in .* can be read"):
        resume.latest_valid_checkpoint(run_dir)


def test_new_run_has_no_checkpoint(tmp_path):
    assert resume.latest_valid_checkpoint(tmp_path) is None


def test_diverged_checkpoint_is_deleted(run_dir):
    assert resume.delete_from_step(run_dir, 9) == str(run_dir / "model.ckpt-6")
    assert not list(run_dir.glob("model.ckpt-9*"))
    assert resume.delete_from_step(run_dir, 7) == str(run_dir / "model.ckpt-6")


def test_best_checkpoint_survives_a_restart(run_dir):
    best = BestCheckpoint(run_dir)
    assert best.checkpoint is None
    assert best.save_if_best(str(run_dir / "model.ckpt-3"), 3, {"accuracy": 0.5, "loss": 1.0})
    assert best.save_if_best(str(run_dir / "model.ckpt-6"), 6, {"accuracy": 0.8, "loss": 0.7})
    again = BestCheckpoint(run_dir)
    assert not again.save_if_best(str(run_dir / "model.ckpt-9"), 9, {"accuracy": 0.8, "loss": 0.6})
    assert again.accuracy == 0.8
    for file in run_dir.glob("model.ckpt-*"):
        file.unlink()  # what the run itself keeps goes its own way
    assert (tf.train.load_variable(again.checkpoint, "weights") == 6).all()
    assert not list((run_dir / "best").glob("model.ckpt-3*"))


def test_best_checkpoint_of_a_later_step_is_discarded(run_dir):
    BestCheckpoint(run_dir).save_if_best(
        str(run_dir / "model.ckpt-6"), 6, {"accuracy": 0.8, "loss": 0.7}
    )
    best = BestCheckpoint(run_dir)
    best.discard_after(6)
    assert best.accuracy == 0.8
    best.discard_after(5)
    assert best.accuracy is None
    assert BestCheckpoint(run_dir).checkpoint is None


def test_best_checkpoint_of_deleted_steps_is_discarded(run_dir):
    BestCheckpoint(run_dir).save_if_best(
        str(run_dir / "model.ckpt-6"), 6, {"accuracy": 0.8, "loss": 0.7}
    )
    assert resume.delete_from_step(run_dir, 6) == str(run_dir / "model.ckpt-3")
    assert BestCheckpoint(run_dir).record is None


@pytest.mark.parametrize("text", ["", "[]", '{"step": 3}', "null"])
def test_broken_best_json_is_named(run_dir, text):
    (run_dir / "best").mkdir()
    (run_dir / "best" / "best.json").write_text(text)
    with pytest.raises(BadInput, match=r"best\.json is broken"):
        BestCheckpoint(run_dir)
