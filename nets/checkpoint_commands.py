"""The published checkpoints: lists them, fetches them, and looks into any checkpoint.

    python -m nets.checkpoints                                        # all that are published
    python -m nets.checkpoints --download inception_v3_2016_08_28
    python -m nets.checkpoints --download imagenet --model_name vgg_16
    python -m nets.checkpoints --inspect runs/flowers                 # its variables
    python -m nets.checkpoints --inspect imagenet --model_name vgg_16 # and how they fit

CHECKPOINTS_DIR and CHECKPOINTS_MIRROR in the environment do what the flags of these names do. A
mirror is a folder, or its URL, that holds the archives by their names in the list.
"""

import json

from bad_input import BadInput
from flags import Parser, path
from nets import checkpoint_path
from nets.checkpoint_archives import checkpoints_folder, fetch, find_here
from nets.checkpoint_files import check_whole
from nets.checkpoints import CHECKPOINTS, HOST
from nets.factory import find_network


def parse_flags(argv=None):
    """The flags, each checked.

    Raises:
      BadInput: there is no such network, or two commands at once.
    """
    parser = Parser(__doc__)
    flag = parser.flag
    flag("model_name", "NAME", str, None, "list this network's; what imagenet means; what to fit")
    flag("download", "NAME,...", str, None, "fetch these; imagenet is the network's own")
    flag("inspect", "WHICH", path, None, "name, or path of a file, folder or archive, to look into")
    flag("checkpoints_dir", "DIR", path, None, "where they are kept (default checkpoints)")
    flag("checkpoints_mirror", "PLACE", path, None, "folder or URL of their archives")
    flags = parser.parse_args(argv)
    if flags.download is not None and flags.inspect is not None:
        raise BadInput("--download and --inspect: give one of them")
    if flags.model_name is not None:
        find_network(flags.model_name)
    return flags


def list_checkpoints(checkpoints_dir, model_name=None):
    """Prints the published checkpoints, of one network where `model_name` is given.

    Returns:
      A dict: `checkpoints`, how many there are; `here`, the names of those in `checkpoints_dir`.
    """
    chosen = {
        name: checkpoint
        for name, checkpoint in CHECKPOINTS.items()
        if model_name in (None, checkpoint.network)
    }
    places = {name: _place(name, checkpoints_dir) for name in chosen}
    width = max(map(len, chosen), default=0)
    if chosen:
        print(f"  {'name':{width}}   px  top-1  top-5  here    {HOST} and")
    else:
        print(f"No checkpoint of {model_name} was published")
    for network in dict.fromkeys(checkpoint.network for checkpoint in chosen.values()):
        print(network)
        for name, checkpoint in chosen.items():
            if checkpoint.network == network:
                print(
                    f"  {name:{width}}  {checkpoint.image_size:3}  {_figure(checkpoint.top_1)}  "
                    f"{_figure(checkpoint.top_5)}  {places[name]:6}  "
                    f"{checkpoint.url.removeprefix(HOST)}"
                )
    return {
        "checkpoints": len(chosen),
        "here": [name for name, place in places.items() if place == "yes"],
    }


def _place(name, checkpoints_dir):
    """Whether a checkpoint is in `checkpoints_dir`, in a word."""
    try:
        return "yes" if find_here(name, checkpoints_dir) else "-"
    except BadInput:
        return "broken"


def _figure(accuracy):
    return f"{'-' if accuracy is None else accuracy:>5}"


def download(names, model_name, checkpoints_dir, mirror):
    """Fetches the checkpoints of a comma-separated list.

    Returns:
      A dict from the name of each to its path.

    Raises:
      BadInput: there is no such checkpoint, or it cannot be fetched.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise BadInput(f"--download: expected names of published checkpoints, got {names!r}")
    for place, name in enumerate(wanted):
        if name == checkpoint_path.IMAGENET:
            wanted[place] = checkpoint_path.published(model_name)
        elif name not in CHECKPOINTS:
            raise checkpoint_path.unknown_name(name)
    found = {name: fetch(name, checkpoints_dir, mirror) for name in wanted}
    for name, path_of_it in found.items():
        print(f"{name} is at {path_of_it}")
    return found


def inspect(which, model_name, checkpoints_dir, mirror):
    """Prints the variables of a checkpoint and, where `model_name` is given, how they fit.

    Returns:
      A dict of the counts.

    Raises:
      BadInput: there is no such checkpoint, or it cannot be read.
    """
    # Whether a checkpoint is of another network is what is to be shown here, and no error.
    own = model_name if which == checkpoint_path.IMAGENET else None
    checkpoint = checkpoint_path.find(which, own, checkpoints_dir, mirror)
    if checkpoint is None:
        raise BadInput("--inspect none: there is nothing to look into; give a name or a path")
    values = _read_keras(checkpoint, model_name)
    if values is None:
        check_whole(checkpoint)
    from nets import inspection, warm_start  # TensorFlow, for which a wrong flag need not wait

    shapes = warm_start.read_shapes(checkpoint, values)
    inventory = inspection.take_inventory(shapes)
    print(checkpoint, *inventory.describe(), sep="\n")
    counts = {
        "checkpoint": checkpoint,
        "num_variables": len(inventory.variables),
        "num_parameters": inspection.count_parameters(inventory.variables),
    }
    if model_name is None:
        return counts
    found, num_classes = inspection.compare(checkpoint, shapes, model_name, values)
    print("", *inspection.describe_comparison(found, shapes, model_name, num_classes), sep="\n")
    return {
        **counts,
        "model_name": model_name,
        "num_classes": num_classes,
        "fits": len(found.restored),
        "missing": len(found.missing),
        "of_another_shape": len(found.misshapen),
        "of_colour": len(found.in_colour),
        "too_much": len(found.unused),
    }


def _read_keras(checkpoint, model_name):
    """name -> array of a Keras file as the network has them; None for another checkpoint."""
    from nets import keras_files  # h5py, for which the other commands need not wait

    if not keras_files.is_keras_file(checkpoint):
        return None
    if model_name is None:
        raise BadInput(f"--inspect {checkpoint}: give the network of Keras's file in --model_name")
    from nets import keras_weights

    return keras_weights.read(checkpoint, model_name)


def main(argv=None):
    """Runs the command that the flags ask for; the last line is JSON."""
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
