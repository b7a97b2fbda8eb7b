"""Checkpoint files: which one a path or a folder means, and whether it can be read."""

import glob
import os
import re
import tarfile
from pathlib import Path

from bad_input import BadInput

# Of the archives that are unpacked to find the checkpoint in them.
ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")

_V1_END = bytes.fromhex("57fb808b247547db")  # of a table of TensorFlow, in tsl/lib/io/format.h
_KERAS_BEGINNINGS = (b"\x89HDF\r\n\x1a\n", b"PK\x03\x04")  # HDF5, and the zip of a .keras file


def refuse_pattern(path):
    """Raises BadInput for a path that TensorFlow's Saver would take for a pattern of names."""
    if set("*?[\\") & set(str(path)):
        raise BadInput(
            f"{path}: TensorFlow does not find checkpoints under a name with * ? [ or \\ in it; "
            "rename the folder"
        )


def checkpoint_at(path):
    """The checkpoint that `path` names: a V1 file, a V2 prefix, or a folder's newest.

    Reads no tensor and does not import TensorFlow, so that a wrong path is answered at once.

    Raises:
      BadInput: `path` is no checkpoint; says what it is, and what to give in its place.
    """
    refuse_pattern(path)
    path = Path(path)
    if path.is_dir():
        return checkpoint_in(path)
    part = re.fullmatch(r"(.+)\.(meta|index|data-\d{5}-of-\d{5})", path.name)
    if part:
        raise BadInput(
            f"{path} is one file of a checkpoint; give the name that its files share, "
            f"{path.with_name(part[1])}"
        )
    if path.with_name(path.name + ".index").is_file():
        return str(path)
    if not path.is_file():
        raise BadInput(f"there is no checkpoint {path}: no such file, and no {path.name}.index")
    if tarfile.is_tarfile(path):
        raise BadInput(
            f"{path} is an archive; unpack it (tar -xf {path} -C {path.parent}) and give the "
            ".ckpt in it"
        )
    _check_format(path)
    return str(path)


def _check_format(path):
    """Raises BadInput for a file that is neither of the V1 format, to its end, nor Keras's."""
    with path.open("rb") as file:
        first = file.read(8)
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - len(_V1_END)))
        last = file.read()
    if last != _V1_END and not first.startswith(_KERAS_BEGINNINGS):
        raise BadInput(
            f"{path} is no checkpoint, or a part of one: expected a file of TensorFlow's V1 format,"
            " the prefix of a V2 checkpoint's files, or a file of Keras; fetch or save it anew"
        )


def checkpoint_in(folder, archive=None, cure="give a .ckpt file or its prefix"):
    """The newest checkpoint of a folder; where it has none itself, of the nearest folder in it.

    The newest is the one that the `checkpoint` file names, wherever the folder was when that was
    written; else the one with the highest step in its name. Of folders equally near it is that in
    `ema`: MobileNet V3 has moving averages there, and in `pristine` the weights they are of.

    Args:
      folder: where to look.
      archive: the archive it was unpacked from, for the message of an error.
      cure: what to do where there is none, for that message.

    Returns:
      The path of a V1 file or a V2 prefix, a str.

    Raises:
      BadInput: there is none, or there are several and nothing says which is the newest.
    """
    found = _newest_nearby(Path(folder))
    if len(found) > 1:
        found = [path for path in found if path.parent.name == "ema"] or found
    if len(found) == 1:
        refuse_pattern(found[0])
        return str(found[0])
    where = archive or folder
    if not found:
        raise BadInput(f"{where} holds no checkpoint, no .ckpt file and no .index; {cure}")
    names = ", ".join(str(path.relative_to(folder)) for path in found[:10])
    cure = "unpack it and give one of them" if archive else "give one of them"
    raise BadInput(f"{where}: which of its checkpoints is the newest? ({names}); {cure}")


def _newest_nearby(folder):
    """The newest of `folder`, else those of the folders in it that are least deep."""
    level, found = [folder], []
    while level and not found:
        found = [path for each in level for path in _newest_of(each)]
        below = (path for each in level for path in sorted(each.glob("[!.]*")))
        level = [path for path in below if path.is_dir() and not path.is_symlink()]
    return found


def _newest_of(folder):
    """The newest of the checkpoints in `folder` itself; several where nothing says which."""
    for name in _listed_in(folder / "checkpoint"):
        if (folder / name).is_file() or (folder / f"{name}.index").is_file():
            return [folder / name]
    files = [path for path in folder.glob("[!.]*") if path.is_file()]
    prefixes = {path.with_suffix("") for path in files if path.suffix == ".index"}
    whole_files = {path for path in files if re.search(r"\.ckpt(-\d+)?$", path.name)}
    steps = {path: _step_in_name(path) for path in sorted(prefixes | whole_files)}
    return [path for path, step in steps.items() if step == max(steps.values())]


def _listed_in(state):
    """The names of the checkpoints that a `checkpoint` file lists, the newest first.

    Their folders may be those of another machine, and are left out.
    """
    text = state.read_text(errors="replace") if state.is_file() else ""
    newest = re.findall(r'^model_checkpoint_path: "(.+)"', text, re.M)
    kept = re.findall(r'^all_model_checkpoint_paths: "(.+)"', text, re.M)
    return [Path(path).name for path in newest + kept[::-1]]


def _step_in_name(path):
    step = re.search(r"-(\d+)$", path.name)
    return int(step[1]) if step else -1


def _unreadable():
    """What TensorFlow's reader raises over a file that is broken."""
    from slim_on_tf2 import tf

    return (tf.errors.OpError, ValueError, RuntimeError, IndexError)


def read_checkpoint(path):
    """TensorFlow's reader of the checkpoint `path` (V1 file or V2 prefix).

    Raises:
      BadInput: the file is broken, or no checkpoint at all.
    """
    from slim_on_tf2 import tf

    try:
        return tf.train.load_checkpoint(path)
    except _unreadable() as error:
        raise BadInput(
            f"{path} cannot be read as a checkpoint ({_first_line(error)}); fetch it anew"
        ) from error


def step_of(path):
    """The global step that the checkpoint `path` was saved at; 0 where it does not say."""
    reader = read_checkpoint(path)
    return int(reader.get_tensor("global_step")) if reader.has_tensor("global_step") else 0


def size_of(path):
    """The bytes on the disk of the checkpoint at `path`, a V1 file or V2 prefix."""
    path = Path(path)
    files = [path] if path.is_file() else path.parent.glob(f"{glob.escape(path.name)}.*")
    return sum(file.stat().st_size for file in files)


def check_whole(path):
    """Reads each tensor of the checkpoint `path`: its index is whole where half the file is gone.

    Raises:
      BadInput: one cannot be read.
    """
    from slim_on_tf2 import tf

    try:
        reader = tf.train.load_checkpoint(path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except _unreadable() as error:
        raise BadInput(f"{path} is broken ({_first_line(error)}); fetch or save it anew") from error


def is_whole(path):
    """Whether each tensor of the checkpoint `path` can be read (a crash may leave half a file)."""
    try:
        check_whole(path)
    except BadInput:
        return False
    return True


def _first_line(error):
    return str(error).partition("\n")[0] or type(error).__name__
