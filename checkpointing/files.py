"""Locates checkpoints on disk, without TensorFlow: the files of one, and the latest of a folder."""

import glob
import os
import re
import tarfile
from pathlib import Path

from keras_conversion.file_types import is_keras_file
from system.errors import BadInput

_V1_END = bytes.fromhex("57fb808b247547db")  # the magic number in tsl/lib/io/format.h


def refuse_glob_characters(path):
    """Raises BadInput for a path that TensorFlow's Saver would take for a glob pattern."""
    if set("*?[\\") & set(str(path)):
        raise BadInput(
            f"{path}: TensorFlow cannot find checkpoints in a path that contains * ? [ or \\; "
            "rename the folder"
        )


def locate_checkpoint(path):
    """Returns the checkpoint that a path names: a V1 file, a V2 prefix, or the latest of a folder.

    Raises:
      BadInput: `path` is not a checkpoint.
    """
    refuse_glob_characters(path)
    path = Path(path)
    if path.is_dir():
        return latest_checkpoint_in(path)
    part = re.fullmatch(r"(.+)\.(meta|index|data-\d{5}-of-\d{5})", path.name)
    if part:
        raise BadInput(
            f"{path} is one of several files of a checkpoint; give their common prefix, "
            f"{path.with_name(part[1])}"
        )
    if path.with_name(path.name + ".index").is_file():
        return str(path)
    if not path.is_file():
        raise BadInput(f"there is no checkpoint {path}: no such file, and no {path.name}.index")
    if tarfile.is_tarfile(path):
        raise BadInput(
            f"{path} is an archive; unpack it (tar -xf {path} -C {path.parent}) and give the .ckpt "
            "file in it"
        )
    if not (_is_v1_file(path) or is_keras_file(path)):
        raise BadInput(
            f"{path} is not a complete checkpoint: expected a file in TensorFlow's V1 format, the "
            "prefix of a V2 checkpoint, or a Keras file; download or save it again"
        )
    return str(path)


def _is_v1_file(path):
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(_V1_END)))
        return file.read() == _V1_END


def latest_checkpoint_in(folder, archive=None, cure="give a .ckpt file or its prefix"):
    """Returns the latest checkpoint in a folder or, if it has none, in its nearest subfolder.

    The latest is the one that the file `checkpoint` names, even if the folder has been moved since;
    otherwise the one with the highest step in its name. Among subfolders of the same depth, `ema`
    is preferred: the archives of MobileNet V3 hold the moving averages there, and the weights
    themselves in `pristine`.

    Args:
      folder: where to look.
      archive: the archive that the folder was unpacked from, for error messages.
      cure: what to do if there is no checkpoint, for the error message.

    Returns:
      The path of a V1 file or a V2 prefix, a str.

    Raises:
      BadInput: there is none, or it is unclear which of several is the latest.
    """
    folder = Path(folder)
    level, found = [folder], []
    while level and not found:
        found = [path for each in level for path in _latest_of(each)]
        children = (path for each in level for path in sorted(each.glob("[!.]*")))
        level = [path for path in children if path.is_dir() and not path.is_symlink()]
    if len(found) > 1:
        found = [path for path in found if path.parent.name == "ema"] or found
    if len(found) == 1:
        refuse_glob_characters(found[0])
        return str(found[0])
    where = archive or folder
    if not found:
        raise BadInput(f"{where} holds no checkpoint, no .ckpt file and no .index file; {cure}")
    names = ", ".join(str(path.relative_to(folder)) for path in found[:10])
    cure = "unpack it and give one of them" if archive else "give one of them"
    raise BadInput(f"{where} holds several checkpoints ({names}); {cure}")


def _latest_of(folder):
    """Returns the latest checkpoint in `folder` itself; several if it is unclear which is."""
    for name in _listed_in(folder / "checkpoint"):
        if (folder / name).is_file() or (folder / f"{name}.index").is_file():
            return [folder / name]
    files = [path for path in folder.glob("[!.]*") if path.is_file()]
    v2_prefixes = {path.with_suffix("") for path in files if path.suffix == ".index"}
    v1_files = {path for path in files if re.search(r"\.ckpt(-\d+)?$", path.name)}
    steps = {}
    for path in sorted(v2_prefixes | v1_files):
        step = re.search(r"-(\d+)$", path.name)
        steps[path] = int(step[1]) if step else -1
    return [path for path, step in steps.items() if step == max(steps.values())]


def _listed_in(state):
    """Returns the names in a file `checkpoint`, latest first, without their folders.

    The folders may be those of another machine.
    """
    text = state.read_text(errors="replace") if state.is_file() else ""
    latest = re.findall(r'^model_checkpoint_path: "(.+)"', text, re.M)
    kept = re.findall(r'^all_model_checkpoint_paths: "(.+)"', text, re.M)
    return [Path(path).name for path in latest + kept[::-1]]


def checkpoint_bytes(path):
    """Returns the size on disk of a checkpoint, a V1 file or a V2 prefix."""
    path = Path(path)
    files = [path] if path.is_file() else path.parent.glob(f"{glob.escape(path.name)}.*")
    return sum(file.stat().st_size for file in files)
