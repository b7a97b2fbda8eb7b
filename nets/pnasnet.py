"""PNASNet-5, mobile and large.

Liu et al., "Progressive Neural Architecture Search", 2017, https://arxiv.org/abs/1712.00559. The
stem follows the published checkpoints, which differ from the paper's figures.
"""

from functools import partial

from nets.nas_cells import (
    CURRENT,
    PREVIOUS,
    Architecture,
    Cell,
    Wiring,
    cell_network,
    cell_network_arg_scope,
    identity,
    max_pool_3x3,
    separable_3x3,
    separable_5x5,
    separable_7x7,
)

# Figure 1. All cells have this wiring; some have stride 2.
CELL = Wiring(
    blocks=(
        ((separable_5x5, PREVIOUS), (max_pool_3x3, PREVIOUS)),
        ((separable_7x7, CURRENT), (max_pool_3x3, CURRENT)),
        ((separable_5x5, CURRENT), (separable_3x3, CURRENT)),
        ((separable_3x3, 2), (max_pool_3x3, CURRENT)),
        ((separable_3x3, PREVIOUS), (identity, CURRENT)),
    ),
    outputs=(0, 1, 2, 3, 4),
)


def pnasnet_5(depth, cells_per_stack, stem_depth):
    """Returns the architecture of PNASNet-5: three stacks of cells; two start with stride 2.

    Args:
      depth: channels of each block in the first stack, doubled in each following stack.
      cells_per_stack: N, the number of cells in a stack.
      stem_depth: channels of the convolution before the cells.

    Returns:
      An `Architecture` with the end points `Stem`, `Cell_0`, `Cell_1`, ...
    """
    cells = [
        Cell("cell_stem_0", CELL, depth // 4, stride=2),
        Cell("cell_stem_1", CELL, depth // 2, stride=2, end_point="Stem"),
    ]
    for number in range(3 * cells_per_stack):
        stack, index = divmod(number, cells_per_stack)
        stride = 2 if stack > 0 and index == 0 else 1
        cells.append(
            Cell(f"cell_{number}", CELL, depth * 2**stack, stride, end_point=f"Cell_{number}")
        )
    return Architecture(stem_depth, tuple(cells), auxiliary_cell=2 * cells_per_stack - 1)


# Functions of (inputs, num_classes, is_training, ...), documented by `cell_network`.
pnasnet_mobile = partial(cell_network, architecture=pnasnet_5(54, 3, stem_depth=32))
pnasnet_large = partial(
    cell_network, drop_path_keep_prob=0.6, architecture=pnasnet_5(216, 4, stem_depth=96)
)

pnasnet_mobile_arg_scope = pnasnet_large_arg_scope = cell_network_arg_scope
