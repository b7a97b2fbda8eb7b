"""The meaning of --checkpoint_path, checked without TensorFlow and before anything is downloaded.

    imagenet, or no flag            the published checkpoint of the network
    inception_v3_2016_08_28         a published checkpoint by name, see checkpointing/published.py
    inception_v3.ckpt               a V1 checkpoint
    model.ckpt-900                  the prefix of a V2 checkpoint
    runs/flowers                    the latest checkpoint in a folder
    model.tar.gz, .tgz, .tar, ...   the latest checkpoint in an archive, which is unpacked beside it
    weights.h5, .hdf5, .keras       Keras weights
    none                            no checkpoint: random weights

`checkpointing.download.resolve_checkpoint_path` then downloads or unpacks it.
"""

import difflib
from pathlib import Path

from checkpointing.files import locate_checkpoint
from checkpointing.published import CHECKPOINTS
from keras_conversion.file_types import KERAS_SUFFIXES
from nets.networks import NETWORKS, find_network
from system.errors import BadInput

NONE, IMAGENET = "none", "imagenet"
ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def check_checkpoint_path(path_or_name, model_name=None):
    """Checks that what --checkpoint_path names exists.

    Args:
      path_or_name: the flag's value; None for the published checkpoint of the network.
      model_name: the network to restore; None to accept the checkpoint of any network.

    Returns:
      `none`, a name of `CHECKPOINTS`, or a path.

    Raises:
      BadInput: it does not exist, or belongs to another network.
    """
    if path_or_name == NONE:
        return NONE
    if path_or_name in (None, IMAGENET):
        return _published_name(model_name)
    if path_or_name in CHECKPOINTS:
        network = CHECKPOINTS[path_or_name].network
        if model_name not in (None, network):
            raise BadInput(
                f"the checkpoint {path_or_name} is of {network}, not of {model_name}; give "
                f"--model_name {network}, or another --checkpoint_path"
            )
        return path_or_name
    path = Path(path_or_name)
    if path.name.endswith(ARCHIVE_SUFFIXES + KERAS_SUFFIXES) and not path.is_dir():
        if not path.is_file():
            raise BadInput(f"there is no file {path}; give the path or the name of a checkpoint")
        return str(path)
    exists = path.exists() or path.with_name(f"{path.name}.index").exists()
    if not exists and not path.parent.name:
        raise _unknown_name(path_or_name)
    return locate_checkpoint(path)


def _published_name(model_name):
    """Returns the name of a network's own checkpoint in `CHECKPOINTS`."""
    if model_name is None:
        raise BadInput(f"{IMAGENET} is the checkpoint of a network; give --model_name too")
    name = find_network(model_name).checkpoint
    if name is None:
        raise BadInput(
            f"no checkpoint of {model_name} was published; give --checkpoint_path a checkpoint of "
            f"your own, or {NONE} to train from scratch"
        )
    return name


def _unknown_name(name):
    close = difflib.get_close_matches(name, [*CHECKPOINTS, *NETWORKS, IMAGENET, NONE], cutoff=0.6)
    if name in NETWORKS:
        hint = f"that is a network; give {IMAGENET} with --model_name {name}"
    elif close:
        hint = f"did you mean {' or '.join(close)}?"
    else:
        hint = "python -m checkpointing lists the published ones"
    return BadInput(f"there is no published checkpoint and no file named {name}; {hint}")
