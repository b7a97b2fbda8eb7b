"""A run's weights, from its checkpoints into a graph that evaluates, predicts or is exported."""

from bad_input import BadInput
from nets.warm_start import compare
from slim_on_tf2 import slim, tf

CURE = "give --checkpoint another one of that run: best, latest, or a path"


class Restorer:
    """Restores the model variables and the global step of a graph, from one checkpoint or many."""

    def __init__(self, moving_averages=False):
        """Takes the variables of the current default graph.

        Args:
          moving_averages: restores, in the place of the weights, their exponential moving averages.
        """
        self._variables = [*slim.get_model_variables(), tf.train.get_or_create_global_step()]
        self._moving_averages = moving_averages
        self._savers = {}  # a saver adds to the graph, so one serves all checkpoints alike

    def restore(self, session, checkpoint):
        """Restores `checkpoint` in `session`.

        Raises:
          BadInput: it lacks variables of the network, has them in another shape, has no moving
            averages where they are asked for, or cannot be read.
        """
        found = compare(checkpoint, self._variables, restore_moving_averages=self._moving_averages)
        if found.faults:
            raise BadInput(
                f"{checkpoint} is not of the network that run.json names ({found.faults[0]}); "
                f"{CURE}"
            )
        if self._moving_averages and not found.restored_averages:
            raise BadInput(
                f"--moving_averages: {checkpoint} has none; train with --moving_average_decay, or "
                "leave the flag out"
            )
        try:
            self._saver_of(found.restored, session.graph).restore(session, checkpoint)
        except (tf.errors.OpError, ValueError) as error:
            raise BadInput(f"{checkpoint} is broken; {CURE}") from error

    def _saver_of(self, variables, graph):
        names = frozenset(variables)
        if names not in self._savers:
            with graph.as_default():
                self._savers[names] = tf.train.Saver(variables)
        return self._savers[names]
