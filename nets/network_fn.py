"""What `factory.get_network_fn` does with a row of its table once TensorFlow may be imported.

The networks differ in what they take and give: some have no `reuse`, some no batch norm decay, the
logits of some keep the two axes of space. Here that is made one.
"""

import importlib
import inspect

from slim_on_tf2 import slim, tf


def make_network_fn(
    network, num_classes, weight_decay, is_training, batch_norm_decay, freeze_batch_norm
):
    """The function that builds `network`; see `factory.get_network_fn`, which documents it."""
    # After slim_on_tf2, because tf_slim.nets needs its aliases.
    module = importlib.import_module(network.module)
    function = getattr(module, network.function)
    batch_norm = {} if batch_norm_decay is None else {"decay": batch_norm_decay}
    arg_scope = getattr(module, network.arg_scope)(weight_decay=weight_decay)
    if callable(freeze_batch_norm):
        arg_scope = _with_some_frozen(arg_scope, freeze_batch_norm)
    elif freeze_batch_norm:
        batch_norm["is_training"] = False
    arg_scope = _with_batch_norm(arg_scope, batch_norm)
    if freeze_batch_norm and not network.has_dropout:
        is_training = False  # these steer batch norm with it, past their arg_scope, and no more
    arguments = _arguments(function, is_training)

    def network_fn(images, reuse=None):
        # Not every network takes `reuse`; all obey the scope that they are called in.
        scope = tf.variable_scope(tf.get_variable_scope(), reuse=reuse, auxiliary_name_scope=False)
        with scope, slim.arg_scope(arg_scope):
            logits, end_points = function(images, num_classes, **arguments)
        return _with_flat_logits(logits, end_points)

    network_fn.default_image_size = network.image_size
    return network_fn


def _with_some_frozen(arg_scope, is_frozen):
    """`arg_scope` with the batch norms frozen that lie in a scope of which `is_frozen` is true."""

    def batch_norm(inputs, **options):
        if is_frozen(tf.get_variable_scope().name):
            options["is_training"] = False
        return slim.batch_norm(inputs, **options)

    def steered(arguments):
        normalized = arguments.get("normalizer_fn") is slim.batch_norm
        return {**arguments, "normalizer_fn": batch_norm} if normalized else arguments

    return {layer: steered(arguments) for layer, arguments in arg_scope.items()}


def _with_batch_norm(arg_scope, options):
    """`arg_scope` with `options` for each batch norm, be it called by a convolution or directly."""

    def steered(arguments):
        params = arguments.get("normalizer_params")
        return arguments if params is None else {**arguments, "normalizer_params": params | options}

    arg_scope = {layer: steered(arguments) for layer, arguments in arg_scope.items()}
    batch_norm = slim.arg_scope_func_key(slim.batch_norm)
    return {**arg_scope, batch_norm: arg_scope.get(batch_norm, {}) | options}


def _arguments(function, is_training):
    """What `function` is called with, beside images and classes."""
    known = inspect.signature(function).parameters
    arguments = {
        "is_training": is_training,
        "create_aux_logits": is_training,
        # Squeezing fails where a large image leaves more than one place; averaging does not.
        "spatial_squeeze": False,
    }
    return {name: value for name, value in arguments.items() if name in known}


def _with_flat_logits(logits, end_points):
    """Logits of [batch, classes], and end points that hold them under the same names always."""
    logits = _average_over_space(logits)
    flat = {"Logits": logits, "Predictions": tf.nn.softmax(logits)}
    if "AuxLogits" in end_points:
        flat["AuxLogits"] = _average_over_space(end_points["AuxLogits"])
    return logits, {**end_points, **flat}


def _average_over_space(logits):
    """[batch, classes] of [batch, height, width, classes], or what has no space as it is."""
    return tf.reduce_mean(logits, [1, 2]) if logits.shape.rank == 4 else logits
