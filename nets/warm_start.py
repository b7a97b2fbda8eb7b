"""Warm start: the weights of a published network as the first weights of a run.

The checkpoint and the network are compared by name and shape before anything is restored, so that a
network never starts half pre-trained without anybody knowing.
"""

import difflib
from dataclasses import dataclass, field

import numpy as np

from bad_input import BadInput
from nets.checkpoint_files import read_checkpoint

COUNTERS = ("global_step", "beta1_power", "beta2_power")  # of a run, and of Adam in it
MOVING_AVERAGE = "ExponentialMovingAverage"  # as tf.train.ExponentialMovingAverage names it


@dataclass(frozen=True)
class WarmStart:
    """What a checkpoint has for a network. Names are those of variables, without `:0`."""

    checkpoint: str
    values: dict | None = None  # name -> array, of a file that is not TensorFlow's
    restored: dict = field(default_factory=dict)  # name in the checkpoint -> variable
    excluded: list = field(default_factory=list)
    in_colour: list = field(default_factory=list)  # a first layer of three channels, for one
    missing: list = field(default_factory=list)  # in the network, not in the checkpoint
    misshapen: dict = field(default_factory=dict)  # name -> (network's shape, checkpoint's)
    unused: list = field(default_factory=list)  # in the checkpoint, not in the network
    averages: list = field(default_factory=list)  # of the network's variables, in the checkpoint

    @property
    def restored_averages(self):
        """The names of the moving averages that are restored."""
        return [name for name in self.restored if name.endswith(f"/{MOVING_AVERAGE}")]

    @property
    def faults(self):
        """A clause for each variable that the checkpoint lacks, or has in another shape."""
        return [f"{name} is missing" for name in self.missing] + [
            f"{name} has shape {theirs}, not {ours}"
            for name, (ours, theirs) in self.misshapen.items()
        ]

    def describe(self):
        """The lines that a run prints: what was restored, and what was not."""
        parameters = sum(count_parameters(v) for v in self.restored.values())
        lines = [
            f"Restored {len(self.restored)} variables ({parameters:,} parameters) "
            f"from {self.checkpoint}"
        ]
        averages = self.restored_averages
        if averages:
            lines.append(f"Moving averages took the place of {len(averages)} of them")
        elif self.averages:
            lines.append(
                f"The checkpoint has moving averages of {len(self.averages)} variables; "
                "--restore_moving_averages begins with those"
            )
        for what, names in (
            ("Excluded, begin at random", self.excluded),
            ("Of three channels, for photos of one, begin at random", self.in_colour),
            ("Missing in the checkpoint, begin at random", self.missing),
            ("Of another shape, begin at random", list(self.misshapen)),
            ("Unused in the checkpoint", self.unused),
        ):
            if names:
                lines.append(f"{what}: {len(names)} ({some(names, 3)})")
        return lines


def count_parameters(variable):
    """The number of numbers in `variable`."""
    return int(np.prod(variable.shape.as_list(), dtype=np.int64))


def in_scopes(name, scopes):
    """Whether the variable `name` lies in one of `scopes`; a/b holds a/b/c, and not a/bc."""
    return any(name == scope or name.startswith(f"{scope}/") for scope in scopes)


def split_scopes(flag):
    """The scopes of a comma-separated flag; none where it is None or empty."""
    return [scope.strip().strip("/") for scope in (flag or "").split(",") if scope.strip()]


def check_scopes(scopes, variables):
    """Raises BadInput for a scope to exclude that holds none of `variables`: a mistyped one."""
    for scope in scopes:
        if not any(in_scopes(variable.op.name, [scope]) for variable in variables):
            near = sorted({_scope(variable.op.name) for variable in variables})
            close = difflib.get_close_matches(scope, near, n=3, cutoff=0.5)
            raise BadInput(
                f"--checkpoint_exclude_scopes: {scope} holds no variable of the network; "
                f"did you mean {' or '.join(close or near[:3])}?"
            )


