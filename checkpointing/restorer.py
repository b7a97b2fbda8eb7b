"""Restores a run's checkpoints into a graph that evaluates, predicts or is exported."""

from checkpointing.reading import read_shapes
from checkpointing.warm_start import compare_with_checkpoint
from slim_on_tf2 import slim, tf
from system.errors import BadInput

_CURE = "give --checkpoint another one of that run: best, latest, or a path"


class Restorer:
    """Restores the model variables and the global step of a graph, from any number of checkpoints.

    Args:
      moving_averages: restores the exponential moving averages of the weights instead of the
        weights themselves.
    """

    def __init__(self, moving_averages=False):
        """Takes the variables of the current default graph."""
        self._variables = [*slim.get_model_variables(), tf.train.get_or_create_global_step()]
        self._moving_averages = moving_averages
        self._savers = {}  # a Saver adds operations to the graph, so it is used again

    def restore(self, session, checkpoint):
        """Restores `checkpoint` in `session`.

        Raises:
          BadInput: the checkpoint lacks variables of the network, has them in another shape, has
            no moving averages to restore, or cannot be read.
        """
        found = compare_with_checkpoint(
            self._variables,
            checkpoint,
            read_shapes(checkpoint),
            restore_moving_averages=self._moving_averages,
        )
        if found.faults:
            raise BadInput(
                f"{checkpoint} is not of the network that run.json names ({found.faults[0]}); "
                f"{_CURE}"
            )
        if self._moving_averages and not found.restored_averages:
            raise BadInput(
                f"--moving_averages: {checkpoint} has none; train with --moving_average_decay, or "
                "remove the flag"
            )
        names = frozenset(found.restored)
        if names not in self._savers:
            with session.graph.as_default():
                self._savers[names] = tf.train.Saver(found.restored)
        try:
            self._savers[names].restore(session, checkpoint)
        except (tf.errors.OpError, ValueError) as error:
            raise BadInput(f"{checkpoint} is broken; {_CURE}") from error
