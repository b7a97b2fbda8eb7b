import tarfile
from pathlib import Path

import numpy as np
import pytest

from bad_input import BadInput
from slim_on_tf2 import tf
from training import checkpoints
from training.checkpoints import Best, checkpoint_at


@pytest.fixture
def run_dir(tmp_path):
    """A run with checkpoints of the steps 3, 6 and 9, whose variable holds the step."""
    step = tf.train.get_or_create_global_step()
    weights = tf.get_variable("weights", [1000])
    saver = tf.train.Saver(save_relative_paths=True)
    with tf.Session() as session:
        for value in (3, 6, 9):
            session.run([step.assign(value), weights.assign(np.full(1000, value))])
            saver.save(session, str(tmp_path / "model.ckpt"), global_step=value)
    return tmp_path


@pytest.mark.parametrize("part", ["meta", "index", "data-00000-of-00001"])
def test_one_file_of_a_checkpoint_is_refused_with_the_name_to_give(run_dir, part):
    with pytest.raises(BadInput, match="give the name that its files share, .*ckpt-9$"):
        checkpoint_at(run_dir / f"model.ckpt-9.{part}")


def test_a_prefix_and_a_folder_name_the_checkpoint(run_dir):
    assert checkpoint_at(run_dir / "model.ckpt-6") == str(run_dir / "model.ckpt-6")
    assert checkpoint_at(run_dir) == str(run_dir / "model.ckpt-9")


def test_a_folder_without_a_state_file_names_its_only_checkpoint(run_dir):
    (run_dir / "checkpoint").unlink()
    with pytest.raises(BadInput, match="holds 3 checkpoints"):
        checkpoint_at(run_dir)
    for step in (3, 6):
        (run_dir / f"model.ckpt-{step}.index").unlink()
    assert checkpoint_at(run_dir) == str(run_dir / "model.ckpt-9")


def test_what_is_no_checkpoint_is_said_to_be_none(tmp_path):
    with pytest.raises(BadInput, match="there is no checkpoint"):
        checkpoint_at(tmp_path / "nothing.ckpt")
    with pytest.raises(BadInput, match="folder without a checkpoint"):
        checkpoint_at(tmp_path)
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz"):
        pass
    with pytest.raises(BadInput, match="is an archive; unpack it"):
        checkpoint_at(tmp_path / "model.tar.gz")


@pytest.mark.parametrize("relative", [False, True])
def test_a_run_goes_on_from_the_newest_checkpoint_that_is_whole(
    run_dir, capsys, monkeypatch, relative
):
    if relative:
        monkeypatch.chdir(run_dir.parent)
        run_dir = Path(run_dir.name)
    data = run_dir / "model.ckpt-9.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:1000])
    newest = checkpoints.newest_whole(run_dir)
    assert newest == str(run_dir / "model.ckpt-6")
    assert checkpoints.step_of(newest) == 6
    assert "model.ckpt-9 is broken" in capsys.readouterr().out
    assert tf.train.latest_checkpoint(str(run_dir)) == newest


@pytest.mark.parametrize(
    "torn", [b"", b"\0" * 80, b"<html>", b'model_checkpoint_path: "gone"', None]
)
def test_a_torn_list_of_checkpoints_costs_nothing(run_dir, torn):
    (run_dir / "checkpoint").unlink() if torn is None else (run_dir / "checkpoint").write_bytes(
        torn
    )
    assert checkpoints.newest_whole(run_dir) == str(run_dir / "model.ckpt-9")
    state = tf.train.get_checkpoint_state(str(run_dir))
    assert [path.rpartition("-")[2] for path in state.all_model_checkpoint_paths] == ["3", "6", "9"]


def test_a_list_without_checkpoints_is_a_new_run(tmp_path):
    (tmp_path / "checkpoint").write_text("")
    assert checkpoints.newest_whole(tmp_path) is None
    assert not (tmp_path / "checkpoint").exists()


@pytest.mark.parametrize("name", ["run[1]", "run*", "run?", "run\\1"])
def test_a_path_that_is_a_pattern_is_refused(tmp_path, name):
    with pytest.raises(BadInput, match="rename the folder"):
        checkpoint_at(tmp_path / name / "model.ckpt-1")


def test_a_run_without_one_whole_checkpoint_is_refused_not_begun_anew(run_dir):
    for file in run_dir.glob("*.data*"):
        file.unlink()
    with pytest.raises(BadInput, match="no checkpoint of .* can be read"):
        checkpoints.newest_whole(run_dir)


def test_a_new_run_has_none(tmp_path):
    assert checkpoints.newest_whole(tmp_path) is None


def test_a_bad_checkpoint_is_forgotten(run_dir):
    assert checkpoints.forget(run_dir, 9) == str(run_dir / "model.ckpt-6")
    assert not list(run_dir.glob("model.ckpt-9*"))
    assert checkpoints.forget(run_dir, 7) == str(run_dir / "model.ckpt-6")


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
    assert checkpoints.forget(run_dir, 6) == str(run_dir / "model.ckpt-3")
    assert Best(run_dir).record is None


@pytest.mark.parametrize("text", ["", "[]", '{"step": 3}', "null"])
def test_a_broken_best_json_is_named(run_dir, text):
    (run_dir / "best").mkdir()
    (run_dir / "best" / "best.json").write_text(text)
    with pytest.raises(BadInput, match=r"best\.json is broken"):
        Best(run_dir)
