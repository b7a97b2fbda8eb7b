"""NASNet-A, small and large.

Zoph, Vasudevan, Shlens, Le, "Learning Transferable Architectures for Scalable Image Recognition",
2017, https://arxiv.org/abs/1707.07012. Where the published checkpoints differ from the paper's
figures (the stem), the network is that of the checkpoints.
"""

from functools import partial

from nets.nas_cells import (
    CURRENT,
    PREVIOUS,
    Architecture,
    Cell,
    Wiring,
    avg_pool_3x3,
    cell_network,
    cell_network_arg_scope,
    identity,
    max_pool_3x3,
    separable_3x3,
    separable_5x5,
    separable_7x7,
)

# Figure 4, left.
NORMAL = Wiring(
    blocks=(
        ((separable_5x5, CURRENT), (separable_3x3, PREVIOUS)),
        ((separable_5x5, PREVIOUS), (separable_3x3, PREVIOUS)),
        ((avg_pool_3x3, CURRENT), (identity, PREVIOUS)),
        ((avg_pool_3x3, PREVIOUS), (avg_pool_3x3, PREVIOUS)),
        ((separable_3x3, CURRENT), (identity, CURRENT)),
    ),
    joined=(PREVIOUS, 0, 1, 2, 3, 4),
)

# Figure 4, right: it halves the grid.
REDUCTION = Wiring(
    blocks=(
        ((separable_5x5, CURRENT), (separable_7x7, PREVIOUS)),
        ((max_pool_3x3, CURRENT), (separable_7x7, PREVIOUS)),
        ((avg_pool_3x3, CURRENT), (separable_5x5, PREVIOUS)),
        ((identity, 1), (avg_pool_3x3, 0)),
        ((separable_3x3, 0), (max_pool_3x3, CURRENT)),
    ),
    joined=(1, 2, 3, 4),
)


def nasnet_a(depth, cells_per_stack, stem_depth, skip_reduction=False):
    """The architecture of NASNet-A: three stacks of normal cells with reduction cells between.

    Args:
      depth: how many channels each block of the first stack has; a stack has twice as many as the
        one before.
      cells_per_stack: N, how many normal cells stand in a row.
      stem_depth: how many channels the convolution before the cells has.
      skip_reduction: whether the second input of the cell behind a reduction is what the
        reduction's second input was, and not its first.

    Returns:
      An `Architecture` with the end points `Stem`, `Cell_0` and so on, and `Reduction_Cell_0`
      and `Reduction_Cell_1`.
    """
    cells = [
        Cell("cell_stem_0", REDUCTION, depth // 4, stride=2),
        Cell("cell_stem_1", REDUCTION, depth // 2, stride=2, end_point="Stem"),
    ]
    for number in range(3 * cells_per_stack):
        stack, place = divmod(number, cells_per_stack)
        depth_here = depth * 2**stack
        follows_reduction = stack > 0 and place == 0
        if follows_reduction:
            end_point = f"Reduction_Cell_{stack - 1}"
            cells.append(Cell(end_point.lower(), REDUCTION, depth_here, 2, end_point=end_point))
        cells.append(
            Cell(
                f"cell_{number}",
                NORMAL,
                depth_here,
                previous=3 if follows_reduction and skip_reduction else 2,
                end_point=f"Cell_{number}",
            )
        )
    return Architecture(stem_depth, tuple(cells), auxiliary_cell=2 * cells_per_stack - 1)


# Functions of (inputs, num_classes, is_training, ...); `cell_network` documents them.
nasnet_mobile = partial(cell_network, architecture=nasnet_a(44, 4, stem_depth=32))
nasnet_mobile.default_image_size = 224

nasnet_large = partial(
    cell_network,
    drop_path_keep_prob=0.7,
    architecture=nasnet_a(168, 6, stem_depth=96, skip_reduction=True),
)
nasnet_large.default_image_size = 331


def nasnet_mobile_arg_scope(
    weight_decay=0.00004, batch_norm_decay=0.9997, batch_norm_epsilon=0.001
):
    """The arg_scope of `nasnet_mobile`; see `cell_network_arg_scope`."""
    return cell_network_arg_scope(weight_decay, batch_norm_decay, batch_norm_epsilon)


def nasnet_large_arg_scope(weight_decay=0.00005, batch_norm_decay=0.9997, batch_norm_epsilon=0.001):
    """The arg_scope of `nasnet_large`; see `cell_network_arg_scope`."""
    return cell_network_arg_scope(weight_decay, batch_norm_decay, batch_norm_epsilon)
