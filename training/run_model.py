"""The network of a run with its weights, ready for photos; and where in them it saw its answers."""

from bad_input import BadInput
from slim_on_tf2 import tf
from training import run_checkpoints, serving_graph
from training.device import session_config
from training.explanation import explained_photos, heat_maps
from training.restorer import Restorer
from training.run_record import read_run


class RunModel:
    """The network of a run with the weights of one of its checkpoints, ready for photos.

    Attributes:
      labels: list of str, the names of the classes in the order of `probabilities`.
    """

    def __init__(self, log_dir, checkpoint="best", moving_averages=False):
        """Builds the network and restores its weights.

        Args:
          log_dir: the run's folder.
          checkpoint: "best", "latest", or a path.
          moving_averages: whether to take these in the place of the weights.

        Raises:
          BadInput: the run or the checkpoint is at fault.
        """
        self._run = read_run(log_dir)
        self.labels = self._run.labels
        self._heat_maps = None
        path = run_checkpoints.find(log_dir, checkpoint)
        with tf.Graph().as_default() as graph:
            self._graph = serving_graph.build(self._run)
            restorer = Restorer(moving_averages)
        self._session = tf.Session(graph=graph, config=session_config())
        restorer.restore(self._session, path)

    def probabilities(self, jpegs):
        """Returns float32 [photos, classes] for a list of encoded photos.

        Raises:
          tf.errors.InvalidArgumentError: one of the photos cannot be decoded.
        """
        return self._fetch(self._graph.answers["probabilities"], jpegs)

    def explain(self, jpegs):
        """Shows where in photos the network saw the class that it finds most probable.

        Args:
          jpegs: a list of n encoded photos.

        Returns:
          uint8 [n, side, 2 * side, 3]: each photo as the network is given it, and to its right the
          same in grey below its heat map.

        Raises:
          BadInput: the network's maps are of a single place each, as of very small photos.
        """
        if self._heat_maps is None:
            self._heat_maps = self._add_heat_maps()
        inputs, maps = self._fetch([self._graph.inputs, self._heat_maps], jpegs)
        return explained_photos(inputs, maps, self._run.preprocessing_name)

    def close(self):
        """Gives back what the network takes."""
        self._session.close()

    def _add_heat_maps(self):
        try:
            with self._session.graph.as_default():
                return heat_maps(self._graph.logits)
        except ValueError as error:
            raise BadInput(
                f"{self._run.model_name} has no map of more than one place at "
                f"{self._run.image_size} px; leave --explain out"
            ) from error

    def _fetch(self, tensors, jpegs):
        return self._session.run(tensors, {self._graph.image_bytes: jpegs})
