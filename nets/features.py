"""Finds a network's last layer, penultimate features and last feature map in the graph.

Their names differ between networks, so the functions walk the graph backward from the logits, along
the first input of each operation, which is the data in all networks of `networks.NETWORKS`. For the
features, the network must be built in evaluation mode, where dropout adds no operations.
"""

from slim_on_tf2 import tf

LAYERS = ("Conv2D", "MatMul")


def penultimate(logits):
    """Returns the input of the layer that computes the logits.

    Args:
      logits: float32 [batch, classes], of a network in evaluation mode.

    Returns:
      float32 [batch, features], averaged over space if the input of the layer has a grid.

    Raises:
      ValueError: no layer computes these logits.
    """
    features = last_layer(logits).inputs[0]
    return tf.reduce_mean(features, [1, 2]) if features.shape.rank == 4 else features


def last_feature_map(logits):
    """Returns the last activation before the logits whose grid is larger than 1x1.

    With images larger than the published size, the grid of the first fully connected layer of VGG,
    AlexNet and OverFeat, a convolution, is larger than 1x1 too; the map is then the input of the
    classifier.

    Args:
      logits: float32 [batch, classes], of a network in evaluation mode, built for images of a known
        size.

    Returns:
      float32 [batch, h, w, channels] with h * w > 1.

    Raises:
      ValueError: there is no such activation, or the image size is unknown.
    """
    for tensor in _walk_back(last_layer(logits).inputs[0]):
        if tensor.shape.rank == 4:
            grid_cells = tensor.shape[1:3].num_elements()
            if grid_cells is None:
                break
            if grid_cells > 1:
                return tensor
    raise ValueError(f"{logits.name}: no activation before it has a grid of known size above 1x1")


def last_layer(logits):
    """Returns the operation of the layer that computes the logits, in training mode too.

    It skips the bias, squeeze and mean over space after the layer. The second input of the
    operation is the layer's kernel.

    Raises:
      ValueError: no layer computes these logits.
    """
    for tensor in _walk_back(logits):
        if tensor.op.type in LAYERS:
            return tensor.op
    raise ValueError(f"{logits.name}: expected the output of {' or '.join(LAYERS)}")


def _walk_back(tensor):
    """Yields `tensor`, the first input of its operation, and so on to the start of the graph."""
    yield tensor
    while tensor.op.inputs:
        tensor = tensor.op.inputs[0]
        yield tensor
