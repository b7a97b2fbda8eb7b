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
    names = [variable.op.name for variable in tf.trainable_variables()]
    blocks = blocks_below_head(names, find_network(flags.model_name).head_scopes)
    order = list(dict.fromkeys(blocks.values()))
    found = {}
    for variable in variables:
        block = blocks.get(variable.op.name)
        distance = 0 if block is None else len(order) - order.index(block)
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


def blocks_below_head(names, head_scopes):
    """Returns the block of each variable outside the heads.

    A block is a scope directly below that of the network, such as InceptionV3/Mixed_5b,
    resnet_v2_50/block1 or MobilenetV1/Conv2d_1 (its depthwise and pointwise layers); a scope at
    the top, such as cell_0, for NASNet, whose layers have no scope in common.

    Args:
      names: the names of a network's variables, from its input to its head.
      head_scopes: the scopes of its classifiers.

    Returns:
      A dict, name -> block, in the order of the names.
    """
    depth = 2 if len({name.split("/")[0] for name in names}) == 1 else 1
    blocks = {}
    for name in names:
        if not in_scopes(name, head_scopes):
            scope = "/".join(name.split("/")[:depth])
            blocks[name] = re.sub(r"_(depthwise|pointwise)$", "", scope)
    return blocks


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
