"""Networks of cells that a search has found: what NASNet-A and PNASNet-5 share.

Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition", 2017,
https://arxiv.org/abs/1707.07012. A network is a row of cells. Each takes the outputs of the cell
before it and of one further back, computes a few blocks, and joins them. A block is the sum of two
operations, each on an input of the cell or on an earlier block. Which operations on what is the
cell's wiring, a table; here it is read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from nets.dropout import drop_path, dropout
from slim_on_tf2 import slim, tf

# The inputs of a cell: the output of the cell before it, and of one further back.
CURRENT = "current"
PREVIOUS = "previous"


@dataclass(frozen=True)
class Wiring:
    """What a cell computes.

    Attributes:
      blocks: two (operation, source) for each block; an operation is a function of (tensor,
        depth, stride), a source is `CURRENT`, `PREVIOUS` or the number of an earlier block.
      joined: the sources whose channels the output consists of.
    """

    blocks: tuple[tuple[tuple[Callable, str | int], tuple[Callable, str | int]], ...]
    joined: tuple[str | int, ...]


@dataclass(frozen=True)
class Cell:
    """A cell of a network.

    Attributes:
      scope: its variable scope.
      wiring: what it computes.
      depth: how many channels each of its blocks has.
      stride: 2 where it halves the grid.
      previous: how many cells back its `PREVIOUS` was made; its `CURRENT`, one.
      end_point: the name of its output among the end points, None where it is none.
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
      stem_depth: how many channels the convolution before the cells has.
      cells: all cells, in order.
      auxiliary_cell: the number N of the end point `Cell_N` that the auxiliary head classifies.
    """

    stem_depth: int
    cells: tuple[Cell, ...]
    auxiliary_cell: int


@slim.add_arg_scope
def normalize(net, normalizer_fn=None, normalizer_params=None, scope=None):
    """Batch norm beside a convolution instead of inside it, steered by the same options.

    The checkpoints have `conv0/weights` and `conv0_bn/gamma` side by side, so the convolutions
    themselves go without `normalizer_fn`. An arg_scope says here what it would say there.

    Args:
      net: float [batch, h, w, depth].
      normalizer_fn: a function of (net, scope=..., **normalizer_params), such as
        `slim.batch_norm`; None leaves `net` as it is.
      normalizer_params: a dict of options for `normalizer_fn`, or None.
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
    """Halves the grid by two 1x1 convolutions of stride 2, which make half of the channels each.

    One sees the places of even row and column, the other those of odd ones.

    Args:
      net: float [batch, h, w, any depth].
      depth: how many channels come out.

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
    """Relu, separable convolution and batch norm, and all three once more."""
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


# The operations of the tables: functions of (net, depth, stride).
separable_3x3 = partial(_separable, kernel_size=3)
separable_5x5 = partial(_separable, kernel_size=5)
separable_7x7 = partial(_separable, kernel_size=7)
max_pool_3x3 = partial(_pool, pool=slim.max_pool2d)
avg_pool_3x3 = partial(_pool, pool=slim.avg_pool2d)


def identity(net, depth, stride):
    """`net` itself; where the grid is halved, a convolution of stride 2. No path is dropped."""
    if stride == 1:
        return net
    return _project(tf.nn.relu(net), depth, "1x1", "bn_1", stride)


def _fit_previous(previous, net, depth, is_larger):
    """A cell's `PREVIOUS` on the grid of `net`, `depth` deep; the first cell has `net` twice."""
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
      previous_is_larger: whether the grid of `previous` is twice as fine: [batch, h', w', ...]
        with h = ceil(h' / 2) and w = ceil(w' / 2). It is said, because the sides may be unknown.

    Returns:
      float [batch, ceil(h / stride), ceil(w / stride), depth times the number of joined sources].
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
        return tf.concat([tensors[source] for source in cell.wiring.joined], 3)


def _operate(cell, tensors, operation, source, scope):
    # Blocks are made of halved inputs already.
    stride = cell.stride if source in (CURRENT, PREVIOUS) else 1
    with tf.variable_scope(scope):
        return operation(tensors[source], cell.depth, stride)


def scheduled_keep_prob(keep_prob, place, total_training_steps):
    """The share of examples that `drop_path` keeps at the global step, in one cell.

    ScheduledDropPath of Zoph et al.: the share that is dropped grows linearly with the steps of the
    training; and, as the checkpoints were trained, with the place of the cell.

    Args:
      keep_prob: a Python number in (0, 1], the share in the last cell at the end of the training.
      place: the cell's number, from 1, as a share of the number of cells: 1 for the last.
      total_training_steps: the global step from which on the share stays as it is.

    Returns:
      A float32 scalar tensor, 1 at step 0; or the number 1.0 where nothing is ever dropped:
      `keep_prob` is 1, or the graph has no global step.

    Raises:
      ValueError: `keep_prob` is not in (0, 1].
    """
    if not 0 < keep_prob <= 1:
        raise ValueError(f"drop_path_keep_prob: expected a number in (0, 1], got {keep_prob}")
    global_step = tf.train.get_global_step()
    if keep_prob == 1 or global_step is None:
        return 1.0
    progress = tf.minimum(tf.cast(global_step, tf.float32) / total_training_steps, 1.0)
    return 1.0 - progress * place * (1.0 - keep_prob)


