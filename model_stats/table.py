"""The file model_stats.csv."""

import csv

from system.files import atomic_write

COUNTS = ("params", "maccs", "adds", "comps")
COLUMNS = ("layer", *COUNTS, "output_shape")


def write_table(path, counts):
    """Writes one row per layer and a last row with the totals.

    Args:
      path: the CSV file, a str or a Path.
      counts: a `model_stats.operation_counts.NetworkCounts`.

    Raises:
      BadInput: the file cannot be written.
    """
    with atomic_write(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for layer in [*counts.layers, counts.total]:
            shape = "x".join(map(str, layer.output_shape)) or "1"
            writer.writerow([layer.name, *(getattr(layer, name) for name in COUNTS), shape])
