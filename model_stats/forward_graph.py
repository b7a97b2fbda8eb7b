"""Finds the operations between a network's input and its logits, with their shapes for one image.

A graph holds more than a network: the input pipeline, auxiliary heads, losses, gradients, the
optimizer. The forward operations are those on the paths from the images to the logits.

The first axis of their tensors is the batch, with two exceptions: a dilated convolution moves
blocks of the image into the batch (SpaceToBatchND, BatchToSpaceND), and a dense layer applied at
each position moves the positions there (Reshape). The shape for one image is then inferred from
the operations that follow.
"""

import math
from dataclasses import dataclass

from slim_on_tf2 import tf
from system.errors import BadInput

_VARIABLES = ("VarHandleOp", "VariableV2", "Variable")
# Sources of floats that are not the network's input.
_NOT_INPUTS = (*_VARIABLES, "Const", "ReadVariableOp", "ResourceGather")
_REDUCTIONS = ("Mean", "Sum", "Max", "Min", "Prod")
_CONTROL_FLOW = ("Switch", "Merge", "Enter")
_RESHAPING = ("Reshape", "Squeeze", "ExpandDims")


@dataclass(frozen=True)
class ForwardOperation:
    """An operation of the forward pass.

    Attributes:
      op: the `tf.Operation`.
      shape: shape of its first output for one image: a tuple without the batch dimension, with None
        for an unknown side.
      input_shapes: the same for each input; None for an input that does not depend on the image,
        such as a weight.
      variables: names of the variables that it reads, directly or through other operations.
    """

    op: tf.Operation
    shape: tuple
    input_shapes: tuple
    variables: tuple

    @property
    def name(self):
        """The name of the operation with its scopes."""
        return self.op.name


def forward_operations(logits, inputs=None):
    """Finds the operations on the paths from the network's input to `logits`, in graph order.

    Args:
      logits: a float tensor [batch, ...].
      inputs: the images, a float tensor [batch, ...]. By default the output of a placeholder, an
        iterator or a queue, after its conversion to float where it is an integer tensor.

    Returns:
      A list of `ForwardOperation`.

    Raises:
      BadInput: `logits` do not depend on an input, or the network contains control flow or a
        function, whose operations cannot be seen.
    """
    upstream = _upstream(logits, inputs)
    batched = _batched_tensors(upstream, inputs)
    candidates = [op for op in upstream if any(tensor.name in batched for tensor in op.inputs)]
    if not candidates:
        raise BadInput(
            f"{logits.name} does not depend on a placeholder or dataset; pass the tensor of the "
            "images as `inputs`"
        )
    for op in candidates:
        _refuse_control_flow(op)
    operations = [op for op in candidates if op.outputs[0].name in batched]
    shapes = _inferred_shapes(operations, batched)
    return [
        ForwardOperation(
            op,
            shape=_image_shape(op.outputs[0], shapes),
            input_shapes=tuple(
                _image_shape(tensor, shapes) if tensor.name in batched else None
                for tensor in op.inputs
            ),
            variables=_variables_read(op, batched),
        )
        for op in operations
    ]


def _upstream(logits, inputs):
    """All operations that `logits` depend on, in graph order, which is topological."""
    seen, waiting = set(), [logits.op]
    while waiting:
        operation = waiting.pop()
        if operation not in seen and (inputs is None or operation is not inputs.op):
            seen.add(operation)
            waiting += [tensor.op for tensor in operation.inputs]
    return [operation for operation in logits.graph.get_operations() if operation in seen]


def _batched_tensors(upstream, inputs):
    """The names of the tensors that hold values for each image of the batch."""
    names = set() if inputs is None else {inputs.name}
    for operation in upstream:
        if any(tensor.name in names for tensor in operation.inputs):
            outputs = () if _reduces_batch(operation) else operation.outputs
            # The TensorList of a loop is a variant.
            names.update(t.name for t in outputs if _is_float(t) or t.dtype == tf.variant)
        elif inputs is None and _is_input(operation):
            outputs = filter(_is_float, operation.outputs)
            names.update(t.name for t in outputs if t.shape.rank not in (0, 1))
    return names


def _is_float(tensor):
    return tensor.dtype.base_dtype.is_floating


def _is_input(operation):
    """Whether its floats are an input: not computed from floats, nor weights or random numbers."""
    return (
        operation.type not in _NOT_INPUTS
        and "Random" not in operation.type
        and not any(map(_is_float, operation.inputs))
    )


def _reduces_batch(operation):
    """Whether it reduces over the batch, such as the batch mean of batch norm in training."""
    if operation.type not in _REDUCTIONS:
        return False
    axes = tf.get_static_value(operation.inputs[1])
    return axes is not None and 0 in axes.flat


def _refuse_control_flow(operation):
    attributes = operation.node_def.attr.values()
    if operation.type in _CONTROL_FLOW or any(a.WhichOneof("value") == "func" for a in attributes):
        raise BadInput(
            f"{operation.name}: operations inside a conditional, a loop or a function cannot be "
            "counted; build the network without them, with `is_training` a Python bool"
        )


def _inferred_shapes(operations, batched):
    """Tensor name -> shape for one image, where the first axis is more than the batch."""
    shapes = {}
    for operation in reversed(operations):
        output = operation.outputs[0]
        shape = _image_shape(output, shapes)
        for tensor in operation.inputs:
            if tensor.name not in batched or operation.type == "SpaceToBatchND":
                continue
            own = _image_shape(tensor, {})
            if operation.type == "BatchToSpaceND":
                spatial = operation.inputs[1].shape[0]  # the number of spatial dimensions
                shapes[tensor.name] = shape[:spatial] + own[spatial:]
            elif operation.type in _RESHAPING:
                if None not in shape + own and math.prod(own) < math.prod(shape):
                    shapes[tensor.name] = (math.prod(shape) // own[-1], own[-1])
            elif output.name in shapes and len(own) + 1 == output.shape.rank:
                shapes[tensor.name] = shape[:-1] + own[-1:]
    return shapes


def _image_shape(tensor, shapes):
    if tensor.name in shapes:
        return shapes[tensor.name]
    return (None,) if tensor.shape.rank is None else tuple(tensor.shape[1:].as_list())


def _variables_read(operation, batched):
    """The names of the variables that `operation` reads other than through batched tensors."""
    names, waiting = [], list(operation.inputs)
    while waiting:
        tensor = waiting.pop(0)
        if tensor.op.type in _VARIABLES:
            names.append(tensor.op.name)
        elif tensor.name not in batched and (_is_float(tensor) or tensor.dtype == tf.resource):
            waiting += tensor.op.inputs
    return tuple(dict.fromkeys(names))
