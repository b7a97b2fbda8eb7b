"""Counts a network's parameters and its arithmetic for one image, layer by layer.

    counts = count_network(logits)
    counts.total.maccs

Only inference is counted: batch statistics and dropout masks are left out, so that a network has
the same counts whether it was built for training or for evaluation.

- params: number of trainable parameters: weights, biases, batch norm's gamma and beta, but not its
  moving averages. A variable shared by several layers counts for the first.
- maccs: multiply-accumulates of convolutions (plain, depthwise, separable, dilated, transposed) and
  of dense layers: per output, the number of inputs in its window. Windows that cross the border
  count in full, as in published figures.
- adds: other additions and subtractions. A bias, batch norm and a sum of two tensors cost 1 per
  output, a sum or an average of n values costs n - 1, local response normalization over n channels
  costs n.
- comps: comparisons. The maximum or minimum of n values costs n - 1; per output, ReLU and other
  activations with one threshold cost 1, ReLU6 and clipping on both sides cost 2.

Multiplications and divisions without an addition, exponentials and roots are not counted.

`layer_names` defines what a layer is. A layer that is used twice is one row with twice the work.
"""

import math
from dataclasses import dataclass

from model_stats.forward_graph import forward_operations
from model_stats.layer_names import LayerNames
from model_stats.table import COUNTS
from slim_on_tf2 import tf
from system.errors import BadInput


@dataclass
class LayerCounts:
    """Parameters and arithmetic of one layer for one image, as defined above.

    Attributes:
      name: the layer's name, see `layer_names`.
      output_shape: a tuple without the batch dimension.
      params: trainable parameters.
      maccs: multiply-accumulates.
      adds: other additions and subtractions.
      comps: comparisons.
    """

    name: str
    output_shape: tuple = ()
    params: int = 0
    maccs: int = 0
    adds: int = 0
    comps: int = 0

    def add(self, **counts):
        """Increases the named counts."""
        for name, count in counts.items():
            setattr(self, name, getattr(self, name) + count)


@dataclass
class NetworkCounts:
    """Parameters and arithmetic of a network for one image.

    Attributes:
      total: the sums, a `LayerCounts` with the output shape of the logits.
      layers: a list of `LayerCounts` in graph order, without the layers whose counts are all 0.
    """

    total: LayerCounts
    layers: list


def count_network(logits, inputs=None):
    """Counts the operations between a network's input and its logits.

    Args:
      logits: a float tensor [batch, ...]; the batch size may be unknown.
      inputs: the images, a float tensor [batch, ...]; by default the placeholder or iterator that
        feeds the graph, see `forward_graph.forward_operations`.

    Returns:
      A `NetworkCounts`.

    Raises:
      BadInput: the height or width of the images is unknown, `logits` do not depend on an input, or
        the network contains control flow or a function.
    """
    operations = forward_operations(logits, inputs)
    uncounted = {
        variable.op.name: math.prod(variable.shape.as_list())
        for variable in logits.graph.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES)
    }
    names, layers = LayerNames(operations), {}
    total = LayerCounts("total", operations[-1].shape)
    for operation in operations:
        name = names.layer_of(operation.name)
        layer = layers.setdefault(name, LayerCounts(name))
        if None not in operation.shape:
            layer.output_shape = operation.shape
        count = _COUNTERS.get(operation.op.type)
        counts = count(operation) if count else {}
        counts["params"] = sum(uncounted.pop(variable, 0) for variable in operation.variables)
        layer.add(**counts)
        total.add(**counts)
    counted = [layer for layer in layers.values() if any(getattr(layer, name) for name in COUNTS)]
    return NetworkCounts(total, counted)


def _size(operation, shape):
    """The number of elements of an input or output of `operation` with this shape."""
    if None in shape:
        sides = "x".join("?" if side is None else str(side) for side in shape)
        raise BadInput(
            f"{operation.name}: unknown shape {sides}, cannot count its operations; build the "
            "network on images of known height and width"
        )
    return math.prod(shape)


def _outputs(operation):
    return _size(operation, operation.shape)


def _per_output(**counts):
    def count(operation):
        return {name: each * _outputs(operation) for name, each in counts.items()}

    return count


def _weights(operation):
    return operation.op.inputs[1].shape.as_list()


def _convolution(operation):
    *window, _ = _weights(operation)  # height, width, input channels; output channels
    return {"maccs": _outputs(operation) * math.prod(window)}


def _depthwise_convolution(operation):
    height, width, _, _ = _weights(operation)
    return {"maccs": _outputs(operation) * height * width}


def _transposed_convolution(operation):
    *window, _ = _weights(operation)  # height, width, output channels; input channels
    return {"maccs": _size(operation, operation.input_shapes[2]) * math.prod(window)}


def _dense(operation):
    rows, columns = _weights(operation)
    inputs = columns if operation.op.get_attr("transpose_b") else rows
    return {"maccs": _outputs(operation) * inputs}


def _pooling(name):
    def count(operation):
        window = math.prod(operation.op.get_attr("ksize"))
        return {name: _outputs(operation) * (window - 1)}

    return count


def _reduction(name):
    def count(operation):
        return {name: _size(operation, operation.input_shapes[0]) - _outputs(operation)}

    return count


def _add_n(operation):
    return {"adds": _outputs(operation) * (len(operation.input_shapes) - 1)}


def _local_response_normalization(operation):
    channels = 2 * operation.op.get_attr("depth_radius") + 1
    return {"adds": _outputs(operation) * channels}  # the sum of squares, and the bias


# Function from a `ForwardOperation` to a dict of its counts -> the operation types it counts.
_COUNTED_TYPES = {
    _convolution: ("Conv2D", "Conv3D"),
    _depthwise_convolution: ("DepthwiseConv2dNative",),
    _transposed_convolution: ("Conv2DBackpropInput",),
    _dense: ("MatMul",),
    _per_output(adds=1): (
        *("BiasAdd", "BiasAddV1", "Add", "AddV2", "Sub"),
        *("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"),
    ),
    _add_n: ("AddN",),
    _local_response_normalization: ("LRN",),
    _pooling("adds"): ("AvgPool", "AvgPool3D"),
    _pooling("comps"): ("MaxPool", "MaxPool3D"),
    _reduction("adds"): ("Mean", "Sum"),
    _reduction("comps"): ("Max", "Min"),
    _per_output(comps=1): ("Relu", "LeakyRelu", "Elu", "Selu", "Maximum", "Minimum"),
    _per_output(comps=2): ("Relu6", "ClipByValue"),
}
_COUNTERS = {op_type: count for count, types in _COUNTED_TYPES.items() for op_type in types}
