"""Networks of searched cells: the parts that NASNet-A and PNASNet-5 share.

Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition", 2017,
https://arxiv.org/abs/1707.07012. A network is a sequence of cells. The inputs of a cell are the
outputs of the two cells before it. A cell computes a few blocks and concatenates them; a block is
the sum of two operations, each applied to an input of the cell or to an earlier block. A `Wiring`
lists the operations and their inputs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from nets.dropout import drop_path, dropout
from slim_on_tf2 import slim, tf

# The inputs of a cell: the output of the cell before it, and of the one before that.
CURRENT = "current"
PREVIOUS = "previous"


@dataclass(frozen=True)
class Wiring:
    """The operations of a cell and their inputs.

    Attributes:
      blocks: two pairs (operation, source) per block. An operation is a function of (tensor, depth,
        stride); a source is `CURRENT`, `PREVIOUS` or the index of an earlier block.
      outputs: the sources that are concatenated to the output of the cell.
    """

    blocks: tuple[tuple[tuple[Callable, str | int], tuple[Callable, str | int]], ...]
    outputs: tuple[str | int, ...]


@dataclass(frozen=True)
class Cell:
    """A cell of a network.

    Attributes:
      scope: its variable scope.
      wiring: its operations.
      depth: channels of each of its blocks.
      stride: 2 if it downsamples the grid, else 1.
      previous: its `PREVIOUS` is the output of the cell this many cells back.
      end_point: name of the end point that its output is, or None.
    """

    scope: str
    wiring: Wiring
    depth: int
    stride: int = 1
    previous: int = 2
    end_point: str | None = None


@dataclass(frozen=True)
class Architecture:
    """A network of cells.

    Attributes:
      stem_depth: channels of the convolution before the cells.
      cells: all cells, in order.
      auxiliary_cell: the N of the end point `Cell_N` that is the input of the auxiliary head.
    """

    stem_depth: int
    cells: tuple[Cell, ...]
    auxiliary_cell: int


@slim.add_arg_scope
def normalize(net, normalizer_fn=None, normalizer_params=None, scope=None):
    """Batch norm in a scope of its own, set up by the same arg_scope options as in slim.conv2d.

    In the checkpoints, the scope of a batch norm is not inside that of its convolution, such as
    `conv0_bn/gamma` and `conv0/weights`, so the convolutions have no `normalizer_fn`.

    Args:
      net: float [batch, h, w, depth].
      normalizer_fn: a function of (net, scope=..., **normalizer_params), such as
        `slim.batch_norm`; None returns `net` unchanged.
      normalizer_params: a dict of arguments for `normalizer_fn`, or None.
      scope: the variable scope.

    Returns:
      A tensor of the shape and dtype of `net`.
    """
    if normalizer_fn is None:
        return net
    with tf.variable_scope(scope) as layer:
        return normalizer_fn(net, scope=layer, **(normalizer_params or {}))


def _project(net, depth, scope, norm_scope, stride=1):
    net = slim.conv2d(net, depth, 1, stride=stride, scope=scope)
    return normalize(net, scope=norm_scope)


def factorized_reduction(net, depth):
    """Downsamples the grid by two 1x1 convolutions of stride 2, each for half of the channels.

    One reads the even rows and columns, the other the odd ones.

    Args:
      net: float [batch, h, w, any depth].
      depth: channels of the output.

    Returns:
      float [batch, ceil(h / 2), ceil(w / 2), depth].
    """
    shifted = tf.pad(net, [[0, 0], [0, 1], [0, 1], [0, 0]])[:, 1:, 1:]
    halves = [
        slim.conv2d(net, depth // 2, 1, stride=2, scope="path1_conv"),
        slim.conv2d(shifted, depth - depth // 2, 1, stride=2, scope="path2_conv"),
    ]
    return normalize(tf.concat(halves, 3), scope="final_path_bn")


def _separable(net, depth, stride, kernel_size):
    """ReLU, separable convolution and batch norm, twice."""
    size = f"{kernel_size}x{kernel_size}"
    for layer, layer_stride in ((1, stride), (2, 1)):
        net = slim.separable_conv2d(
            tf.nn.relu(net),
            depth,
            kernel_size,
            stride=layer_stride,
            scope=f"separable_{size}_{layer}",
        )
        net = normalize(net, scope=f"bn_sep_{size}_{layer}")
    return drop_path(net)


def _pool(net, depth, stride, pool):
    net = pool(net, 3, stride=stride, padding="SAME")
    if net.shape[3] != depth:
        net = _project(net, depth, "1x1", "bn_1")
    return drop_path(net)


# The operations of a `Wiring`: functions of (net, depth, stride).
separable_3x3 = partial(_separable, kernel_size=3)
separable_5x5 = partial(_separable, kernel_size=5)
separable_7x7 = partial(_separable, kernel_size=7)
max_pool_3x3 = partial(_pool, pool=slim.max_pool2d)
avg_pool_3x3 = partial(_pool, pool=slim.avg_pool2d)


def identity(net, depth, stride):
    """`net`, or a 1x1 convolution of it if the cell downsamples; without drop_path."""
    if stride == 1:
        return net
    return _project(tf.nn.relu(net), depth, "1x1", "bn_1", stride)


def _fit_previous(previous, net, depth, is_larger):
    """`previous` with the grid of `net` and `depth` channels; `net` for the first cell."""
    if previous is None:
        return net
    if is_larger:
        return factorized_reduction(tf.nn.relu(previous), depth)
    if previous.shape[3] != depth:
        return _project(tf.nn.relu(previous), depth, "prev_1x1", "prev_bn")
    return previous


def build_cell(cell, net, previous, previous_is_larger):
    """Builds `cell` on its two inputs.

    Args:
      cell: a `Cell`.
      net: float [batch, h, w, any depth].
      previous: float [batch, h, w, any depth], or None for the first cell.
      previous_is_larger: whether the grid of `previous` is that of `net` before downsampling:
        [batch, h', w', ...] with h = ceil(h' / 2) and w = ceil(w' / 2). An argument, because the
        image size may be unknown.

    Returns:
      float [batch, ceil(h / stride), ceil(w / stride), depth * len(cell.wiring.outputs)].
    """
    with tf.variable_scope(cell.scope):
        previous = _fit_previous(previous, net, cell.depth, previous_is_larger)
        net = _project(tf.nn.relu(net), cell.depth, "1x1", "beginning_bn")
        tensors = {CURRENT: net, PREVIOUS: previous}
        for number, (left, right) in enumerate(cell.wiring.blocks):
            tensors[number] = tf.add(
                _operate(cell, tensors, *left, scope=f"comb_iter_{number}/left"),
                _operate(cell, tensors, *right, scope=f"comb_iter_{number}/right"),
            )
        return tf.concat([tensors[source] for source in cell.wiring.outputs], 3)


def _operate(cell, tensors, operation, source, scope):
    # Earlier blocks are downsampled already.
    stride = cell.stride if source in (CURRENT, PREVIOUS) else 1
    with tf.variable_scope(scope):
        return operation(tensors[source], cell.depth, stride)


def scheduled_keep_prob(keep_prob, relative_depth, total_training_steps):
    """The fraction of examples that `drop_path` keeps in a cell at the current global step.

    ScheduledDropPath of Zoph et al.: the drop rate increases linearly with the global step and, as
    in the training of the checkpoints, with the depth of the cell.

    Args:
      keep_prob: a Python number in (0, 1], the fraction in the last cell at the end of training.
      relative_depth: the index of the cell, from 1, divided by the number of cells.
      total_training_steps: the global step from which on the fraction is constant.

    Returns:
      A float32 scalar tensor, 1 at step 0; or 1.0 if nothing is ever dropped because `keep_prob` is
      1 or the graph has no global step.

    Raises:
      ValueError: `keep_prob` is not in (0, 1].
    """
    if not 0 < keep_prob <= 1:
        raise ValueError(f"drop_path_keep_prob: expected a number in (0, 1], got {keep_prob}")
    global_step = tf.train.get_global_step()
    if keep_prob == 1 or global_step is None:
        return 1.0
    progress = tf.minimum(tf.cast(global_step, tf.float32) / total_training_steps, 1.0)
    return 1.0 - progress * relative_depth * (1.0 - keep_prob)


def _build_cells(inputs, architecture, final_endpoint, keep_prob_at):
    """Builds the stem and the cells up to `final_endpoint`; returns the end points in order."""
    net = slim.conv2d(inputs, architecture.stem_depth, 3, stride=2, padding="VALID", scope="conv0")
    outputs = [None, normalize(net, scope="conv0_bn")]
    end_points = {}
    was_downsampled = False
    for number, cell in enumerate(architecture.cells, start=1):
        with slim.arg_scope([drop_path], keep_prob=keep_prob_at(number / len(architecture.cells))):
            net = build_cell(cell, outputs[-1], outputs[-cell.previous], was_downsampled)
        outputs.append(net)
        # After a cell of stride 2, the two inputs of the next cell have different grids.
        was_downsampled = cell.stride == 2
        if cell.end_point:
            end_points[cell.end_point] = net
        if cell.end_point == final_endpoint:
            break
    return end_points


def auxiliary_logits(net, num_classes, scope):
    """The auxiliary head, which adds a gradient in the middle of the network during training.

    A convolution with the size of the pooled grid reduces it to a vector, so its weights fit only
    one image size. A grid smaller than the 5x5 pooling window is pooled to 1x1.

    Args:
      net: float [batch, h, w, depth] with known h and w.
      num_classes: number of logits.
      scope: the variable scope.

    Returns:
      Logits, float [batch, num_classes].
    """
    with tf.variable_scope(f"{scope}/aux_logits"):
        window = [min(5, side) for side in net.shape[1:3]]
        net = slim.avg_pool2d(tf.nn.relu(net), window, stride=3)
        net = tf.nn.relu(_project(net, 128, "proj", "aux_bn0"))
        grid = net.shape[1:3].as_list()
        net = slim.conv2d(net, 768, grid, padding="VALID", scope="Conv")
        net = tf.nn.relu(normalize(net, scope="aux_bn1"))
        return slim.fully_connected(tf.squeeze(net, [1, 2]), num_classes, scope="FC")


def cell_network(
    inputs,
    num_classes=1001,
    is_training=True,
    dropout_keep_prob=0.5,
    reuse=None,
    scope=None,
    create_aux_logits=True,
    final_endpoint=None,
    drop_path_keep_prob=1.0,
    total_training_steps=250_000,
    *,
    architecture,
):
    """NASNet or PNASNet as published; call it in the network's arg_scope.

    Args:
      inputs: float [batch, height, width, channels] in [-1, 1], at least 3x3; the batch size and
        the image size may be unknown. With an unknown image size there is no auxiliary head,
        because the shape of its weights depends on it (see `auxiliary_logits`).
      num_classes: number of logits.
      is_training: a Python bool, the mode of dropout, drop_path and batch norm.
      dropout_keep_prob: fraction of features that dropout keeps before the logits.
      reuse: True reuses the variables of an earlier call.
      scope: the variable scope; by default the current one, because the names of the checkpoints'
        variables have no common scope.
      create_aux_logits: whether to build the auxiliary head during training.
      final_endpoint: name of the last end point to build; by default the cells and the heads are
        built.
      drop_path_keep_prob: see `scheduled_keep_prob`.
      total_training_steps: see `scheduled_keep_prob`.
      architecture: an `Architecture`.

    Returns:
      Logits, float [batch, num_classes], and a dict from end point names to tensors: those of the
      cells (float [batch, h, w, depth]), `AuxLogits` (float [batch, num_classes], if the head is
      built), `global_pool` (float [batch, depth]), `Logits` and `Predictions` (probabilities).
      With `final_endpoint`: its tensor, and the end points up to it.

    Raises:
      ValueError: there is no such end point, or `drop_path_keep_prob` is not in (0, 1].
    """
    names = [cell.end_point for cell in architecture.cells if cell.end_point]
    last = final_endpoint or names[-1]
    if last not in names:
        raise ValueError(f"final_endpoint: expected one of {', '.join(names)}, got {last!r}")

    def keep_prob_at(relative_depth):
        return scheduled_keep_prob(drop_path_keep_prob, relative_depth, total_training_steps)

    with (
        tf.variable_scope(scope or tf.get_variable_scope(), reuse=reuse),
        slim.arg_scope([slim.batch_norm, dropout, drop_path], is_training=is_training),
    ):
        end_points = _build_cells(inputs, architecture, last, keep_prob_at)
        net = end_points[last]
        if final_endpoint:
            return net, end_points
        if create_aux_logits and is_training and inputs.shape[1:3].is_fully_defined():
            number = architecture.auxiliary_cell
            end_points["AuxLogits"] = auxiliary_logits(
                end_points[f"Cell_{number}"], num_classes, f"aux_{number}"
            )
        with tf.variable_scope("final_layer"):
            net = end_points["global_pool"] = tf.reduce_mean(tf.nn.relu(net), [1, 2])
            net = dropout(net, dropout_keep_prob, scope="dropout")
            logits = end_points["Logits"] = slim.fully_connected(net, num_classes, scope="FC")
            end_points["Predictions"] = tf.nn.softmax(logits, name="predictions")
    return logits, end_points


def cell_network_arg_scope(weight_decay=0.00004, batch_norm_decay=0.9997, batch_norm_epsilon=0.001):
    """Returns the published arg_scope: L2 on all weights; only the heads have biases.

    The published initializer scales weights by the number of outputs. The heads use slim's default
    (Glorot) instead: with few classes, the initial logits would be far too large.

    Args:
      weight_decay: factor of the L2 regularization loss.
      batch_norm_decay: decay of the moving averages per step.
      batch_norm_epsilon: added to the variance in batch norm.

    Returns:
      A dict, the arg_scope to enter with `slim.arg_scope`.
    """
    convolutions = [slim.conv2d, slim.separable_conv2d]
    with (
        slim.arg_scope(
            [*convolutions, slim.fully_connected],
            activation_fn=None,
            weights_regularizer=slim.l2_regularizer(weight_decay),
        ),
        slim.arg_scope(
            convolutions,
            weights_initializer=slim.variance_scaling_initializer(mode="FAN_OUT"),
            biases_initializer=None,
        ),
        slim.arg_scope(
            [normalize],
            normalizer_fn=slim.batch_norm,
            normalizer_params={
                "scale": True,
                "decay": batch_norm_decay,
                "epsilon": batch_norm_epsilon,
            },
        ) as arg_scope,
    ):
        return arg_scope
