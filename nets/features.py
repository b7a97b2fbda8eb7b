"""What a network made of a picture before it named it: its features, and their last map.

Both are found by the graph and not by names, which differ from one network to the next: backwards
from the logits, always along an operation's first input, which is the data in all networks here.
The network has to be built for evaluation, where dropout leaves nothing in the graph.
"""

from slim_on_tf2 import tf

LAYERS = ("Conv2D", "MatMul")


def penultimate(logits):
    """The features that the last layer reads, the one that makes the logits.

    Args:
      logits: float32 [batch, classes], of a network of `factory.NETWORKS` in evaluation mode.

    Returns:
      float32 [batch, features]; the mean over space where the layer reads a map.

    Raises:
      ValueError: no layer makes these logits.
    """
    features = _last_layer_input(logits)
    return tf.reduce_mean(features, [1, 2]) if features.shape.rank == 4 else features


def last_feature_map(logits):
    """The last activation that the logits depend on and that still has places.

    Classifiers that are convolutions have places too where the picture is larger than the network
    was published for; the map is then that ahead of the last of them.

    Args:
      logits: float32 [batch, classes], of a network of `factory.NETWORKS` in evaluation mode,
        built for images of a known size.

    Returns:
      float32 [batch, h, w, channels] with h * w > 1.

    Raises:
      ValueError: there is no such activation: the image is a single place, or of unknown size.
    """
    for tensor in _back_from(_last_layer_input(logits)):
        if tensor.shape.rank == 4:
            places = tensor.shape[1:3].num_elements()
            if places is None:
                break
            if places > 1:
                return tensor
    raise ValueError(f"{logits.name}: no layer before it has more than one place of known size")


def _last_layer_input(logits):
    """What the last layer reads; behind it come a bias, a squeeze, a mean over space at most."""
    for tensor in _back_from(logits):
        if tensor.op.type in LAYERS:
            return tensor.op.inputs[0]
    raise ValueError(f"{logits.name} is made by none of {', '.join(LAYERS)}")


def _back_from(tensor):
    """`tensor`, what it was made of, and so on to the beginning of the graph."""
    yield tensor
    while tensor.op.inputs:
        tensor = tensor.op.inputs[0]
        yield tensor
