"""Whether the disk has space for the checkpoints of a run, asked before it begins."""

import shutil
from pathlib import Path

from system.errors import BadInput


def checkpoint_size(variables):
    """Returns the bytes of a checkpoint that holds `variables`."""
    return sum(v.shape.num_elements() * v.dtype.base_dtype.size for v in variables)


def check_disk_space(log_dir, variables, most):
    """Compares the free space with the checkpoints that a run will write; prints if it is scarce.

    Args:
      log_dir: the run's folder, or where it will be.
      variables: the variables that a checkpoint holds.
      most: the number of checkpoints that the run keeps.

    Raises:
      BadInput: there is no space for a single checkpoint.
    """
    size = checkpoint_size(variables)
    folder = Path(log_dir).resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < size:
        raise BadInput(
            f"--log_dir {log_dir}: {_megabytes(free)} are free, and a checkpoint takes "
            f"{_megabytes(size)}; free some space or choose another folder"
        )
    if free < most * size:
        print(
            f"Disk: {_megabytes(free)} are free in {log_dir}; the run keeps up to {most} "
            f"checkpoints of {_megabytes(size)}",
            flush=True,
        )


def _megabytes(size):
    return f"{size / 1e6:,.0f} MB"
