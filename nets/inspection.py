"""What a checkpoint holds, and how it fits a network."""

import math
import re
from dataclasses import dataclass, field

from nets import warm_start
from nets.factory import find_network, get_network_fn
from slim_on_tf2 import slim, tf

_BATCH_NORM = ("moving_mean", "moving_variance")


@dataclass(frozen=True)
class Inventory:
    """The variables of a checkpoint by what they are for; each a dict from name to shape."""

    variables: dict = field(default_factory=dict)
    averages: dict = field(default_factory=dict)  # exponential moving averages of variables
    of_the_run: dict = field(default_factory=dict)  # an optimizer's slots and counters, the step

    def describe(self):
        """The lines that list all variables by scope, and how many there are."""
        lines = []
        for title, shapes in (
            ("Variables", self.variables),
            ("Moving averages of variables", self.averages),
            ("Of the run: step, optimizer", self.of_the_run),
        ):
            if shapes:
                lines += [f"{title}:", *table(shapes), _total(shapes), ""]
        of_batch_norm = {
            name: shape
            for name, shape in self.variables.items()
            if name.rpartition("/")[2] in _BATCH_NORM
        }
        return [
            *lines,
            f"{len(self.variables)} variables with {count_parameters(self.variables):,} "
            f"parameters, {count_parameters(of_batch_norm):,} of them the means and variances of "
            "batch norm",
        ]


def take_inventory(shapes):
    """Sorts the variables of a checkpoint, a dict from name to shape; returns an `Inventory`."""
    inventory = Inventory()
    for name in sorted(shapes, key=_by_number):
        variable, _, last = name.rpartition("/")
        if last == warm_start.MOVING_AVERAGE:
            inventory.averages[name] = shapes[name]
        elif variable in shapes or name in warm_start.COUNTERS:
            inventory.of_the_run[name] = shapes[name]
        else:
            inventory.variables[name] = shapes[name]
    return inventory


def count_parameters(shapes):
    """How many numbers the variables of a dict from name to shape have together."""
    return sum(math.prod(shape) for shape in shapes.values())


def table(shapes):
    """A line a variable, of a dict from name to shape: both, and how many numbers it has."""
    width = max(map(len, shapes), default=0)
    return [
        f"  {name:{width}}  {shape!s:20}  {math.prod(shape):>11,}" for name, shape in shapes.items()
    ]


def compare(path, shapes, model_name, values=None):
    """Compares a checkpoint with a network, which is built with as many classes as it has.

    Args:
      path: a V1 file or a V2 prefix.
      shapes: of its variables, by name.
      model_name: a name of the table of networks.
      values: name -> array, where `path` is no checkpoint of TensorFlow.

    Returns:
      A `warm_start.WarmStart`, and the number of classes.

    Raises:
      BadInput: there is no such network.
    """
    num_classes = _num_classes(shapes, find_network(model_name))
    found = warm_start.compare(path, network_variables(model_name, num_classes), values=values)
    return found, num_classes


def network_variables(model_name, num_classes, image_size=None, channels=None):
    """The model variables of a network as it is trained, from its first layer to its last.

    Args:
      model_name: a name of the table of networks.
      num_classes: how many logits.
      image_size: the side of its images in pixels; by default the published one, as `channels`.
      channels: those of its images.

    Returns:
      A list of variables, in a graph of their own.

    Raises:
      BadInput: there is no such network.
    """
    network = find_network(model_name)
    side, channels = image_size or network.image_size, channels or network.channels
    with tf.Graph().as_default():
        images = tf.zeros([1, side, side, channels])
        get_network_fn(model_name, num_classes, is_training=True)(images)
        return slim.get_model_variables()


def describe_comparison(found, shapes, model_name, num_classes):
    """The lines that say what fits a network, what it lacks, and what is too much.

    Args:
      found: a `warm_start.WarmStart`.
      shapes: of the checkpoint's variables, by name.
      model_name: the name of the network.
      num_classes: of the network.
    """
    unused = {name: shapes[name] for name in sorted(found.unused, key=_by_number)}
    misshapen = [
        f"  {name}: the network has {ours}, the checkpoint {theirs}"
        for name, (ours, theirs) in found.misshapen.items()
    ]
    fitting = sum(map(warm_start.count_parameters, found.restored.values()))
    lines = [
        f"Against {model_name} with {num_classes} classes:",
        f"Fits: {len(found.restored)} variables ({fitting:,} parameters)",
        f"Missing in the checkpoint: {len(found.missing)}",
        *(f"  {name}" for name in found.missing),
        f"Of three channels, for photos of one: {len(found.in_colour)}",
        *(f"  {name}" for name in found.in_colour),
        f"Of another shape: {len(misshapen)}",
        *misshapen,
        f"Too much in the checkpoint: {len(unused)}",
        *table(unused),
    ]
    if found.averages:
        lines.append(f"Moving averages: of {len(found.averages)} of the network's variables")
    return lines


def _num_classes(shapes, network):
    """The number of classes of a checkpoint's heads; the published one where it has none."""
    for name in sorted(shapes):
        variable = name.removesuffix(f"/{warm_start.MOVING_AVERAGE}")
        if warm_start.in_scopes(variable, network.head_scopes) and variable.endswith("/biases"):
            return shapes[name][-1]
    return network.published_classes


def _by_number(name):
    """A key that sorts Conv2d_10 after Conv2d_2."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _total(shapes):
    return f"  {len(shapes)} in all, with {count_parameters(shapes):,} numbers"
