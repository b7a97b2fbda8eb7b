"""Lists the variables of a checkpoint, and how they fit a network."""

import math
import re
from dataclasses import dataclass, field

from checkpointing.reading import MOVING_AVERAGE, is_training_state
from checkpointing.scope_names import in_scopes
from checkpointing.warm_start import compare_with_checkpoint, num_parameters
from nets.nets_factory import get_network_fn
from nets.networks import find_network
from slim_on_tf2 import slim, tf


@dataclass(frozen=True)
class Inventory:
    """The variables of a checkpoint by purpose; each a dict from name to shape."""

    variables: dict = field(default_factory=dict)
    averages: dict = field(default_factory=dict)  # exponential moving averages of variables
    training_state: dict = field(default_factory=dict)  # global step, slots of the optimizer

    def describe(self):
        """Returns the lines that list the variables, with their totals."""
        lines = []
        for title, shapes in (
            ("Variables", self.variables),
            ("Moving averages of variables", self.averages),
            ("Training state: global step, optimizer", self.training_state),
        ):
            if shapes:
                total = f"  {len(shapes)} in total, with {count_parameters(shapes):,} elements"
                lines += [f"{title}:", *table(shapes), total, ""]
        statistics = {
            name: shape
            for name, shape in self.variables.items()
            if name.endswith(("/moving_mean", "/moving_variance"))
        }
        return [
            *lines,
            f"{len(self.variables)} variables with {count_parameters(self.variables):,} "
            f"parameters, including {count_parameters(statistics):,} means and variances of batch "
            "norm",
        ]


def take_inventory(shapes):
    """Sorts the variables of a checkpoint, a dict from name to shape, into an `Inventory`."""
    inventory = Inventory()
    for name in sorted(shapes, key=_natural_order):
        if name.rpartition("/")[2] == MOVING_AVERAGE:
            inventory.averages[name] = shapes[name]
        elif is_training_state(name, shapes):
            inventory.training_state[name] = shapes[name]
        else:
            inventory.variables[name] = shapes[name]
    return inventory


def count_parameters(shapes):
    """Returns the number of elements of all variables in a dict from name to shape."""
    return sum(map(math.prod, shapes.values()))


def table(shapes):
    """Returns a line per variable of a dict from name to shape: name, shape, elements."""
    width = max(map(len, shapes), default=0)
    return [
        f"  {name:{width}}  {shape!s:20}  {math.prod(shape):>11,}" for name, shape in shapes.items()
    ]


def compare_with_network(checkpoint, shapes, model_name):
    """Compares a checkpoint with a network that has the same number of classes.

    Args:
      checkpoint: its path.
      shapes: name -> shape of its variables.
      model_name: a name of the table of networks.

    Returns:
      A `warm_start.CheckpointComparison`, and the number of classes.

    Raises:
      BadInput: there is no such network.
    """
    network = find_network(model_name)
    num_classes = network.published_classes
    for name in sorted(shapes):
        variable = name.removesuffix(f"/{MOVING_AVERAGE}")
        if in_scopes(variable, network.head_scopes) and variable.endswith("/biases"):
            num_classes = shapes[name][-1]
            break
    variables = network_variables(model_name, num_classes)
    return compare_with_checkpoint(variables, checkpoint, shapes), num_classes


def network_variables(model_name, num_classes, image_size=None, channels=None):
    """Returns the model variables of a network in training mode, in the order of its layers.

    Args:
      model_name: a name of the table of networks.
      num_classes: the number of classes.
      image_size: height and width of its images in pixels; by default the published ones.
      channels: the number of channels of its images; by default the published one.

    Returns:
      A list of variables, in a graph of their own.

    Raises:
      BadInput: there is no such network.
    """
    network = find_network(model_name)
    size, channels = image_size or network.image_size, channels or network.channels
    with tf.Graph().as_default():
        images = tf.zeros([1, size, size, channels])
        get_network_fn(model_name, num_classes, is_training=True)(images)
        return slim.get_model_variables()


def describe_comparison(found, shapes, model_name, num_classes):
    """Returns the lines that list what matches a network, what is missing and what is unused.

    Args:
      found: a `warm_start.CheckpointComparison`.
      shapes: name -> shape of the checkpoint's variables.
      model_name: the name of the network.
      num_classes: the network's number of classes.
    """
    unused = {name: shapes[name] for name in sorted(found.unused, key=_natural_order)}
    matching = sum(map(num_parameters, found.restored.values()))
    lines = [
        f"Compared with {model_name} for {num_classes} classes:",
        f"Matching: {len(found.restored)} variables ({matching:,} parameters)",
        f"Missing in the checkpoint: {len(found.missing)}",
        *(f"  {name}" for name in found.missing),
        f"RGB kernels, where the network takes grayscale images: {len(found.rgb_kernels)}",
        *(f"  {name}" for name in found.rgb_kernels),
        f"Shape mismatch: {len(found.shape_mismatch)}",
        *(
            f"  {name}: {ours} in the network, {theirs} in the checkpoint"
            for name, (ours, theirs) in found.shape_mismatch.items()
        ),
        f"Unused in the checkpoint: {len(unused)}",
        *table(unused),
    ]
    if found.averages:
        lines.append(f"Moving averages: of {len(found.averages)} of the network's variables")
    return lines


def _natural_order(name):
    """A sort key that puts Conv2d_10 after Conv2d_2."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]
