"""Recomputation: less memory for a training step, and more time.

A step keeps what every layer computes until its gradients need it. With recomputation (Chen et al.
2016, "Training Deep Nets with Sublinear Memory Cost"), it keeps the outputs of the convolutions
only, and the gradients compute the normalizations and activations behind them once more.
TensorFlow's graph optimizer inserts the copies, see `session.training_config`.
"""

from tensorflow.core.framework.attr_value_pb2 import AttrValue

from slim_on_tf2 import tf

# Cheap operations of a layer behind its convolution.
RECOMPUTED = {"FusedBatchNormV3", "BiasAdd", "Relu", "Relu6", "AddV2", "Mul", "ConcatV2"}
GRADIENTS = "gradients/"  # the name scope of tf.gradients, where the optimizer looks for them


def mark_recomputed():
    """Marks the operations of the current graph that the gradients are to compute again."""
    for operation in tf.get_default_graph().get_operations():
        if operation.type in RECOMPUTED and not operation.name.startswith(GRADIENTS):
            operation._set_attr("_recompute_hint", AttrValue(i=0))
