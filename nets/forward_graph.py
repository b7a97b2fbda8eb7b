"""The operations between a network's input and its logits, each seen for one photo.

A graph holds more than a network: what reads the photos, auxiliary heads, losses, gradients, the
optimizer. None of it lies on a way from the photos to the logits, and nothing else does.

The first axis of what lies there is the batch. Two kinds of operations hide photos in it for a
while: a dilated convolution runs on a batch of pieces (SpaceToBatchND, BatchToSpaceND), a dense
layer of many places on a batch of places (Reshape). What a photo has in between follows from what
it has behind them.
"""

import math
from dataclasses import dataclass

from bad_input import BadInput
from slim_on_tf2 import tf

_VARIABLES = ("VarHandleOp", "VariableV2", "Variable")
# They give numbers and take none, as the network's input does.
_NO_INPUT = (*_VARIABLES, "Const", "ReadVariableOp", "ResourceGather")
_REDUCTIONS = ("Mean", "Sum", "Max", "Min", "Prod")
_BRANCHES = ("Switch", "Merge", "Enter")
_SAME_ELEMENTS = ("Reshape", "Squeeze", "ExpandDims")


@dataclass(frozen=True)
class ForwardOperation:
    """An operation that makes something of a photo from something of it.

    Attributes:
      op: the `tf.Operation`.
      shape: of its (first) output, a photo's: a tuple without the batch, None for an unknown side.
      input_shapes: the same of each input; None for an input that is the same for all photos,
        such as a weight.
      variables: the names of the variables it takes, as they are or computed on.
    """

    op: tf.Operation
    shape: tuple
    input_shapes: tuple
    variables: tuple

    @property
    def name(self):
        """The operation's, with its scopes."""
        return self.op.name


def forward_operations(logits, inputs=None):
    """The operations on the ways from the network's input to `logits`, in the order of building.

    Args:
      logits: a float tensor [batch, ...].
      inputs: the photos, a float tensor [batch, ...]; by default what a placeholder, an iterator
        or a queue feeds, or the float of what these hold as integers.

    Returns:
      A list of `ForwardOperation`.

    Raises:
      BadInput: no input leads to `logits`, or on the way there is a branch or a function, whose
        operations cannot be seen.
    """
    upstream = _upstream(logits, inputs)
    photos = _tensors_of_photos(upstream, inputs)
    of_photos = [op for op in upstream if any(tensor.name in photos for tensor in op.inputs)]
    if not of_photos:
        raise BadInput(
            f"{logits.name} is made of no photos that come from a placeholder or a dataset; "
            "give the tensor of the photos in `inputs`"
        )
    for op in of_photos:
        _refuse_branch(op)
    operations = [op for op in of_photos if op.outputs[0].name in photos]
    shapes = _shapes_in_folded_batches(operations, photos)
    return [_seen_for_a_photo(op, photos, shapes) for op in operations]


def _upstream(logits, inputs):
    """All that `logits` are computed from, in the order of building, which is one of computing."""
    seen, waiting = set(), [logits.op]
    while waiting:
        operation = waiting.pop()
        if operation not in seen and (inputs is None or operation is not inputs.op):
            seen.add(operation)
            waiting += [tensor.op for tensor in operation.inputs]
    return [operation for operation in logits.graph.get_operations() if operation in seen]


def _tensors_of_photos(upstream, inputs):
    """The names of the tensors that hold something of each photo."""
    names = set() if inputs is None else {inputs.name}
    for operation in upstream:
        if any(tensor.name in names for tensor in operation.inputs):
            made = () if _reduces_the_batch(operation) else operation.outputs
            names.update(tensor.name for tensor in made if _holds_floats(tensor))
        elif inputs is None and _feeds(operation):
            made = filter(_is_float, operation.outputs)
            names.update(tensor.name for tensor in made if tensor.shape.rank not in (0, 1))
    return names


def _holds_floats(tensor):
    return _is_float(tensor) or tensor.dtype == tf.variant  # a list of tensors, for a loop


def _is_float(tensor):
    return tensor.dtype.base_dtype.is_floating


def _feeds(operation):
    """Whether floats begin here, which are neither weights nor constants nor drawn at random."""
    return (
        operation.type not in _NO_INPUT
        and "Random" not in operation.type
        and not any(map(_is_float, operation.inputs))
    )


def _reduces_the_batch(operation):
    """Whether it makes one of all photos, such as the mean of batch norm in training."""
    if operation.type not in _REDUCTIONS:
        return False
    axes = tf.get_static_value(operation.inputs[1])
    return axes is not None and 0 in axes.flat


def _refuse_branch(operation):
    attributes = operation.node_def.attr.values()
    if operation.type in _BRANCHES or any(a.WhichOneof("value") == "func" for a in attributes):
        raise BadInput(
            f"{operation.name}: the operations of a branch, a loop or a function cannot be "
            "counted; build the network without, with `is_training` a Python bool"
        )


def _shapes_in_folded_batches(operations, photos):
    """A photo's shape, by name, of the tensors whose first axis is not the batch as it was fed."""
    shapes = {}
    for operation in reversed(operations):
        output = operation.outputs[0]
        shape = _shape_of_a_photo(output, shapes)
        for tensor in operation.inputs:
            if tensor.name not in photos or operation.type == "SpaceToBatchND":
                continue
            own = _shape_of_a_photo(tensor, {})
            if operation.type == "BatchToSpaceND":
                sides = operation.inputs[1].shape[0]  # as many as its block has
                shapes[tensor.name] = shape[:sides] + own[sides:]
            elif operation.type in _SAME_ELEMENTS:
                if None not in shape + own and math.prod(own) < math.prod(shape):
                    shapes[tensor.name] = (math.prod(shape) // own[-1], own[-1])
            elif output.name in shapes and len(own) + 1 == output.shape.rank:
                shapes[tensor.name] = shape[:-1] + own[-1:]
    return shapes


def _shape_of_a_photo(tensor, shapes):
    if tensor.name in shapes:
        return shapes[tensor.name]
    return (None,) if tensor.shape.rank is None else tuple(tensor.shape[1:].as_list())


def _seen_for_a_photo(operation, photos, shapes):
    return ForwardOperation(
        operation,
        shape=_shape_of_a_photo(operation.outputs[0], shapes),
        input_shapes=tuple(
            _shape_of_a_photo(tensor, shapes) if tensor.name in photos else None
            for tensor in operation.inputs
        ),
        variables=_variables_of(operation, photos),
    )


def _variables_of(operation, photos):
    """The names of the variables that `operation` takes, not through photos."""
    names, waiting = [], list(operation.inputs)
    while waiting:
        tensor = waiting.pop(0)
        if tensor.op.type in _VARIABLES:
            names.append(tensor.op.name)
        elif tensor.name not in photos and (_is_float(tensor) or tensor.dtype == tf.resource):
            waiting += tensor.op.inputs
    return tuple(dict.fromkeys(names))
