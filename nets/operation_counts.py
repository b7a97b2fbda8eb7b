"""What a network costs for one photo, layer by layer: parameters and arithmetic.

    counts = count_network(logits)
    counts.total.maccs

Arithmetic is that of the trained network. What only training does, the statistics of a batch and
the masks of dropout, is left out, so that a network has the same table built for training and for
evaluation.

- params: the numbers of the layer's trainable variables: weights, biases, batch norm's gamma and
  beta, but not its moving averages. A variable that several layers share belongs to the first.
- maccs: multiplications with their addition, of convolutions (plain, depthwise, separable, dilated,
  transposed) and of dense layers: for each output as many as there are inputs in its window. A
  window that reaches beyond the border counts as a whole, as in the figures that papers give.
- adds: further additions and subtractions. An output of a bias, of batch norm and of a sum of two
  costs one, of a sum or an average of n numbers n - 1, of local response normalization over n
  channels n.
- comps: comparisons. The largest or smallest of n numbers costs n - 1, an output of ReLU and of
  what else bends once one, of ReLU6 and of what else clips at two sides two.

Not counted: multiplications and divisions without an addition, exponentials, roots.

A row is a layer as `layer_names` defines it. A layer that a network uses twice is one row with
twice the work.
"""

import math
from dataclasses import dataclass, field

from bad_input import BadInput
from nets.forward_graph import forward_operations
from nets.layer_names import LayerNames
from slim_on_tf2 import tf


@dataclass
class Layer:
    """What a layer costs for one photo; the module says what is counted as what.

    Attributes:
      name: the layer's, see `layer_names`.
      output_shape: what it gives for a photo, a tuple without the batch.
      params: trainable parameters.
      maccs: multiplications with their addition.
      adds: further additions and subtractions.
      comps: comparisons.
    """

    name: str
    output_shape: tuple = ()
    params: int = 0
    maccs: int = 0
    adds: int = 0
    comps: int = 0

    def add(self, **counts):
        """Adds to the counts of these names."""
        for kind, count in counts.items():
            setattr(self, kind, getattr(self, kind) + count)


@dataclass
class NetworkCounts:
    """What a network costs for one photo.

    Attributes:
      layers: a list of `Layer`, those that cost anything, in the order of building.
      total: a `Layer` with their sums; its output are the logits.
    """

    total: Layer
    layers: list = field(default_factory=list)


def count_network(logits, inputs=None):
    """Counts what lies between a network's input and its logits.

    Args:
      logits: a float tensor [batch, ...]; the batch may be unknown.
      inputs: the photos, a float tensor [batch, ...]; by default what feeds the graph, see
        `forward_graph.forward_operations`.

    Returns:
      A `NetworkCounts`.

    Raises:
      BadInput: the height or width of the photos is unknown, no input leads to `logits`, or on the
        way there is a branch or a function.
    """
    operations = forward_operations(logits, inputs)
    uncounted = {
        variable.op.name: math.prod(variable.shape.as_list())
        for variable in logits.graph.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES)
    }
    names, layers = LayerNames(operations), {}
    total = Layer("total", operations[-1].shape)
    for operation in operations:
        name = names.layer_of(operation.name)
        layer = layers.setdefault(name, Layer(name))
        if None not in operation.shape:
            layer.output_shape = operation.shape
        params = sum(uncounted.pop(variable, 0) for variable in operation.variables)
        counts = {"params": params, **_arithmetic(operation)}
        layer.add(**counts)
        total.add(**counts)
    costly = [layer for layer in layers.values() if layer != Layer(layer.name, layer.output_shape)]
    return NetworkCounts(total, costly)


def _arithmetic(operation):
    """Kind -> how much of it a `ForwardOperation` does; empty where nothing of it is counted."""
    count = _COUNTED.get(operation.op.type)
    return count(operation) if count else {}


def _numbers(operation, shape):
    """How many numbers a tensor of `shape` has, which `operation` takes or gives."""
    if None in shape:
        sides = "x".join("?" if side is None else str(side) for side in shape)
        raise BadInput(
            f"{operation.name}: a photo is {sides} here, and what is unknown cannot be counted; "
            "build the network on photos of known height and width"
        )
    return math.prod(shape)


def _outputs(operation):
    return _numbers(operation, operation.shape)


def _per_output(**counts):
    def count(operation):
        return {kind: each * _outputs(operation) for kind, each in counts.items()}

    return count


def _weights(operation):
    return operation.op.inputs[1].shape.as_list()


def _convolution(operation):
    *window, _ = _weights(operation)  # height, width, inputs; outputs
    return {"maccs": _outputs(operation) * math.prod(window)}


def _depthwise_convolution(operation):
    height, width, _, _ = _weights(operation)
    return {"maccs": _outputs(operation) * height * width}


def _transposed_convolution(operation):
    *window, _ = _weights(operation)  # height, width, outputs; inputs
    return {"maccs": _numbers(operation, operation.input_shapes[2]) * math.prod(window)}


def _dense(operation):
    rows, columns = _weights(operation)
    inputs = columns if operation.op.get_attr("transpose_b") else rows
    return {"maccs": _outputs(operation) * inputs}


def _pooling(kind):
    def count(operation):
        window = math.prod(operation.op.get_attr("ksize"))
        return {kind: _outputs(operation) * (window - 1)}

    return count


def _reduction(kind):
    def count(operation):
        return {kind: _numbers(operation, operation.input_shapes[0]) - _outputs(operation)}

    return count


def _sum_of_many(operation):
    return {"adds": _outputs(operation) * (len(operation.input_shapes) - 1)}


def _local_response_normalization(operation):
    channels = 2 * operation.op.get_attr("depth_radius") + 1
    return {"adds": _outputs(operation) * channels}  # their squares, and the bias


# A function of a `ForwardOperation` -> the types of operations that it counts.
_COUNTERS = {
    _convolution: ("Conv2D", "Conv3D"),
    _depthwise_convolution: ("DepthwiseConv2dNative",),
    _transposed_convolution: ("Conv2DBackpropInput",),
    _dense: ("MatMul",),
    _per_output(adds=1): (
        *("BiasAdd", "BiasAddV1", "Add", "AddV2", "Sub"),
        *("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"),
    ),
    _sum_of_many: ("AddN",),
    _local_response_normalization: ("LRN",),
    _pooling("adds"): ("AvgPool", "AvgPool3D"),
    _pooling("comps"): ("MaxPool", "MaxPool3D"),
    _reduction("adds"): ("Mean", "Sum"),
    _reduction("comps"): ("Max", "Min"),
    _per_output(comps=1): ("Relu", "LeakyRelu", "Elu", "Selu", "Maximum", "Minimum"),
    _per_output(comps=2): ("Relu6", "ClipByValue"),
}
_COUNTED = {kind: count for count, kinds in _COUNTERS.items() for kind in kinds}
