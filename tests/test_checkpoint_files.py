import tarfile

import pytest

from bad_input import BadInput
from nets.checkpoint_files import checkpoint_at


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


@pytest.mark.parametrize("name", ["run[1]", "run*", "run?", "run\\1"])
def test_a_path_that_is_a_pattern_is_refused(tmp_path, name):
    with pytest.raises(BadInput, match="rename the folder"):
        checkpoint_at(tmp_path / name / "model.ckpt-1")
