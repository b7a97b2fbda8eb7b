"""The session hook that writes what the network of a training costs."""

from pathlib import Path

from nets.operation_counts import count_network
from slim_on_tf2 import tf
from training.model_stats import write_table


class ModelStats(tf.train.SessionRunHook):
    """Writes log_dir/model_stats.csv, as `training.model_stats` documents it, before the session.

    The counts are of the forward network alone, for one photo, whatever the batch.
    """

    def __init__(self, logits, log_dir, inputs=None):
        """Takes what is to be counted, and where to write it.

        Args:
          logits: the network's, a float tensor [batch, num_classes]; the batch may be unknown.
          log_dir: the folder of model_stats.csv, a str or a Path.
          inputs: the photos as the network takes them, a float tensor [batch, height, width,
            channels]; by default what a placeholder or a dataset feeds, so that the arithmetic
            of a preprocessing between that and the network would be counted too.
        """
        self._logits = logits
        self._inputs = inputs
        self._path = Path(log_dir, "model_stats.csv")

    def begin(self):
        """Walks the graph, which it leaves as it is, and writes the table.

        Raises:
          BadInput: the height or width of the photos is unknown, or the file cannot be written.
        """
        write_table(self._path, count_network(self._logits, self._inputs))
