"""NASNet-A, mobile and large.

Zoph, Vasudevan, Shlens, Le, "Learning Transferable Architectures for Scalable Image Recognition",
2017, https://arxiv.org/abs/1707.07012. The stem follows the published checkpoints, which differ
from the paper's figures.
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
    outputs=(PREVIOUS, 0, 1, 2, 3, 4),
)

# Figure 4, right; it downsamples the grid.
REDUCTION = Wiring(
    blocks=(
        ((separable_5x5, CURRENT), (separable_7x7, PREVIOUS)),
        ((max_pool_3x3, CURRENT), (separable_7x7, PREVIOUS)),
        ((avg_pool_3x3, CURRENT), (separable_5x5, PREVIOUS)),
        ((identity, 1), (avg_pool_3x3, 0)),
        ((separable_3x3, 0), (max_pool_3x3, CURRENT)),
    ),
    outputs=(1, 2, 3, 4),
)


def nasnet_a(depth, cells_per_stack, stem_depth, skip_reduction=False):
    """Returns the architecture of NASNet-A: three stacks of normal cells, reduction cells between.

    Args:
      depth: channels of each block in the first stack, doubled in each following stack.
      cells_per_stack: N, the number of normal cells in a stack.
      stem_depth: channels of the convolution before the cells.
      skip_reduction: whether `PREVIOUS` of the cell after a reduction cell is that of the reduction
        cell instead of its `CURRENT`.

    Returns:
      An `Architecture` with the end points `Stem`, `Cell_0`, `Cell_1`, ..., `Reduction_Cell_0` and
      `Reduction_Cell_1`.
    """
    cells = [
        Cell("cell_stem_0", REDUCTION, depth // 4, stride=2),
        Cell("cell_stem_1", REDUCTION, depth // 2, stride=2, end_point="Stem"),
    ]
    for number in range(3 * cells_per_stack):
        stack, index = divmod(number, cells_per_stack)
        stack_depth = depth * 2**stack
        follows_reduction = stack > 0 and index == 0
        if follows_reduction:
            end_point = f"Reduction_Cell_{stack - 1}"
            cells.append(Cell(end_point.lower(), REDUCTION, stack_depth, 2, end_point=end_point))
        cells.append(
            Cell(
                f"cell_{number}",
                NORMAL,
                stack_depth,
                previous=3 if follows_reduction and skip_reduction else 2,
                end_point=f"Cell_{number}",
            )
        )
    return Architecture(stem_depth, tuple(cells), auxiliary_cell=2 * cells_per_stack - 1)


# Functions of (inputs, num_classes, is_training, ...), documented by `cell_network`.
nasnet_mobile = partial(cell_network, architecture=nasnet_a(44, 4, stem_depth=32))
nasnet_large = partial(
    cell_network,
    drop_path_keep_prob=0.7,
    architecture=nasnet_a(168, 6, stem_depth=96, skip_reduction=True),
)

nasnet_mobile_arg_scope = cell_network_arg_scope
nasnet_large_arg_scope = partial(cell_network_arg_scope, weight_decay=0.00005)
