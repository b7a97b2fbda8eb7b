"""Restores a run's checkpoints into a graph that evaluates, predicts or is exported."""

from checkpointing.reading import read_shapes
from checkpointing.warm_start import compare_with_checkpoint
from slim_on_tf2 import slim, tf
from system.errors import BadInput

_CURE = "give --checkpoint another one of that run: best, latest, or a path"
_CURE_OF_PUBLISHED = (
    "give --checkpoint_path the published checkpoint of that network, or --log_dir a run of your "
    "own instead of --model_name"
)


class Restorer:
    """Restores the model variables and the global step of a graph, from any number of checkpoints.

    Args:
      moving_averages: restores the exponential moving averages of the weights instead of the
        weights themselves. None, for a published checkpoint, restores an average wherever the
        checkpoint holds one, because averages predict better.
    """

    def __init__(self, moving_averages=False):
        """Takes the variables of the current default graph."""
        self._variables = slim.get_model_variables()
        self._global_step = tf.train.get_or_create_global_step()
        self._moving_averages = moving_averages
        self._savers = {}  # a Saver adds operations to the graph, so it is used again

    def restore(self, session, checkpoint):
        """Restores `checkpoint` in `session`; the global step is 0 if the checkpoint has none.

        Raises:
          BadInput: the checkpoint lacks variables of the network, has them in another shape, has
            no moving averages to restore, or cannot be read.
        """
        is_published = self._moving_averages is None
        cure = _CURE_OF_PUBLISHED if is_published else _CURE
        shapes = read_shapes(checkpoint)
        steps = [self._global_step] if self._global_step.op.name in shapes else []
        found = compare_with_checkpoint(
            [*self._variables, *steps],
            checkpoint,
            shapes,
            restore_moving_averages=is_published or self._moving_averages,
        )
        if found.faults:
            network = "the network that run.json names"
            if is_published:
                network = "the network of --model_name with ImageNet's classes"
            raise BadInput(f"{checkpoint} is not of {network} ({found.faults[0]}); {cure}")
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
            session.run(self._global_step.initializer)
            self._savers[names].restore(session, checkpoint)
        except (tf.errors.OpError, ValueError) as error:
            raise BadInput(f"{checkpoint} is broken; {cure}") from error
