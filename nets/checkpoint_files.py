"""Checkpoint files: which one a path or a folder means, and whether it can be read."""

import re
import tarfile
from pathlib import Path

from bad_input import BadInput


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
        return _newest_in(path)
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
    return str(path)


def _newest_in(folder):
    state = folder / "checkpoint"
    named = (
        re.search(r'^model_checkpoint_path: "(.+)"', state.read_text(errors="replace"), re.M)
        if (state.is_file())
        else None
    )
    if named:
        return checkpoint_at(folder / named[1])
    prefixes = sorted(folder.glob("*.index")) or sorted(folder.glob("*.ckpt"))
    if len(prefixes) == 1:
        return checkpoint_at(str(prefixes[0]).removesuffix(".index"))
    if prefixes:
        names = ", ".join(prefix.name.removesuffix(".index") for prefix in prefixes[:5])
        raise BadInput(f"{folder} holds {len(prefixes)} checkpoints ({names}); give one of them")
    raise BadInput(f"{folder} is a folder without a checkpoint; give a .ckpt file or its prefix")


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
        reason = str(error).splitlines()[0]
        raise BadInput(
            f"{path} cannot be read as a checkpoint ({reason}); fetch it anew"
        ) from error


def step_of(path):
    """The global step that the checkpoint `path` was saved at; 0 where it does not say."""
    reader = read_checkpoint(path)
    return int(reader.get_tensor("global_step")) if reader.has_tensor("global_step") else 0


def is_whole(path):
    """Whether each tensor of the checkpoint `path` can be read (a crash may leave half a file)."""
    from slim_on_tf2 import tf

    try:
        reader = tf.train.load_checkpoint(path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except _unreadable():
        return False
    return True
