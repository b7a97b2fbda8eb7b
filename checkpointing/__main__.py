"""Lists and downloads the published checkpoints, and inspects any checkpoint.

    python -m checkpointing                                        # all published checkpoints
    python -m checkpointing --download inception_v3_2016_08_28
    python -m checkpointing --download imagenet --model_name vgg_16
    python -m checkpointing --inspect runs/flowers                 # its variables
    python -m checkpointing --inspect imagenet --model_name vgg_16 # and how they fit

The environment variables CHECKPOINTS_DIR and CHECKPOINTS_MIRROR replace the flags of the same
names. A mirror is a folder, or its URL, that holds the archives under their published names.
"""

import json

from checkpointing.checkpoint_path import IMAGENET, check_checkpoint_path
from checkpointing.download import (
    checkpoints_folder,
    fetch_published,
    find_downloaded,
    resolve_checkpoint_path,
)
from checkpointing.published import CHECKPOINTS, HOST
from keras_conversion.file_types import is_keras_file
from nets.networks import find_network
from system.errors import BadInput
from system.flags import Parser, path, place, run_main


def parse_flags(argv=None):
    """Returns the checked flags.

    Raises:
      BadInput: there is no such network, or two commands are given.
    """
    parser = Parser(__doc__)
    flag = parser.flag
    flag("model_name", "NAME", str, None, "network of the checkpoints, or to compare with")
    flag("download", "NAME,...", str, None, "checkpoints; imagenet is that of --model_name")
    flag("inspect", "WHICH", path, None, "name, or path of a file, folder or archive")
    flag("checkpoints_dir", "DIR", path, None, "folder of the downloads (default checkpoints)")
    flag("checkpoints_mirror", "PLACE", place, None, "folder or URL to get the archives from")
    flags = parser.parse_args(argv)
    if flags.download is not None and flags.inspect is not None:
        raise BadInput("--download and --inspect cannot be combined; give one of them")
    if flags.model_name is not None:
        find_network(flags.model_name)
    return flags


def list_checkpoints(checkpoints_dir, model_name=None):
    """Prints the published checkpoints, or only those of the network `model_name`.

    Returns:
      A dict: `checkpoints`, their number; `downloaded`, the names of those in `checkpoints_dir`.
    """
    chosen = {
        name: checkpoint
        for name, checkpoint in CHECKPOINTS.items()
        if model_name in (None, checkpoint.network)
    }
    width = max(map(len, chosen), default=0)
    if chosen:
        print(f"  {'name':{width}}   px  top-1  top-5  downloaded  {HOST}...")
    else:
        print(f"No checkpoint of {model_name} was published")
    downloaded = []
    for network in dict.fromkeys(checkpoint.network for checkpoint in chosen.values()):
        print(network)
        for name, checkpoint in chosen.items():
            if checkpoint.network != network:
                continue
            try:
                state = "yes" if find_downloaded(name, checkpoints_dir) else "no"
            except BadInput:
                state = "broken"
            if state == "yes":
                downloaded.append(name)
            print(
                f"  {name:{width}}  {checkpoint.image_size:3}  {checkpoint.top_1 or '-':>5}  "
                f"{checkpoint.top_5 or '-':>5}  {state:10}  {checkpoint.url.removeprefix(HOST)}"
            )
    return {"checkpoints": len(chosen), "downloaded": downloaded}


def download(names, model_name, checkpoints_dir, mirror):
    """Downloads the checkpoints in a comma-separated list.

    Returns:
      A dict from the name of each to its path.

    Raises:
      BadInput: there is no such checkpoint, or it cannot be downloaded.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise BadInput(f"--download: expected names of published checkpoints, got {names!r}")
    for index, name in enumerate(wanted):
        wanted[index] = check_checkpoint_path(name, model_name if name == IMAGENET else None)
        if wanted[index] not in CHECKPOINTS:
            raise BadInput(f"--download: expected a published checkpoint, got {name!r}")
    found = {name: fetch_published(name, checkpoints_dir, mirror) for name in wanted}
    for name, checkpoint in found.items():
        print(f"{name} is at {checkpoint}")
    return found


def inspect(which, model_name, checkpoints_dir, mirror):
    """Prints the variables of a checkpoint and, if `model_name` is given, how they fit.

    Returns:
      A dict of the counts.

    Raises:
      BadInput: there is no such checkpoint, or it cannot be read.
    """
    # A checkpoint of another network may be inspected too.
    own = model_name if which == IMAGENET else None
    checkpoint = resolve_checkpoint_path(which, own, checkpoints_dir, mirror)
    if checkpoint is None:
        raise BadInput("--inspect none: expected the name or the path of a checkpoint")
    if is_keras_file(checkpoint) and model_name is None:
        raise BadInput(f"--inspect {checkpoint}: a Keras file needs --model_name, its network")
    # Imported here because TensorFlow takes seconds, and the other commands do not need it.
    from checkpointing import inspection
    from checkpointing.reading import check_readable, read_shapes
    from keras_conversion.weights import read_keras_weights

    if is_keras_file(checkpoint):
        values = read_keras_weights(checkpoint, model_name)
        shapes = {name: list(value.shape) for name, value in values.items()}
    else:
        check_readable(checkpoint)
        shapes = read_shapes(checkpoint)
    inventory = inspection.take_inventory(shapes)
    print(checkpoint, *inventory.describe(), sep="\n")
    counts = {
        "checkpoint": checkpoint,
        "num_variables": len(inventory.variables),
        "num_parameters": inspection.count_parameters(inventory.variables),
    }
    if model_name is None:
        return counts
    found, num_classes = inspection.compare_with_network(checkpoint, shapes, model_name)
    print("", *inspection.describe_comparison(found, shapes, model_name, num_classes), sep="\n")
    return {
        **counts,
        "model_name": model_name,
        "num_classes": num_classes,
        "matching": len(found.restored),
        "missing": len(found.missing),
        "shape_mismatch": len(found.shape_mismatch),
        "rgb_kernels": len(found.rgb_kernels),
        "unused": len(found.unused),
    }


def main(argv=None):
    """Runs the command that the flags name; the last line is JSON."""
    flags = parse_flags(argv)
    where = flags.checkpoints_dir, flags.checkpoints_mirror
    if flags.download is not None:
        result = download(flags.download, flags.model_name, *where)
    elif flags.inspect is not None:
        result = inspect(flags.inspect, flags.model_name, *where)
    else:
        result = list_checkpoints(checkpoints_folder(flags.checkpoints_dir), flags.model_name)
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    run_main(main)
