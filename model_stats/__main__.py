"""Counts a network's parameters and its arithmetic for one image, layer by layer.

    python -m model_stats --model_name mobilenet_v1 --output stats.csv
    python -m model_stats --model_name inception_v3 --image_size 499 --num_classes 5

The session hook `ModelStats` writes the same table during training:

    from model_stats.hook import ModelStats

    hooks = [ModelStats(logits, log_dir)]                      # writes log_dir/model_stats.csv

The columns are layer,params,maccs,adds,comps,output_shape; the last row is `total`. maccs are
multiply-accumulates of convolutions and dense layers, adds other additions, comps comparisons,
params trainable parameters. model_stats/operation_counts.py defines them in detail.
"""

import json

from model_stats.table import COUNTS, write_table
from nets.networks import check_image_size, find_network
from system.flags import Parser, path, pixels, run_main, whole_number


def parse_flags(argv=None):
    """Returns the flags; those left out have the values that the network was published with.

    Raises:
      BadInput: the network is unknown or does not accept images of this size.
    """
    parser = Parser(__doc__)
    flag = parser.flag
    flag("model_name", "NAME", str, "inception_resnet_v2", "network")
    flag("image_size", "PX", pixels, None, "side of the input (default as published)")
    flag("num_classes", "N", whole_number(1), None, "number of logits (default as published)")
    flag("output", "FILE", path, "model_stats.csv", "CSV file to write")
    flags = parser.parse_args(argv)
    network = find_network(flags.model_name)
    flags.image_size = flags.image_size or network.image_size
    check_image_size(flags.model_name, flags.image_size)
    flags.num_classes = flags.num_classes or network.published_classes
    return flags


def build_and_count(model_name, image_size, num_classes):
    """Builds a network in evaluation mode, with its published number of channels, and counts it.

    Args:
      model_name: a name from the table of networks.
      image_size: side of the images in pixels.
      num_classes: number of logits.

    Returns:
      A `model_stats.operation_counts.NetworkCounts`.
    """
    # Imported here so that a wrong flag is reported before TensorFlow loads
    from model_stats.operation_counts import count_network
    from nets.nets_factory import get_network_fn
    from slim_on_tf2 import tf

    with tf.Graph().as_default():
        channels = find_network(model_name).channels
        images = tf.placeholder(tf.float32, [None, image_size, image_size, channels])
        logits, _ = get_network_fn(model_name, num_classes)(images)
        return count_network(logits, images)


def main(argv=None):
    """Writes the table and prints the totals, as text and as a last line of JSON."""
    flags = parse_flags(argv)
    counts = build_and_count(flags.model_name, flags.image_size, flags.num_classes)
    write_table(flags.output, counts)
    total = counts.total
    print(
        f"{flags.model_name} at {flags.image_size} px with {flags.num_classes} classes: "
        f"{total.params:,} parameters; per image {total.maccs:,} multiply-accumulates, "
        f"{total.adds:,} additions, {total.comps:,} comparisons; "
        f"wrote {len(counts.layers)} layers to {flags.output}"
    )
    totals = {name: getattr(total, name) for name in COUNTS}
    print(json.dumps({**vars(flags), "layers": len(counts.layers), **totals}))
    return 0


if __name__ == "__main__":
    run_main(main)
