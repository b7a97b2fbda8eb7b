"""Warm start: the weights of a published network as the first weights of a run.

The checkpoint and the network are compared by name and shape before anything is restored, so that a
network never starts half pre-trained without anybody knowing.
"""

import difflib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bad_input import BadInput
from nets.checkpoint_files import checkpoint_at, read_checkpoint


@dataclass(frozen=True)
class WarmStart:
    """What a checkpoint has for a network. Names are those of variables, without `:0`."""

    checkpoint: str
    restored: dict = field(default_factory=dict)  # name -> variable
    excluded: list = field(default_factory=list)
    missing: list = field(default_factory=list)  # in the network, not in the checkpoint
    misshapen: dict = field(default_factory=dict)  # name -> (network's shape, checkpoint's)
    unused: list = field(default_factory=list)  # in the checkpoint, not in the network

    def describe(self):
        """The lines that a run prints: what was restored, and what was not."""
        parameters = sum(count_parameters(v) for v in self.restored.values())
        lines = [
            f"Restored {len(self.restored)} variables ({parameters:,} parameters) "
            f"from {self.checkpoint}"
        ]
        for what, names in (
            ("Excluded, begin at random", self.excluded),
            ("Missing in the checkpoint, begin at random", self.missing),
            ("Of another shape, begin at random", list(self.misshapen)),
            ("Unused in the checkpoint", self.unused),
        ):
            if names:
                lines.append(f"{what}: {len(names)} ({_some(names, 3)})")
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
            near = sorted({variable.op.name.rpartition("/")[0] for variable in variables})
            close = difflib.get_close_matches(scope, near, n=3, cutoff=0.5)
            raise BadInput(
                f"--checkpoint_exclude_scopes: {scope} holds no variable of the network; "
                f"did you mean {' or '.join(close or near[:3])}?"
            )


def first_checkpoint(path, model_name, network):
    """What --checkpoint_path means: the checkpoint to begin from, or None for random weights.

    Args:
      path: the flag: a path, `none`, or None for the network's published checkpoint, which is
        looked for in the folder `checkpoints`.
      model_name: the network's name.
      network: its row of the table of networks.

    Raises:
      BadInput: there is no such checkpoint; says where to fetch the published one.
    """
    if path == "none":
        return None
    if path is not None:
        return checkpoint_at(path)
    otherwise = "--checkpoint_path none trains from scratch"
    if network.checkpoint is None:
        raise BadInput(
            f"no checkpoint of {model_name} was published; give --checkpoint_path one of your own "
            f"({otherwise})"
        )
    published = Path("checkpoints", network.checkpoint)
    if published.is_file() or published.with_name(f"{published.name}.index").is_file():
        return str(published)
    raise BadInput(
        f"the published weights of {model_name} are not at {published}; fetch "
        f"{network.checkpoint_url} and unpack it into {published.parent}/ ({otherwise})"
    )


def compare(checkpoint, variables, exclude_scopes=()):
    """Compares a checkpoint with a network's `variables`, by name and shape.

    Args:
      checkpoint: path of a V1 file or V2 prefix.
      variables: the network's model variables, moving averages of batch norm among them.
      exclude_scopes: scopes whose variables are left at their first values.

    Returns:
      A `WarmStart`.

    Raises:
      BadInput: the checkpoint cannot be read.
    """
    shapes = read_checkpoint(checkpoint).get_variable_to_shape_map()
    found = WarmStart(checkpoint)
    for variable in variables:
        name, shape = variable.op.name, variable.shape.as_list()
        if in_scopes(name, exclude_scopes):
            found.excluded.append(name)
        elif name not in shapes:
            found.missing.append(name)
        elif shapes[name] != shape:
            found.misshapen[name] = (shape, shapes[name])
        else:
            found.restored[name] = variable
    known = {variable.op.name for variable in variables}
    found.unused.extend(name for name in sorted(shapes) if not _is_known(name, known))
    return found


def _is_known(name, known):
    """Whether a checkpoint's `name` is the network's, or an optimizer's state for it."""
    of_a_run = ("global_step", "beta1_power", "beta2_power")
    return name in known or name.rpartition("/")[0] in known or name in of_a_run


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
            f"{_some(found.unused, 3)}); give --checkpoint_path a checkpoint of {model_name}"
        )
    faults = [f"{name} is missing" for name in found.missing] + [
        f"{name} has shape {theirs}, not {ours}" for name, (ours, theirs) in found.misshapen.items()
    ]
    if faults and not ignore_missing_vars:
        scopes = sorted({name.rpartition("/")[0] for name in [*found.missing, *found.misshapen]})
        raise BadInput(
            f"{found.checkpoint} does not fit {model_name}: {_some(faults, 10, '; ')}. To begin "
            f"with random values there, add {_some(scopes, 3, ',')} to "
            "--checkpoint_exclude_scopes, or give --ignore_missing_vars"
        )


def restore_fn(found):
    """A function of a session that assigns the restored variables (adds its ops to the graph)."""
    from slim_on_tf2 import slim

    return slim.assign_from_checkpoint_fn(found.checkpoint, found.restored)


def _some(names, most, comma=", "):
    more = f"{comma}and {len(names) - most} more" if len(names) > most else ""
    return comma.join(names[:most]) + more
