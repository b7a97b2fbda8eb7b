"""What a network costs: parameters and arithmetic for one photo, a row a layer.

    python -m training.model_stats --model_name mobilenet_v1 --output stats.csv
    python -m training.model_stats --model_name inception_v3 --image_size 499 --num_classes 5

A training writes the same table of its own network with the session hook `ModelStats`:

    from training.model_stats import ModelStats

    ModelStats(logits, log_dir)                                # writes log_dir/model_stats.csv

The columns are layer,params,maccs,adds,comps,output_shape, the last row is `total`. A macc is a
multiplication with its addition, in a convolution or a dense layer; adds are further additions,
comps are comparisons, params are trainable parameters. nets/operation_counts.py says exactly what
is counted as what, and what is a layer.
"""

import csv
import json

from files import written_aside
from flags import Parser, path, run, whole_number
from nets.factory import check_image_size, find_network, get_network_fn

KINDS = ("params", "maccs", "adds", "comps")
COLUMNS = ("layer", *KINDS, "output_shape")


def __getattr__(name):
    if name != "ModelStats":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # A hook needs TensorFlow, for which the command's flags need not wait.
    from training.model_stats_hook import ModelStats

    return ModelStats


def parse_flags(argv=None):
    """The flags, each checked, with the network's own for those left out.

    Raises:
      BadInput: there is no such network, or it takes no images of that size.
    """
    parser = Parser(__doc__)
    flag = parser.flag
    flag("model_name", "NAME", str, "inception_resnet_v2", "network")
    flag("image_size", "PX", whole_number(1), None, "side of its input (default the network's)")
    flag("num_classes", "N", whole_number(1), None, "(default as published)")
    flag("output", "FILE", path, "model_stats.csv", "table to write")
    flags = parser.parse_args(argv)
    network = find_network(flags.model_name)
    flags.image_size = flags.image_size or network.image_size
    check_image_size(flags.model_name, flags.image_size)
    flags.num_classes = flags.num_classes or network.published_classes
    return flags


def build_and_count(model_name, image_size, num_classes):
    """Counts a network in evaluation, with the channels that it was published for.

    Args:
      model_name: a name of the table of networks.
      image_size: side of the photos, in pixels.
      num_classes: how many logits.

    Returns:
      A `nets.operation_counts.NetworkCounts`.
    """
    from nets.operation_counts import count_network  # TensorFlow, as above
    from slim_on_tf2 import tf

    with tf.Graph().as_default():
        channels = find_network(model_name).channels
        images = tf.placeholder(tf.float32, [None, image_size, image_size, channels])
        logits, _ = get_network_fn(model_name, num_classes)(images)
        return count_network(logits, images)


def write_table(table_path, counts):
    """Writes a row a layer, and the total, to a CSV file.

    Args:
      table_path: the file, a str or a Path.
      counts: a `nets.operation_counts.NetworkCounts`.

    Raises:
      BadInput: the file cannot be written there.
    """
    with written_aside(table_path) as aside, aside.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for layer in [*counts.layers, counts.total]:
            shape = "x".join(map(str, layer.output_shape)) or "1"
            writer.writerow([layer.name, *(getattr(layer, kind) for kind in KINDS), shape])


def main(argv=None):
    """Counts a network, writes what each layer costs, and prints a last line of JSON."""
    flags = parse_flags(argv)
    counts = build_and_count(flags.model_name, flags.image_size, flags.num_classes)
    write_table(flags.output, counts)
    total = counts.total
    print(
        f"{flags.model_name} at {flags.image_size} px with {flags.num_classes} classes: "
        f"{total.params:,} parameters; for a photo {total.maccs:,} multiply-accumulates, "
        f"{total.adds:,} additions, {total.comps:,} comparisons; "
        f"{len(counts.layers)} layers are in {flags.output}"
    )
    totals = {kind: getattr(total, kind) for kind in KINDS}
    print(json.dumps({**vars(flags), "layers": len(counts.layers), **totals}))
    return 0


if __name__ == "__main__":
    run(main)
