"""What --checkpoint_path means.

    imagenet, or no flag            the published checkpoint of the network
    inception_v3_2016_08_28         a published one by its name, see nets/checkpoints.py
    inception_v3.ckpt               a file of the V1 format
    model.ckpt-900                  the prefix of a V2 checkpoint's files
    runs/flowers                    the newest of a folder
    model.tar.gz, .tgz, .tar, ...   the newest of an archive, unpacked beside it
    weights.h5, .hdf5, .keras       weights of Keras
    none                            no checkpoint: random weights

`check` answers at once whether there is such a thing; `find` then fetches and unpacks.
"""

import difflib
from pathlib import Path

from bad_input import BadInput
from nets.checkpoint_files import ARCHIVE_SUFFIXES, checkpoint_at
from nets.checkpoints import CHECKPOINTS
from nets.factory import NETWORKS, find_network

NONE, IMAGENET = "none", "imagenet"
KERAS_SUFFIXES = (".h5", ".hdf5", ".keras")


def check(path_or_name, model_name=None):
    """Whether there is what --checkpoint_path says; fetches nothing, imports no TensorFlow.

    Args:
      path_or_name: what a user gave; None for the published checkpoint of the network.
      model_name: the network it is for; None where any will do.

    Returns:
      `none`, a name of `CHECKPOINTS`, or a path: an argument of `find`.

    Raises:
      BadInput: there is no such thing, or it is of another network; says what to give instead.
    """
    if path_or_name == NONE:
        return NONE
    if path_or_name in (None, IMAGENET):
        return published(model_name)
    if path_or_name in CHECKPOINTS:
        _check_network(path_or_name, model_name)
        return path_or_name
    path = Path(path_or_name)
    if path.name.endswith(ARCHIVE_SUFFIXES + KERAS_SUFFIXES) and not path.is_dir():
        if not path.is_file():
            raise BadInput(f"there is no file {path}; give the path of a checkpoint, or a name")
        return str(path)
    if (
        not (path.exists() or path.with_name(f"{path.name}.index").exists())
        and not path.parent.name
    ):
        raise unknown_name(path_or_name)
    return checkpoint_at(path)


def find(path_or_name, model_name=None, checkpoints_dir=None, mirror=None, progress=True):
    """The checkpoint that --checkpoint_path means, fetched and unpacked where it is not here.

    Args:
      path_or_name: as for `check`, or what that has returned.
      model_name: as for `check`.
      checkpoints_dir: where published checkpoints are kept; None as for `fetch`.
      mirror: where they are fetched; None as for `fetch`.
      progress: whether a terminal sees a progress bar.

    Returns:
      The path of a V1 file, a V2 prefix or a Keras file, a str; None for `none`.

    Raises:
      BadInput: what `check` raises; or it cannot be fetched, unpacked or written.
    """
    found = check(path_or_name, model_name)
    if found == NONE:
        return None
    # Imported here because what fetches takes as long to import as all that is checked before.
    from nets.checkpoint_archives import fetch, unpack_beside

    if found in CHECKPOINTS:
        return fetch(found, checkpoints_dir, mirror, progress)
    if found.endswith(ARCHIVE_SUFFIXES):
        return unpack_beside(found)
    return found


def published(model_name):
    """The name of the network's own checkpoint in `CHECKPOINTS`.

    Raises:
      BadInput: none was published, or there is no such network.
    """
    if model_name is None:
        raise BadInput(f"{IMAGENET} is the checkpoint of a network; give --model_name too")
    name = find_network(model_name).checkpoint
    if name is None:
        raise BadInput(
            f"no checkpoint of {model_name} was published; give --checkpoint_path one of your own, "
            f"or {NONE} to train from scratch"
        )
    return name


def unknown_name(name):
    """The `BadInput` for a name that `CHECKPOINTS` lacks; it names those that are spelled alike."""
    close = difflib.get_close_matches(name, [*CHECKPOINTS, *NETWORKS, IMAGENET, NONE], cutoff=0.6)
    if name in NETWORKS:
        hint = f"that is a network; its own is {IMAGENET}, with --model_name {name}"
    elif close:
        hint = f"did you mean {' or '.join(close)}?"
    else:
        hint = "python -m nets.checkpoints lists what was published"
    return BadInput(f"there is no checkpoint {name}, published or in a file; {hint}")


def _check_network(name, model_name):
    network = CHECKPOINTS[name].network
    if model_name not in (None, network):
        raise BadInput(
            f"the checkpoint {name} is of {network}, not of {model_name}; give --model_name "
            f"{network}, or another --checkpoint_path"
        )