def compare(checkpoint, variables, exclude_scopes=(), restore_moving_averages=False, values=None):
    """Compares a checkpoint with a network's `variables`, by name and shape.

    Args:
      checkpoint: path of a V1 file or V2 prefix.
      variables: the network's model variables, moving averages of batch norm among them.
      exclude_scopes: scopes whose variables are left at their first values.
      restore_moving_averages: takes, in place of a variable, its exponential moving average, where
        the checkpoint has it.
      values: name -> array, where `checkpoint` is the name of a file that is not TensorFlow's.

    Returns:
      A `WarmStart`.

    Raises:
      BadInput: the checkpoint cannot be read.
    """
    shapes = read_shapes(checkpoint, values)
    found = WarmStart(checkpoint, values)
    for variable in variables:
        name, shape = variable.op.name, variable.shape.as_list()
        average = f"{name}/{MOVING_AVERAGE}"
        if average in shapes:
            found.averages.append(name)
        source = average if restore_moving_averages and average in shapes else name
        if in_scopes(name, exclude_scopes):
            found.excluded.append(name)
        elif source not in shapes:
            found.missing.append(name)
        elif shapes[source] == shape:
            found.restored[source] = variable
        else:
            found.misshapen[name] = (shape, shapes[source])
    for name in _first_layer_in_colour(found.misshapen):
        del found.misshapen[name]
        found.in_colour.append(name)
    known = {variable.op.name for variable in variables}
    found.unused.extend(name for name in sorted(shapes) if not _is_known(name, known))
    return found


def read_shapes(checkpoint, values=None):
    """A dict from the name of each variable to its shape, a list.

    Args:
      checkpoint: path of a V1 file or V2 prefix.
      values: name -> array, where `checkpoint` is the name of a file that is not TensorFlow's.

    Raises:
      BadInput: the checkpoint cannot be read.
    """
    if values is not None:
        return {name: list(value.shape) for name, value in values.items()}
    return read_checkpoint(checkpoint).get_variable_to_shape_map()


def _first_layer_in_colour(misshapen):
    """The kernels of a layer that sees grey photos here and saw colours in the checkpoint.

    A separable layer has two: [height, width, channels, multiplier], and after it
    [1, 1, channels * multiplier, depth].

    Args:
      misshapen: name -> (network's shape, checkpoint's).
    """
    of_other_inputs = {
        name: (ours[2], theirs[2])
        for name, (ours, theirs) in misshapen.items()
        if len(ours) == len(theirs) == 4 and ours[:2] + ours[3:] == theirs[:2] + theirs[3:]
    }
    layers = {_scope(name) for name, inputs in of_other_inputs.items() if inputs == (1, 3)}
    return [name for name in of_other_inputs if _scope(name) in layers]


def _scope(name):
    return name.rpartition("/")[0]


def _is_known(name, known):
    """Whether a checkpoint's `name` is the network's, or an optimizer's state for it."""
    return name in known or _scope(name) in known or name in COUNTERS


def check(found, model_name, ignore_missing_vars=False):
    """Refuses a warm start that would leave a network half at random.

    Raises:
      BadInput: nothing fits, or a variable that is not excluded is missing or of another shape
        and `ignore_missing_vars` does not let it pass.
    """
    if found.misshapen and not found.restored:
        name, (ours, theirs) = next(iter(found.misshapen.items()))
        raise BadInput(
            f"{found.checkpoint} is not of {model_name}: the names are the same and the shapes are "
            f"not ({name} has {theirs}, not {ours}); give --model_name the network it is of"
        )
    if not found.restored:
        raise BadInput(
            f"{found.checkpoint} holds no variable of {model_name} that is not excluded (it holds "
            f"{some(found.unused, 3)}); give --checkpoint_path a checkpoint of {model_name}"
        )
    faults = found.faults
    if faults and not ignore_missing_vars:
        if set(found.missing) & set(found.averages):
            raise BadInput(
                f"{found.checkpoint} holds moving averages in place of {some(found.missing, 3)}; "
                "give --restore_moving_averages"
            )
        scopes = sorted({_scope(name) for name in [*found.missing, *found.misshapen]})
        raise BadInput(
            f"{found.checkpoint} does not fit {model_name}: {some(faults, 10, '; ')}. To begin "
            f"with random values there, add {some(scopes, 3, ',')} to "
            "--checkpoint_exclude_scopes, or give --ignore_missing_vars"
        )


def check_moving_averages(found):
    """Raises BadInput where moving averages were asked for and the checkpoint has none."""
    if not found.restored_averages:
        raise BadInput(
            f"--restore_moving_averages: {found.checkpoint} holds no moving averages of variables "
            f"that are restored (names that end in /{MOVING_AVERAGE}); leave the flag out"
        )


def restore_fn(found):
    """A function of a session that assigns the restored variables (adds its ops to the graph)."""
    from slim_on_tf2 import slim

    if found.values is None:
        return slim.assign_from_checkpoint_fn(found.checkpoint, found.restored)
    by_name = {variable.op.name: found.values[name] for name, variable in found.restored.items()}
    return slim.assign_from_values_fn(by_name)


def some(names, most, comma=", "):
    """The first `most` of `names`, and how many more there are, as text."""
    more = f"{comma}and {len(names) - most} more" if len(names) > most else ""
    return comma.join(names[:most]) + more
