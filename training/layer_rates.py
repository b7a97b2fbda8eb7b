"""Learning rates per layer: multipliers by scope, and a decay from the head down.

A multiplier scales the learning rate and not the gradient, which Adam would normalize away.
"""

import re

from checkpointing.scope_names import in_scopes
from nets.networks import find_network
from slim_on_tf2 import tf
from system.errors import BadInput
from system.flags import parse_named_numbers


def rate_multipliers(flags, variables):
    """Returns the multiplier of each variable's learning rate.

    `flags.layer_decay` is the multiplier of a block below the head, to the power of its distance
    (Clark et al. 2020, "ELECTRA", appendix A). `flags.learning_rate_multipliers` replaces it in its
    scopes; of several that match, the longest counts.

    Args:
      flags: the flags of train_flowers.py.
      variables: the variables to train, in the order in which the network was built.

    Returns:
      A dict, variable -> float above 0.

    Raises:
      BadInput: a scope of the flag holds none of the variables.
    """
    blocks = blocks_below_head(variables, find_network(flags.model_name).head_scopes)
    found = {}
    for variable in variables:
        name = variable.op.name
        distance = len(blocks) - blocks.index(_block(name)) if _block(name) in blocks else 0
        found[variable] = (flags.layer_decay or 1.0) ** distance
    multipliers = parse_named_numbers(flags.learning_rate_multipliers)
    for scope, multiplier in sorted(multipliers.items(), key=lambda item: len(item[0])):
        inside = [v for v in variables if in_scopes(v.op.name, [scope])]
        if not inside:
            raise BadInput(
                f"--learning_rate_multipliers: {scope} holds no variable that is trained; "
                "--list_variables prints the scopes"
            )
        found |= dict.fromkeys(inside, multiplier)
    return found


def blocks_below_head(variables, head_scopes):
    """Returns the network's blocks outside the heads, from the input to the head.

    A block is a scope directly below that of the network, such as MobilenetV1/Conv2d_1 (its
    depthwise and pointwise layers) or InceptionV3/Mixed_5b.
    """
    names = [v.op.name for v in variables if not in_scopes(v.op.name, head_scopes)]
    return list(dict.fromkeys(map(_block, names)))


def _block(name):
    scope = "/".join(name.split("/")[:2]) if name.count("/") > 1 else name.split("/")[0]
    return re.sub(r"_(depthwise|pointwise)$", "", scope)


class LayerwiseOptimizer(tf.train.Optimizer):
    """Applies one optimizer per multiplier, each with its own learning rate."""

    def __init__(self, make_optimizer, learning_rate, multipliers):
        """Creates the optimizers.

        Args:
          make_optimizer: a function from a learning rate, a float32 scalar tensor, to an optimizer.
          learning_rate: float32 scalar tensor.
          multipliers: variable -> multiplier.
        """
        super().__init__(use_locking=False, name="Layerwise")
        self._multipliers = multipliers
        self._optimizers = {
            multiplier: make_optimizer(learning_rate * multiplier)
            for multiplier in sorted(set(multipliers.values()), reverse=True)
        }

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        """Updates each variable with the optimizer of its multiplier; returns an op."""
        updates = []
        for multiplier, optimizer in self._optimizers.items():
            group = [(g, v) for g, v in grads_and_vars if self._multipliers[v] == multiplier]
            if group:
                updates.append(optimizer.apply_gradients(group))
        with tf.control_dependencies(updates):
            if global_step is None:
                return tf.no_op(name=name)
            return global_step.assign_add(1, name=name)
