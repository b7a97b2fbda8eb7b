"""A session hook that writes model_stats.csv during training."""

from pathlib import Path

from model_stats.operation_counts import count_network
from model_stats.table import write_table
from slim_on_tf2 import tf


class ModelStats(tf.train.SessionRunHook):
    """Writes log_dir/model_stats.csv before the session is created.

    Only the forward pass of the network is counted, for one image, whatever the batch size.
    """

    def __init__(self, logits, log_dir, inputs=None):
        """Initializes the hook.

        Args:
          logits: the network's output, a float tensor [batch, num_classes]; the batch size may be
            unknown.
          log_dir: the folder for model_stats.csv, a str or a Path.
          inputs: the network's input, a float tensor [batch, height, width, channels]. By default
            the placeholder or iterator that feeds the graph; preprocessing operations in the graph
            are then counted too.
        """
        self._logits = logits
        self._inputs = inputs
        self._path = Path(log_dir, "model_stats.csv")

    def begin(self):
        """Counts the network and writes the table, without adding to the graph.

        Raises:
          BadInput: the height or width of the images is unknown, or the file cannot be written.
        """
        write_table(self._path, count_network(self._logits, self._inputs))
