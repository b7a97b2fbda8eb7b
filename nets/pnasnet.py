"""PNASNet-5, small and large.

Liu et al., "Progressive Neural Architecture Search", 2017, https://arxiv.org/abs/1712.00559. Where
the published checkpoints differ from the paper's figures (the stem), the network is that of the
checkpoints.
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

# Figure 1: one cell for all; with a stride of 2 it halves the grid.
CELL = Wiring(
    blocks=(
        ((separable_5x5, PREVIOUS), (max_pool_3x3, PREVIOUS)),
        ((separable_7x7, CURRENT), (max_pool_3x3, CURRENT)),
        ((separable_5x5, CURRENT), (separable_3x3, CURRENT)),
        ((separable_3x3, 2), (max_pool_3x3, CURRENT)),
        ((separable_3x3, PREVIOUS), (identity, CURRENT)),
    ),
    joined=(0, 1, 2, 3, 4),
)


def pnasnet_5(depth, cells_per_stack, stem_depth):
    """The architecture of PNASNet-5: three stacks of cells, the later two begin with a stride.

    Args:
      depth: how many channels each block of the first stack has; a stack has twice as many as the
        one before.
      cells_per_stack: N, how many cells stand in a row.
      stem_depth: how many channels the convolution before the cells has.

    Returns:
      An `Architecture` with the end points `Stem`, `Cell_0` and so on.
    """
    cells = [
        Cell("cell_stem_0", CELL, depth // 4, stride=2),
        Cell("cell_stem_1", CELL, depth // 2, stride=2, end_point="Stem"),
    ]
    for number in range(3 * cells_per_stack):
        stack, place = divmod(number, cells_per_stack)
        stride = 2 if stack > 0 and place == 0 else 1
        cells.append(
            Cell(f"cell_{number}", CELL, depth * 2**stack, stride, end_point=f"Cell_{number}")
        )
    return Architecture(stem_depth, tuple(cells), auxiliary_cell=2 * cells_per_stack - 1)


# Functions of (inputs, num_classes, is_training, ...); `cell_network` documents them.
pnasnet_mobile = partial(cell_network, architecture=pnasnet_5(54, 3, stem_depth=32))
pnasnet_mobile.default_image_size = 224

pnasnet_large = partial(
    cell_network, drop_path_keep_prob=0.6, architecture=pnasnet_5(216, 4, stem_depth=96)
)
pnasnet_large.default_image_size = 331


def pnasnet_mobile_arg_scope(
    weight_decay=0.00004, batch_norm_decay=0.9997, batch_norm_epsilon=0.001
):
    """The arg_scope of `pnasnet_mobile`; see `cell_network_arg_scope`."""
    return cell_network_arg_scope(weight_decay, batch_norm_decay, batch_norm_epsilon)


def pnasnet_large_arg_scope(
    weight_decay=0.00004, batch_norm_decay=0.9997, batch_norm_epsilon=0.001
):
    """The arg_scope of `pnasnet_large`; see `cell_network_arg_scope`."""
    return cell_network_arg_scope(weight_decay, batch_norm_decay, batch_norm_epsilon)
