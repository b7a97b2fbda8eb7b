"""Lists a network's variables by scope, to choose which are trained or restored."""

from itertools import accumulate
from pathlib import PurePosixPath
from posixpath import commonpath

from checkpointing.inspection import count_parameters, network_variables, table
from checkpointing.scope_names import in_scopes
from datasets.description import read_labels
from nets.networks import find_network
from system.files import has_files


def list_variables_of_flags(flags):
    """Returns `list_variables` for the flags of train_flowers.py, whose dataset may be missing."""
    network = find_network(flags.model_name)
    classes = network.published_classes
    if has_files(flags.dataset_dir):
        classes = len(read_labels(flags.dataset_dir))
    channels = 1 if flags.use_grayscale else network.channels
    return list_variables(flags.model_name, classes, flags.image_size, channels)


def list_variables(model_name, num_classes, image_size=None, channels=None):
    """Returns the lines that list a network's variables, from the first layer to the last.

    Variables are grouped by the scopes directly below the network's own, such as
    MobilenetV1/Conv2d_0. Each group begins with its number of variables and parameters, and marks
    the classifiers, which a warm start excludes by default.

    Args:
      model_name: a name of the table of networks.
      num_classes: the number of classes.
      image_size: height and width of its images in pixels, which determine the shapes of some
        heads; by default the published ones.
      channels: the number of channels of its images; by default the published one.

    Returns:
      A list of str; the last has the totals.

    Raises:
      BadInput: there is no such network.
    """
    variables = network_variables(model_name, num_classes, image_size, channels)
    shapes = {variable.op.name: variable.shape.as_list() for variable in variables}
    not_trainable = {variable.op.name for variable in variables if not variable.trainable}
    head_scopes = find_network(model_name).head_scopes
    depth = len(PurePosixPath(commonpath(shapes)).parts) + 1
    groups = {}
    for name, shape in shapes.items():
        scope = "/".join(name.split("/")[:depth])
        groups.setdefault(scope, {})[name] = shape
    lines = []
    for scope, group in groups.items():
        head = ", classifier" if in_scopes(scope, head_scopes) else ""
        lines.append(f"{scope}: {_count(group)}{head}")
        lines += [
            f"{line}{'  not trainable' if name in not_trainable else ''}"
            for name, line in zip(group, table(group))
        ]
        lines.append("")
    fixed = count_parameters({name: shapes[name] for name in not_trainable})
    trainable = count_parameters(shapes) - fixed
    return [
        *lines,
        f"{_count(shapes)}: {trainable:,} trainable, and {fixed:,} means and variances of batch "
        "norm",
    ]


def describe_training(trained, trainable):
    """Describes the effect of --trainable_scopes.

    Args:
      trained: the variables to train, a subset of `trainable`.
      trainable: the network's trainable variables, in the order of its layers.

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
    """Returns the largest scopes in which no variable is trained.

    Args:
      trained: names of the variables to train.
      trainable: names of all trainable variables.

    Returns:
      A list of scopes in the order of `trainable`, which together hold every name that is not in
      `trained`; a variable's own name where others in its scope are trained.
    """
    touched = {scope for name in trained for scope in _scopes(name)}
    untrained = (
        next(scope for scope in _scopes(name) if scope not in touched)
        for name in trainable
        if name not in touched
    )
    return list(dict.fromkeys(untrained))


def _scopes(name):
    """Returns 'a', 'a/b' and 'a/b/c' for 'a/b/c'."""
    return accumulate(name.split("/"), "{}/{}".format)


def _count(shapes):
    plural = "" if len(shapes) == 1 else "s"
    return f"{len(shapes)} variable{plural} with {count_parameters(shapes):,} parameters"
