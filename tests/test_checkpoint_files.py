import tarfile
from pathlib import Path

import pytest
from tiny_checkpoint import save

from checkpointing.files import latest_checkpoint_in, locate_checkpoint
from checkpointing.reading import check_readable, is_readable
from slim_on_tf2 import tf
from system.errors import BadInput


@pytest.mark.parametrize("part", ["meta", "index", "data-00000-of-00001"])
def test_one_file_of_a_v2_checkpoint_is_refused_with_its_prefix(run_dir, part):
    with pytest.raises(BadInput, match="give their common prefix, .*ckpt-9$"):
        locate_checkpoint(run_dir / f"model.ckpt-9.{part}")


def test_prefix_and_folder_name_the_checkpoint(run_dir):
    assert locate_checkpoint(run_dir / "model.ckpt-6") == str(run_dir / "model.ckpt-6")
    assert locate_checkpoint(run_dir) == str(run_dir / "model.ckpt-9")


def make(folder, *files):
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["inception_v3.ckpt"], "inception_v3.ckpt"),
        (["model.ckpt.index", "model.ckpt.meta", "model.ckpt.data-00000-of-00001"], "model.ckpt"),
        (["n/m.ckpt.index", "n/m.pb", "n/m.tflite", "n/._m.ckpt", "n/info.txt"], "n/m.ckpt"),
        (["m/pristine/a-1.index", "m/ema/a-1.index", "m/ema/a-1.meta"], "m/ema/a-1"),
        (["model.ckpt-900"], "model.ckpt-900"),
        (["model.ckpt-90.index", "model.ckpt-900.index"], "model.ckpt-900"),
        (["model-80000.index", "model-540000.index"], "model-540000"),
        (["a/model.ckpt-9", "a/model.ckpt-9.meta", "a/model.ckpt-10"], "a/model.ckpt-10"),
        (["model.ckpt-9.index", "best/model.ckpt-10.index"], "model.ckpt-9"),
        (["inception_v3.ckpt", "model.ckpt-5.index"], "model.ckpt-5"),
    ],
)
def test_latest_checkpoint_is_found_at_any_depth(tmp_path, files, expected):
    make(tmp_path, *files)
    assert latest_checkpoint_in(tmp_path) == locate_checkpoint(tmp_path) == str(tmp_path / expected)


@pytest.mark.parametrize(
    "files",
    [
        ["a.ckpt", "b.ckpt"],
        ["one/a.ckpt-3.index", "two/a.ckpt-4.index"],
        ["a.ckpt-3.index", "b.ckpt-3.index"],
    ],
)
def test_equally_new_checkpoints_are_listed(tmp_path, files):
    make(tmp_path, *files)
    names = ", ".join(file.removesuffix(".index") for file in files)
    with pytest.raises(BadInput, match=rf"several checkpoints \({names}\); give one of them"):
        locate_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (["model.ckpt-6"], 6),
        (["/of/another/machine/train_dir/model.ckpt-6"], 6),
        (["model.ckpt-12", "model.ckpt-3", "/old/model.ckpt-6", "model.ckpt-12"], 6),
        (["/old/model.ckpt-12"], 9),
        ([], 9),
    ],
)
def test_checkpoint_file_of_a_moved_folder_names_the_latest(run_dir, listed, expected):
    lines = [f'model_checkpoint_path: "{path}"' for path in listed[:1]]
    lines += [f'all_model_checkpoint_paths: "{path}"' for path in listed[1:]]
    (run_dir / "checkpoint").write_text("\n".join(lines) + "\n")
    assert locate_checkpoint(run_dir) == str(run_dir / f"model.ckpt-{expected}")


def test_folder_written_by_tensorflow_can_be_moved(tmp_path):
    tf.get_variable("a", [2])
    saver = tf.train.Saver()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for step in (20, 10):  # the last one saved has the lower step
            saver.save(session, str(tmp_path / "before" / "model.ckpt"), step)
    assert str(tmp_path / "before") in (tmp_path / "before" / "checkpoint").read_text()
    (tmp_path / "before").rename(tmp_path / "after")
    assert locate_checkpoint(tmp_path / "after") == str(tmp_path / "after" / "model.ckpt-10")


def test_folder_without_checkpoint_file_names_the_highest_step(run_dir):
    (run_dir / "checkpoint").unlink()
    assert locate_checkpoint(run_dir) == str(run_dir / "model.ckpt-9")
    (run_dir / "model.ckpt-9.index").unlink()
    assert locate_checkpoint(run_dir) == str(run_dir / "model.ckpt-6")


def cut_in_half(content):
    return content[: len(content) // 2]


def flip_a_byte(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0x55]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [cut_in_half, flip_a_byte])
@pytest.mark.parametrize("version", ["V1", "V2"])
def test_broken_checkpoint_is_one_line(tmp_path, version, damage):
    path = save(tmp_path / "model.ckpt", getattr(tf.train.SaverDef, version))
    check_readable(path)
    assert is_readable(path)
    file = Path(path) if version == "V1" else Path(f"{path}.data-00000-of-00001")
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(
        BadInput, match=r"model.ckpt is broken \(.+\); download or save it again"
    ) as raised:
        check_readable(path)
    assert "\n" not in str(raised.value)
    assert not is_readable(path)


def test_missing_checkpoint_empty_folder_and_archive_are_refused(tmp_path):
    with pytest.raises(BadInput, match="there is no checkpoint"):
        locate_checkpoint(tmp_path / "nothing.ckpt")
    with pytest.raises(BadInput, match="holds no checkpoint, .*; give a .ckpt file or its prefix"):
        locate_checkpoint(tmp_path)
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz"):
        pass
    with pytest.raises(BadInput, match="is an archive; unpack it"):
        locate_checkpoint(tmp_path / "model.tar.gz")


@pytest.mark.parametrize("name", ["run[1]", "run*", "run?", "run\\1"])
def test_glob_characters_in_a_path_are_refused(tmp_path, name):
    with pytest.raises(BadInput, match="rename the folder"):
        locate_checkpoint(tmp_path / name / "model.ckpt-1")


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"x" * 10_000])
def test_other_files_are_refused(tmp_path, content):
    file = tmp_path / "model.ckpt"
    file.write_bytes(content)
    with pytest.raises(BadInput, match="model.ckpt is not a complete checkpoint: expected"):
        locate_checkpoint(file)


def test_v1_file_is_accepted_only_complete(tmp_path):
    tf.get_variable("a", [3])
    saver = tf.train.Saver(write_version=tf.train.SaverDef.V1)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        path = saver.save(session, str(tmp_path / "model.ckpt"))
    assert locate_checkpoint(path) == path
    content = (tmp_path / "model.ckpt").read_bytes()
    (tmp_path / "model.ckpt").write_bytes(content[:-1])
    with pytest.raises(BadInput, match="model.ckpt is not a complete checkpoint"):
        locate_checkpoint(path)