def _build_cells(inputs, architecture, final_endpoint, keep_prob_at):
    """The convolution and the cells up to `final_endpoint`: a dict of end points, in order."""
    net = slim.conv2d(inputs, architecture.stem_depth, 3, stride=2, padding="VALID", scope="conv0")
    outputs = [None, normalize(net, scope="conv0_bn")]
    end_points = {}
    was_halved = False
    for number, cell in enumerate(architecture.cells, start=1):
        place = number / len(architecture.cells)
        with slim.arg_scope([drop_path], keep_prob=keep_prob_at(place)):
            net = build_cell(cell, outputs[-1], outputs[-cell.previous], was_halved)
        outputs.append(net)
        # A cell of stride 2 parts the two inputs of the next one.
        was_halved = cell.stride == 2
        if cell.end_point:
            end_points[cell.end_point] = net
        if cell.end_point == final_endpoint:
            break
    return end_points


def auxiliary_logits(net, num_classes, scope):
    """The head that gives the middle of the network a gradient of its own in training.

    One convolution as large as the pooled grid makes it a vector, so its weights fit one image
    size alone. A grid smaller than the 5x5 pooling window is pooled whole.

    Args:
      net: float [batch, h, w, depth]; h and w are known.
      num_classes: how many logits.
      scope: the variable scope.

    Returns:
      Logits, float [batch, num_classes].
    """
    with tf.variable_scope(f"{scope}/aux_logits"):
        window = [min(5, side) for side in net.shape[1:3]]
        net = slim.avg_pool2d(tf.nn.relu(net), window, stride=3)
        net = tf.nn.relu(_project(net, 128, "proj", "aux_bn0"))
        whole = net.shape[1:3].as_list()
        net = slim.conv2d(net, 768, whole, padding="VALID", scope="Conv")
        net = tf.nn.relu(normalize(net, scope="aux_bn1"))
        return slim.fully_connected(tf.squeeze(net, [1, 2]), num_classes, scope="FC")


def _add_logits(net, end_points, num_classes, dropout_keep_prob):
    """Averages `net` over space and classifies it; adds what it makes to `end_points`."""
    with tf.variable_scope("final_layer"):
        net = end_points["global_pool"] = tf.reduce_mean(tf.nn.relu(net), [1, 2])
        net = dropout(net, dropout_keep_prob, scope="dropout")
        logits = end_points["Logits"] = slim.fully_connected(net, num_classes, scope="FC")
        end_points["Predictions"] = tf.nn.softmax(logits, name="predictions")


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
    """A network of cells as published; call it in its arg_scope.

    Args:
      inputs: float [batch, height, width, channels] in [-1, 1], at least 3x3; the batch and the
        sides may be unknown. With unknown sides there is no auxiliary head, because the shape of
        its weights follows from them (see `auxiliary_logits`).
      num_classes: how many logits.
      is_training: a Python bool; steers dropout, dropped paths and batch norm.
      dropout_keep_prob: the share of features that dropout keeps before the logits.
      reuse: True takes the variables that an earlier call made.
      scope: the variable scope; by default the one that it is called in, because the variables of
        the checkpoints lie in none.
      create_aux_logits: whether the auxiliary head is built, which is in training alone.
      final_endpoint: the last end point to build, one of the architecture's; by default all and
        the heads.
      drop_path_keep_prob: see `scheduled_keep_prob`.
      total_training_steps: see `scheduled_keep_prob`.
      architecture: an `Architecture`.

    Returns:
      Logits, float [batch, num_classes], and a dict from the name of each end point to its
      tensor: those of the cells (float [batch, h, w, depth]), `AuxLogits` (float
      [batch, num_classes], where the head is built), `global_pool` (float [batch, depth]),
      `Logits` and `Predictions` (probabilities). With a `final_endpoint`: its tensor, and the end
      points up to it.

    Raises:
      ValueError: there is no such end point, or a share is not in (0, 1].
    """
    names = [cell.end_point for cell in architecture.cells if cell.end_point]
    last = final_endpoint or names[-1]
    if last not in names:
        raise ValueError(f"final_endpoint: {last!r} is none of {', '.join(names)}")

    def keep_prob_at(place):
        return scheduled_keep_prob(drop_path_keep_prob, place, total_training_steps)

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
        _add_logits(net, end_points, num_classes, dropout_keep_prob)
    return end_points["Logits"], end_points


def cell_network_arg_scope(weight_decay, batch_norm_decay=0.9997, batch_norm_epsilon=0.001):
    """The arg_scope that the checkpoints were trained in: L2 on all weights, biases in heads alone.

    The weights of the logits begin otherwise, by Glorot's rule: scaled by the number of outputs as
    those of the convolutions are, the logits of a handful of classes would begin at tens.

    Args:
      weight_decay: the factor of the L2 loss.
      batch_norm_decay: the decay of the moving averages, a step.
      batch_norm_epsilon: what batch norm adds to the variance.

    Returns:
      A dict to enter with `slim.arg_scope`.
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
