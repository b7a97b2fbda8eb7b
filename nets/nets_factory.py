"""Builds any network of `networks.NETWORKS` by its name, in the way of slim's `nets_factory`.

    with slim.arg_scope(get_arg_scope("inception_resnet_v2", weight_decay=4e-5)):
        network = get_network("inception_resnet_v2")
        logits, end_points = network(images, num_classes=5, is_training=True)

`get_network_fn` does both in one call. The network functions differ in their arguments and results:
some lack `reuse` or `batch_norm_decay`, and some return logits with spatial dimensions. The
functions below give all of them one interface.
"""

import importlib
import inspect

from nets.networks import find_network
from slim_on_tf2 import slim, tf


def get_arg_scope(name, weight_decay=0.0, batch_norm_decay=None, freeze_batch_norm=False):
    """Returns the arg_scope of a network, to enter with `slim.arg_scope`.

    Args:
      name: a key of `NETWORKS`.
      weight_decay: factor of the L2 regularization loss.
      batch_norm_decay: decay of batch norm's moving averages per step, a Python number or a float32
        scalar tensor; None uses the network's default.
      freeze_batch_norm: True makes every batch norm layer use its moving averages during training
        and leave them unchanged. A function of a layer's scope name freezes the layers for which it
        returns true. ResNets cannot freeze single layers: the function freezes all of them.

    Returns:
      A dict, the arg_scope.

    Raises:
      BadInput: there is no network of that name.
    """
    network = find_network(name)
    arg_scope = getattr(_module(network), network.arg_scope)(weight_decay=weight_decay)
    batch_norm_options = {} if batch_norm_decay is None else {"decay": batch_norm_decay}
    if callable(freeze_batch_norm):
        arg_scope = _freeze_matching_layers(arg_scope, freeze_batch_norm)
    elif freeze_batch_norm:
        batch_norm_options["is_training"] = False
    arg_scope = _set_batch_norm_options(arg_scope, batch_norm_options)
    # Read by `_build`, because not all networks let an arg_scope freeze their batch norm.
    return arg_scope | {
        slim.arg_scope_func_key(_build): {"freeze_batch_norm": bool(freeze_batch_norm)}
    }


def get_network(name):
    """Returns the function that builds a network; call it within `get_arg_scope(name, ...)`.

    Args:
      name: a key of `NETWORKS`.

    Returns:
      A function of (images, num_classes, is_training, reuse=None) that returns logits and end
      points. Its attribute `default_image_size` is the published image size in pixels.

      images: float [batch, height, width, channels], at least
        `NETWORKS[name].smallest_image_size` pixels per side.
      num_classes: number of logits.
      is_training: a Python bool, the mode of dropout and batch norm. The auxiliary head is built
        only if it is true.
      reuse: True reuses the variables of an earlier call.
      logits: float [batch, num_classes], averaged over space if the network yields a grid of them.
      end_points: a dict from name to tensor. Besides the network's own end points it has `Logits`,
        `Predictions` (float [batch, num_classes], probabilities) and, if the auxiliary head is
        built, `AuxLogits` (float [batch, num_classes]).

    Raises:
      BadInput: there is no network of that name.
    """
    row = find_network(name)

    def network(images, num_classes, is_training, reuse=None):
        return _build(row, images, num_classes, is_training, reuse)

    network.default_image_size = row.image_size
    return network


def get_network_fn(
    name,
    num_classes,
    weight_decay=0.0,
    is_training=False,
    batch_norm_decay=None,
    freeze_batch_norm=False,
):
    """slim's function of that name: `get_network` and `get_arg_scope` in one call.

    Returns:
      A function of (images, reuse=None) that builds the network in its arg_scope and returns logits
      and end points, as `get_network` documents them. It has the attribute `default_image_size`.

    Raises:
      BadInput: there is no network of that name.
    """
    network = get_network(name)
    arg_scope = get_arg_scope(name, weight_decay, batch_norm_decay, freeze_batch_norm)

    def network_fn(images, reuse=None):
        with slim.arg_scope(arg_scope):
            return network(images, num_classes, is_training, reuse)

    network_fn.default_image_size = network.default_image_size
    return network_fn


@slim.add_arg_scope
def _build(row, images, num_classes, is_training, reuse, freeze_batch_norm=False):
    """Builds the network of a row of `NETWORKS`; the arg_scope sets `freeze_batch_norm`."""
    if freeze_batch_norm and not row.has_dropout:
        # `is_training` controls nothing but batch norm here, and overrides the arg_scope.
        is_training = False
    function = getattr(_module(row), row.function)
    arguments = {
        "is_training": is_training,
        "create_aux_logits": is_training,
        # Squeezing fails on the grid of logits of a large image; averaging does not.
        "spatial_squeeze": False,
    }
    known = inspect.signature(function).parameters
    arguments = {name: value for name, value in arguments.items() if name in known}
    # Not every network has an argument `reuse`; a variable scope does the same for all.
    with tf.variable_scope(tf.get_variable_scope(), reuse=reuse, auxiliary_name_scope=False):
        logits, end_points = function(images, num_classes, **arguments)
    logits = _average_over_space(logits)
    end_points = end_points | {"Logits": logits, "Predictions": tf.nn.softmax(logits)}
    if "AuxLogits" in end_points:
        end_points["AuxLogits"] = _average_over_space(end_points["AuxLogits"])
    return logits, end_points


def _module(row):
    # tf_slim.nets needs the aliases of slim_on_tf2, which is imported above.
    return importlib.import_module(row.module)


def _freeze_matching_layers(arg_scope, is_frozen):
    """`arg_scope` with batch norm frozen in the scopes for which `is_frozen` returns true."""

    def batch_norm(inputs, **options):
        if is_frozen(tf.get_variable_scope().name):
            options["is_training"] = False
        return slim.batch_norm(inputs, **options)

    return {
        layer: arguments | {"normalizer_fn": batch_norm}
        if arguments.get("normalizer_fn") is slim.batch_norm
        else arguments
        for layer, arguments in arg_scope.items()
    }


def _set_batch_norm_options(arg_scope, options):
    """`arg_scope` with `options` for every batch norm, called by a layer or directly."""
    arg_scope = {
        layer: arguments | {"normalizer_params": arguments["normalizer_params"] | options}
        if arguments.get("normalizer_params") is not None
        else arguments
        for layer, arguments in arg_scope.items()
    }
    batch_norm = slim.arg_scope_func_key(slim.batch_norm)
    return arg_scope | {batch_norm: arg_scope.get(batch_norm, {}) | options}


def _average_over_space(logits):
    """[batch, height, width, classes] -> [batch, classes]; [batch, classes] unchanged."""
    return tf.reduce_mean(logits, [1, 2]) if logits.shape.rank == 4 else logits
