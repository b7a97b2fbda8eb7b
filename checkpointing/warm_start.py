"""Warm start: initializes a network with pretrained weights.

    variables = get_variables_to_restore(exclude_scopes=["InceptionV3/Logits"])
    init_fn = get_init_fn("inception_v3.ckpt", variables, "inception_v3")
    scaffold = tf.train.Scaffold(init_fn=init_fn)

The checkpoint is compared with the network by name and shape before anything is restored, so that
no variable keeps its random value unnoticed.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field

from checkpointing.checkpoint_path import NONE
from checkpointing.reading import COUNTERS, MOVING_AVERAGE, check_readable, read_shapes
from checkpointing.scope_names import in_scopes
from keras_conversion.file_types import is_keras_file
from keras_conversion.weights import read_keras_weights
from slim_on_tf2 import slim, tf
from system.errors import BadInput


def get_variables_to_restore(exclude_scopes=(), optional_scopes=()):
    """Returns the model variables of the current graph that lie outside `exclude_scopes`.

    Args:
      exclude_scopes: the scopes that are not restored, such as the heads.
      optional_scopes: scopes that may be excluded although the network has no variable in them.

    Raises:
      BadInput: a scope to exclude holds no variable, because it is mistyped.
    """
    variables = slim.get_model_variables()
    for scope in exclude_scopes:
        if scope in optional_scopes or any(in_scopes(v.op.name, [scope]) for v in variables):
            continue
        scopes = sorted({_scope(variable.op.name) for variable in variables})
        close = difflib.get_close_matches(scope, scopes, n=3, cutoff=0.5) or scopes[:3]
        raise BadInput(
            f"--checkpoint_exclude_scopes: {scope} holds no variable of the network; did you mean "
            f"{' or '.join(close)}?"
        )
    return [variable for variable in variables if not in_scopes(variable.op.name, exclude_scopes)]


@dataclass(frozen=True)
class InitFn:
    """An `init_fn` of a `tf.train.Scaffold`, which knows what it assigns.

    Attributes:
      names: of the variables that it assigns, so that they need no other initial values.
      assign: a function of the session.
    """

    names: frozenset[str]
    assign: Callable

    def __call__(self, scaffold, session):
        """Assigns the variables."""
        self.assign(session)

    def then(self, names, assign):
        """Returns an `InitFn` that also assigns the variables of `names`, by another function."""

        def both(session):
            self.assign(session)
            assign(session)

        return InitFn(self.names | frozenset(names), both)


NO_VALUES = InitFn(frozenset(), lambda session: None)


def get_init_fn(
    checkpoint_path,
    variables_to_restore,
    model_name,
    restore_moving_averages=False,
    ignore_missing_vars=False,
):
    """Returns the `init_fn` of a `tf.train.Scaffold`, and prints what it restores.

    It adds its operations to the current graph. The model variables of the graph that are not in
    `variables_to_restore` keep their initial values.

    Args:
      checkpoint_path: a V1 file, a V2 prefix, a Keras file, or `none`, which restores nothing.
      variables_to_restore: a list of variables; empty for `none`.
      model_name: the network's name in `nets.networks.NETWORKS`.
      restore_moving_averages: restores the exponential moving averages of variables, where the
        checkpoint has them, instead of the variables themselves.
      ignore_missing_vars: lets variables that the checkpoint lacks, or has in another shape, keep
        their initial values.

    Returns:
      An `InitFn`, which raises BadInput if a tensor of the checkpoint cannot be read; of `none`,
      one that assigns nothing.

    Raises:
      BadInput: the checkpoint cannot be read, holds none of the variables, or lacks some of them
        without `ignore_missing_vars`; or it has no moving averages to restore.
    """
    if checkpoint_path == NONE:
        print("Initial weights: random", flush=True)
        return NO_VALUES
    names = {variable.op.name for variable in variables_to_restore}
    values, shapes = _read_weights(checkpoint_path, model_name)
    found = compare_with_checkpoint(
        variables_to_restore,
        checkpoint_path,
        shapes,
        [v.op.name for v in slim.get_model_variables() if v.op.name not in names],
        restore_moving_averages,
    )
    _check(found, model_name, restore_moving_averages, ignore_missing_vars)
    print(*found.describe(), sep="\n", flush=True)
    names = frozenset(variable.op.name for variable in found.restored.values())
    return InitFn(names, _assign_fn(found, values))


def get_restore_fn(checkpoint_path, model_name, head_scopes, restore_moving_averages=False):
    """Returns a function of the session that restores every layer below the heads.

    Args:
      checkpoint_path: a V1 file, a V2 prefix or a Keras file.
      model_name: the name of the network in the current graph.
      head_scopes: the scopes of its classifiers.
      restore_moving_averages: as for `get_init_fn`.

    Raises:
      BadInput: the checkpoint cannot be read, or lacks one of the layers.
    """
    values, shapes = _read_weights(checkpoint_path, model_name)
    variables = get_variables_to_restore(head_scopes, optional_scopes=head_scopes)
    found = compare_with_checkpoint(
        variables, checkpoint_path, shapes, restore_moving_averages=restore_moving_averages
    )
    lacking = [*found.rgb_kernels, *found.missing, *found.shape_mismatch]
    if lacking:
        raise BadInput(
            f"{checkpoint_path} does not have {_first(lacking, 3)} in the shape of {model_name}; "
            "--head_init fit and --trainable_scopes HEAD need every layer below the head; give "
            "another --checkpoint_path"
        )
    return _assign_fn(found, values)


def _read_weights(checkpoint_path, model_name):
    """Returns the values in a Keras file (None for a checkpoint), and the shapes in either."""
    if is_keras_file(checkpoint_path):
        values = read_keras_weights(checkpoint_path, model_name)
        return values, {name: list(value.shape) for name, value in values.items()}
    return None, read_shapes(checkpoint_path)


def _assign_fn(found, values):
    if values is None:
        restore = slim.assign_from_checkpoint_fn(found.checkpoint, found.restored)
        return lambda session: _restore_readable(restore, session, found.checkpoint)
    return slim.assign_from_values_fn(
        {variable.op.name: values[name] for name, variable in found.restored.items()}
    )


def _restore_readable(restore, session, checkpoint):
    """Restores; raises BadInput if that fails because of the file, whose data may be truncated."""
    try:
        restore(session)
    except (tf.errors.OpError, ValueError):
        check_readable(checkpoint)
        raise


@dataclass(frozen=True)
class CheckpointComparison:
    """What a checkpoint holds for a network.

    Attributes:
      checkpoint: its path.
      restored: name in the checkpoint -> variable.
      excluded: names of model variables that are not to be restored.
      rgb_kernels: names of the first layer's kernels, where the network takes grayscale images
        and the checkpoint's network RGB images.
      missing: names of variables that the checkpoint lacks.
      shape_mismatch: name -> (the network's shape, the checkpoint's shape).
      unused: names in the checkpoint that belong to no variable of the network.
      averages: names of variables whose moving average is in the checkpoint.
    """

    checkpoint: str
    restored: dict = field(default_factory=dict)
    excluded: list = field(default_factory=list)
    rgb_kernels: list = field(default_factory=list)
    missing: list = field(default_factory=list)
    shape_mismatch: dict = field(default_factory=dict)
    unused: list = field(default_factory=list)
    averages: list = field(default_factory=list)

    @property
    def restored_averages(self):
        """The names of the moving averages that are restored."""
        return [name for name in self.restored if name.endswith(f"/{MOVING_AVERAGE}")]

    @property
    def faults(self):
        """A clause for each variable that the checkpoint lacks or has in another shape."""
        return [f"{name} is missing" for name in self.missing] + [
            f"{name} has shape {theirs}, not {ours}"
            for name, (ours, theirs) in self.shape_mismatch.items()
        ]

    def describe(self):
        """Returns the lines that a training prints."""
        parameters = sum(map(num_parameters, self.restored.values()))
        lines = [
            f"Restored {len(self.restored)} variables ({parameters:,} parameters) "
            f"from {self.checkpoint}"
        ]
        averages = self.restored_averages
        if averages:
            lines.append(f"Restored moving averages of {len(averages)} of them")
        elif self.averages:
            lines.append(
                f"The checkpoint has moving averages of {len(self.averages)} variables; "
                "--restore_moving_averages restores those instead"
            )
        for what, names in (
            ("Excluded, not restored", self.excluded),
            ("RGB kernels for grayscale images, randomly initialized", self.rgb_kernels),
            ("Missing in the checkpoint, randomly initialized", self.missing),
            ("Shape mismatch, randomly initialized", list(self.shape_mismatch)),
            ("Unused in the checkpoint", self.unused),
        ):
            if names:
                lines.append(f"{what}: {len(names)} ({_first(names, 3)})")
        return lines


def compare_with_checkpoint(
    variables, checkpoint, shapes, excluded=(), restore_moving_averages=False
):
    """Compares variables with those in a checkpoint, by name and shape.

    Args:
      variables: the variables to restore.
      checkpoint: the path of the checkpoint.
      shapes: name -> shape (a list) of the variables in the checkpoint.
      excluded: names of the network's other model variables.
      restore_moving_averages: prefers the moving average of a variable, where there is one.

    Returns:
      A `CheckpointComparison`.
    """
    found = CheckpointComparison(checkpoint, excluded=list(excluded))
    for variable in variables:
        name, shape = variable.op.name, variable.shape.as_list()
        average = f"{name}/{MOVING_AVERAGE}"
        if average in shapes:
            found.averages.append(name)
        source = average if restore_moving_averages and average in shapes else name
        if source not in shapes:
            found.missing.append(name)
        elif shapes[source] == shape:
            found.restored[source] = variable
        else:
            found.shape_mismatch[name] = (shape, shapes[source])
    for name in _rgb_kernels(found.shape_mismatch):
        del found.shape_mismatch[name]
        found.rgb_kernels.append(name)
    # An optimizer's slots lie in the scope of their variable.
    known = {variable.op.name for variable in variables} | {*excluded}
    found.unused.extend(
        name
        for name in sorted(shapes)
        if not ({name, _scope(name)} & known or COUNTERS.fullmatch(name))
    )
    return found


def num_parameters(variable):
    """Returns the number of elements of a variable."""
    return variable.shape.num_elements()


def _rgb_kernels(shape_mismatch):
    """Returns the kernels that take grayscale images here and RGB images in the checkpoint.

    A separable layer has two: [height, width, channels, multiplier], followed by
    [1, 1, channels * multiplier, depth].

    Args:
      shape_mismatch: as in `CheckpointComparison`.
    """
    input_depths = {
        name: (ours[2], theirs[2])
        for name, (ours, theirs) in shape_mismatch.items()
        if len(ours) == len(theirs) == 4 and ours[:2] + ours[3:] == theirs[:2] + theirs[3:]
    }
    layers = {_scope(name) for name, depths in input_depths.items() if depths == (1, 3)}
    return [name for name in input_depths if _scope(name) in layers]


def _check(found, model_name, restore_moving_averages, ignore_missing_vars):
    """Raises BadInput for a comparison that allows no warm start; see `get_init_fn`."""
    averages = [name for name in found.missing if name in found.averages]
    if averages and not (found.restored and ignore_missing_vars):
        raise BadInput(
            f"{found.checkpoint} holds only the moving averages of {_first(averages, 3)}; add "
            "--restore_moving_averages"
        )
    if found.shape_mismatch and not found.restored:
        name, (ours, theirs) = next(iter(found.shape_mismatch.items()))
        raise BadInput(
            f"{found.checkpoint} does not fit {model_name}: {name} has shape {theirs}, not {ours}, "
            "and no other shape matches; give the --model_name that it was saved from"
        )
    if not found.restored:
        raise BadInput(
            f"{found.checkpoint} holds none of the variables of {model_name} to restore (it holds "
            f"{_first(found.unused, 3)}); give --checkpoint_path a checkpoint of {model_name}"
        )
    if found.faults and not ignore_missing_vars:
        scopes = sorted({_scope(name) for name in [*found.missing, *found.shape_mismatch]})
        raise BadInput(
            f"{found.checkpoint} does not fit {model_name}: {_first(found.faults, 10, '; ')}. To "
            f"initialize these at random, add {_first(scopes, 3, ',')} to "
            "--checkpoint_exclude_scopes, or give --ignore_missing_vars"
        )
    if restore_moving_averages and not found.restored_averages:
        raise BadInput(
            f"--restore_moving_averages: {found.checkpoint} holds no moving averages of the "
            f"variables to restore (names ending in /{MOVING_AVERAGE}); remove the flag"
        )


def _scope(name):
    return name.rpartition("/")[0]


def _first(names, most, separator=", "):
    """Returns the first `most` names, and how many more there are, as text."""
    more = f"{separator}and {len(names) - most} more" if len(names) > most else ""
    return separator.join(names[:most]) + more
