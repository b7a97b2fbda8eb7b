"""A trained network ready for images: its predictions, and where in an image they come from."""

from checkpointing.restorer import Restorer
from evaluation.explanation import explained_images, grad_cam
from preprocessing.preprocessing_factory import needed_size
from serving import serving_graph
from slim_on_tf2 import tf
from system.device import session_config
from system.errors import BadInput


class RunModel:
    """The network of a run, or a published one, with the weights of a checkpoint.

    Attributes:
      labels: list of str, the class names in the order of `probabilities`.
      needed_size: height and width in pixels of a photo that the preprocessing does not enlarge;
        None if it does not resize.
    """

    def __init__(self, run, checkpoint, moving_averages=False):
        """Builds the network and restores its weights.

        Args:
          run: a `Run`; its network, labels, image size, preprocessing and precision are used.
          checkpoint: the path of a V1 file or a V2 prefix.
          moving_averages: as for `checkpointing.restorer.Restorer`.

        Raises:
          BadInput: the checkpoint is at fault.
        """
        self._run = run
        self.labels = run.labels
        self.needed_size = needed_size(run.preprocessing_name, run.image_size, run.image_size)
        self._heat_maps = None
        with tf.Graph().as_default() as graph:
            self._graph = serving_graph.build(run)
            restorer = Restorer(moving_averages)
        self._session = tf.Session(graph=graph, config=session_config(run.mixed_precision))
        restorer.restore(self._session, checkpoint)

    def probabilities(self, encoded):
        """Returns float32 [images, classes] for a list of encoded images.

        Raises:
          tf.errors.InvalidArgumentError: an image cannot be decoded.
        """
        return self._run_network(self._graph.outputs["probabilities"], encoded)

    def inputs(self, encoded):
        """Like `probabilities`, but returns `ServingGraph.inputs`, the preprocessed images."""
        return self._run_network(self._graph.inputs, encoded)

    def explain(self, encoded):
        """Shows which parts of an image speak for its predicted class.

        Args:
          encoded: a list of n encoded images.

        Returns:
          uint8 [n, side, 2 * side, 3]: each image as the network sees it, and to its right the same
          in gray under its Grad-CAM heat map.

        Raises:
          BadInput: the feature maps of the network are 1 x 1, as for very small images.
        """
        if self._heat_maps is None:
            try:
                with self._session.graph.as_default():
                    self._heat_maps = grad_cam(self._graph.logits)
            except ValueError as error:
                raise BadInput(
                    f"--explain: the feature maps of {self._run.model_name} are 1 x 1 at "
                    f"{self._run.image_size} px; leave the flag out"
                ) from error
        inputs, heat_maps = self._run_network([self._graph.inputs, self._heat_maps], encoded)
        return explained_images(inputs, heat_maps, self._run.preprocessing_name)

    def close(self):
        """Closes the session."""
        self._session.close()

    def _run_network(self, fetches, encoded):
        return self._session.run(fetches, {self._graph.image_bytes: encoded})
