"""The images that a training reads, as TensorBoard shows them."""

from evaluation.image_grid import image_grid
from preprocessing.preprocessing_factory import to_pixels
from slim_on_tf2 import tf

IMAGES_SHOWN = 25


class ImageSummary(tf.train.SessionRunHook):
    """Writes the first batch of each epoch for TensorBoard, as the network sees it."""

    def __init__(self, images, labels, run, schedule, log):
        """Takes what is shown and where.

        Args:
          images: float32 [batch, height, width, channels].
          labels: int64 [batch]; of mixed images, the one with the larger share.
          run: the `Run`: its preprocessing and labels are used.
          schedule: the run's `Schedule`.
          log: the run's `MetricsLog`.
        """
        self._batch = {"images": images[:IMAGES_SHOWN], "labels": labels[:IMAGES_SHOWN]}
        self._to_pixels = to_pixels(run.preprocessing_name)
        self._class_names = run.labels
        self._schedule = schedule
        self._log = log

    def after_create_session(self, session, coord):
        """Reads the global step; the first batch of each session is shown too."""
        self._step = int(session.run(tf.train.get_global_step(session.graph)))
        self._is_due = True

    def before_run(self, run_context):
        """Fetches the batch with the training step if it is due."""
        return tf.train.SessionRunArgs(self._batch) if self._is_due else None

    def after_run(self, run_context, run_values):
        """Writes the batch if it was fetched."""
        self._step += 1
        if self._is_due:
            images, labels = run_values.results["images"], run_values.results["labels"]
            png = image_grid(
                self._to_pixels(images),
                [self._class_names[label] for label in labels],
                "What the network sees",
                "The first images of an epoch, augmented",
            )
            self._log.add_image(self._step, "augmented_images", png)
        self._is_due = self._schedule.ends_epoch(self._step)
