"""A network's variables scope by scope, to choose those that are trained or restored."""

from itertools import accumulate
from pathlib import PurePosixPath
from posixpath import commonpath

from nets.factory import find_network
from nets.inspection import count_parameters, network_variables, table
from nets.warm_start import in_scopes


def list_variables(model_name, num_classes, image_size=None, channels=None):
    """The lines that list a network's variables, from its first layer to its last.

    A line with its name, how many variables it holds and how many parameters these have stands
    above each scope; it says where the scope is a classifier, which by default is not restored.
    The scopes are those right below the one that all variables share, such as MobilenetV1/Conv2d_0.

    Args:
      model_name: a name of the table of networks.
      num_classes: how many logits.
      image_size: the side of its images in pixels, on which the shapes of some heads depend; by
        default the published one, as `channels`.
      channels: those of its images.

    Returns:
      A list of strings; the last has the totals.

    Raises:
      BadInput: there is no such network.
    """
    variables = network_variables(model_name, num_classes, image_size, channels)
    shapes = {variable.op.name: variable.shape.as_list() for variable in variables}
    fixed = {variable.op.name for variable in variables if not variable.trainable}
    heads = find_network(model_name).head_scopes
    lines = []
    for scope, names in _by_scope(shapes).items():
        inside = {name: shapes[name] for name in names}
        head = ", classifier" if in_scopes(scope, heads) else ""
        lines.append(f"{scope}: {_counted(inside)}{head}")
        lines += [
            f"{line}{'  not trainable' if name in fixed else ''}"
            for name, line in zip(inside, table(inside))
        ]
        lines.append("")
    total = count_parameters(shapes)
    trainable = total - count_parameters({name: shapes[name] for name in fixed})
    return [
        *lines,
        f"{_counted(shapes)}: {trainable:,} trainable, and {total - trainable:,} means and "
        "variances of batch norm",
    ]


def describe_training(trained, trainable):
    """What --trainable_scopes comes to: how many variables train, and which scopes do not.

    Args:
      trained: the variables that are trained, some or all of `trainable`.
      trainable: the network's trainable variables, from its first layer to its last.

    Returns:
      One line, such as 'trains 2 of 8 variables (5,125 of 3,269,509 parameters), not LeNet/conv1,
      LeNet/conv2, LeNet/fc3'.
    """
    shapes = {variable.op.name: variable.shape.as_list() for variable in trainable}
    names = [variable.op.name for variable in trained]
    parameters = count_parameters({name: shapes[name] for name in names})
    untrained = untrained_scopes(names, shapes)
    return (
        f"trains {len(names)} of {len(shapes)} variables "
        f"({parameters:,} of {count_parameters(shapes):,} parameters)"
    ) + (f", not {', '.join(untrained)}" if untrained else "")


def untrained_scopes(trained, trainable):
    """The largest scopes in which nothing trains.

    Args:
      trained: names of the variables that are trained.
      trainable: names of all that could be.

    Returns:
      A list of scopes, in the order of `trainable`, which hold all of it that is not in `trained`;
      the name of a variable stands where others of its own scope train.
    """
    touched = {scope for name in trained for scope in _scopes(name)}
    untrained = (
        next(scope for scope in _scopes(name) if scope not in touched)
        for name in trainable
        if name not in touched
    )
    return list(dict.fromkeys(untrained))


def _by_scope(names):
    """Scope -> the names in it, for the scopes right below the one that all names share."""
    depth = len(PurePosixPath(commonpath(names)).parts) + 1
    grouped = {}
    for name in names:
        scope = "/".join(name.split("/")[:depth])
        grouped.setdefault(scope, []).append(name)
    return grouped


def _scopes(name):
    """'a', 'a/b' and 'a/b/c' of 'a/b/c'."""
    return accumulate(name.split("/"), "{}/{}".format)


def _counted(shapes):
    plural = "" if len(shapes) == 1 else "s"
    return f"{len(shapes)} variable{plural} with {count_parameters(shapes):,} parameters"
