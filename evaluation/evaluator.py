"""One pass over a split with the weights of one checkpoint.

Validation during training and eval_flowers.py both use this, so they agree on the same checkpoint.
"""

import dataclasses
import datetime
import time
from dataclasses import dataclass

import numpy as np

from checkpointing.files import checkpoint_bytes
from checkpointing.restorer import Restorer
from evaluation.metrics import balanced_accuracy, class_scores, macro_f1
from evaluation.predictions import Predictions
from slim_on_tf2 import slim, tf
from system.device import session_config
from system.errors import BadInput
from training.failures import Diverged
from training.run_record import Run


@dataclass(frozen=True)
class Evaluation:
    """The results of one checkpoint."""

    checkpoint: str
    global_step: int
    accuracy: float  # streaming, over all images, in [0, 1]
    losses: np.ndarray  # float32 [images], the cross-entropy of each image
    predictions: Predictions
    images_per_second: float
    features: np.ndarray | None = None  # float32 [images, depth], the input of the last layer

    def metrics(self):
        """Returns what a validation reports, name -> float."""
        scores = class_scores(self.predictions)
        return {
            "loss": float(np.mean(self.losses)),
            "accuracy": self.accuracy,
            "balanced_accuracy": balanced_accuracy(scores),
            "macro_f1": macro_f1(scores),
        }


@dataclass
class Evaluator:
    """An evaluation graph, which runs checkpoint after checkpoint.

    Attributes:
      run: the `Run`.
      graph: the `tf.Graph` of a network in evaluation mode over a split.
      dataset: the split, a `slim.dataset.Dataset`.
      fetches: a dict of tensors [batch, ...] to fetch for each batch: `labels`, `filenames`,
        `probabilities`, `losses`, and `features` if they are wanted.
      accuracy: the streaming accuracy, a float32 scalar tensor that `fetches` update.
      initializers: ops that start a pass.
      restorer: the `Restorer` of the graph's model variables.
    """

    run: Run
    graph: tf.Graph
    dataset: slim.dataset.Dataset
    fetches: dict
    accuracy: tf.Tensor
    initializers: list
    restorer: Restorer
    session: tf.Session | None = None  # opened by the first evaluation

    @property
    def num_parameters(self):
        """The number of trainable parameters of the network."""
        variables = self.graph.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES)
        return sum(variable.shape.num_elements() for variable in variables)

    def describe(self, evaluation):
        """Returns what metrics.json says besides the metrics: what was evaluated, when, how fast.

        Args:
          evaluation: an `Evaluation` of this evaluator.
        """
        return {
            "checkpoint": evaluation.checkpoint,
            "global_step": evaluation.global_step,
            "split": self.dataset.split_name,
            "is_of_training_dataset": getattr(self.dataset, "is_of_run", None),
            "evaluated_at": datetime.datetime.now().isoformat(" ", "minutes"),
            "network": self.run.model_name,
            "image_size": self.run.image_size,
            "mixed_precision": self.run.mixed_precision,
            "parameters": self.num_parameters,
            "checkpoint_bytes": checkpoint_bytes(evaluation.checkpoint),
            "images_per_second": evaluation.images_per_second,
            "streaming_accuracy": evaluation.accuracy,
        }

    def of_moving_averages(self):
        """Returns an evaluator that restores the moving averages, with the same graph."""
        with self.graph.as_default():
            restorer = Restorer(moving_averages=True)
        return dataclasses.replace(self, restorer=restorer, session=None)

    def evaluate(self, checkpoint, interrupted=lambda: False, on_batch=lambda batch: None):
        """Evaluates every image of the split once.

        Args:
          checkpoint: path of the checkpoint to restore.
          interrupted: called before each batch; if it returns true, the pass ends without result.
          on_batch: called with the fetched values of each batch.

        Returns:
          An `Evaluation`, or None if it was interrupted.

        Raises:
          BadInput: the checkpoint belongs to another network, or the number of images is not that
            of the split.
          Diverged: the loss of an image is not a finite number.
        """
        if self.session is None:
            config = session_config(self.run.mixed_precision)
            self.session = tf.Session(graph=self.graph, config=config)
        self.restorer.restore(self.session, checkpoint)
        self.session.run(self.initializers)
        batches = []
        started = time.perf_counter()
        while not interrupted():
            try:
                batches.append(self.session.run(self.fetches))
            except tf.errors.OutOfRangeError:
                return self._collect(checkpoint, batches, time.perf_counter() - started)
            on_batch(batches[-1])
        return None

    def _collect(self, checkpoint, batches, seconds):
        values = {name: np.concatenate([b[name] for b in batches]) for name in self.fetches}
        count = len(values["labels"])
        if count != self.dataset.num_samples:
            raise BadInput(
                f"the split {self.dataset.split_name} holds {count} images, expected "
                f"{self.dataset.num_samples} as in dataset.json; convert the images again"
            )
        global_step = tf.train.get_global_step(self.graph)
        accuracy, step = self.session.run([self.accuracy, global_step])
        if not np.isfinite(values["losses"]).all():
            raise Diverged(int(step))
        names = self.dataset.labels_to_names
        predictions = Predictions(
            filenames=[name.decode(errors="replace") for name in values["filenames"]],
            labels=values["labels"],
            probabilities=values["probabilities"],
            class_names=[names[label] for label in range(len(names))],
        )
        return Evaluation(
            checkpoint=checkpoint,
            global_step=int(step),
            accuracy=float(accuracy),
            losses=values["losses"],
            predictions=predictions,
            images_per_second=count / seconds,
            features=values.get("features"),
        )


def describe_metrics(metrics):
    """Returns the line that eval_flowers.py prints for the metrics of `evaluate`."""
    low, high = metrics["accuracy_interval"]
    top_5 = metrics["top_k"].get("5")  # only of more than five classes
    loss = "not finite" if metrics["loss"] is None else f"{metrics['loss']:.4f}"
    averages = ", moving averages" if metrics["moving_averages"] else ""
    return (
        f"{metrics['checkpoint']} at step {metrics['global_step']}{averages}: streaming accuracy "
        f"{metrics['streaming_accuracy']:.4f} of {metrics['num_examples']} images of "
        f"{metrics['split']} (95 % interval {low:.4f} to {high:.4f}), "
        f"{'' if top_5 is None else f'top-5 accuracy {top_5:.4f}, '}loss {loss}"
    )
