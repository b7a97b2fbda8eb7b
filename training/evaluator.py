"""Evaluation: one split, read once and in order, with the weights of one checkpoint.

Validation in training and the evaluation of a run both use this, so that they agree on the same
checkpoint.
"""

import time
from dataclasses import dataclass

import numpy as np

from bad_input import BadInput
from datasets.batches import load_batch
from nets.factory import get_network_fn
from nets.features import penultimate
from nets.warm_start import count_parameters
from preprocessing.factory import get_preprocessing
from reporting.predictions import Predictions
from slim_on_tf2 import slim, tf
from training.device import session_config
from training.restorer import Restorer


@dataclass(frozen=True)
class Evaluation:
    """What came out for one checkpoint."""

    checkpoint: str
    global_step: int
    accuracy: float  # streaming, over all photos, in [0, 1]
    losses: np.ndarray  # float32 [photos], the cross-entropy of each
    predictions: Predictions
    photos_per_second: float
    parameters: int  # of the network, those that can be trained
    features: np.ndarray | None = None  # float32 [photos, depth], what the last layer reads


class Diverged(Exception):
    """The weights of `step` give a loss that is not a finite number."""

    def __init__(self, step):
        """Takes the step that the weights are of."""
        super().__init__(f"the weights of step {step} give a loss that is not a finite number")
        self.step = step


class Evaluator:
    """Holds the evaluation graph of a network and a split, and runs checkpoints through it."""

    def __init__(self, run, dataset, batch_size, moving_averages=False, with_features=False):
        """Builds the graph of `run`'s network in evaluation mode over `dataset`.

        Args:
          run: a `Run`: its network, image size and preprocessing are used.
          dataset: a slim.dataset.Dataset whose labels are those of `run`.
          batch_size: photos a step; no influence on the result.
          moving_averages: whether to evaluate these in the place of the weights.
          with_features: whether to keep what the last layer reads of each photo.
        """
        self._dataset = dataset
        self._class_names = run.labels
        self._session = None
        with tf.Graph().as_default() as self._graph:
            preprocess = get_preprocessing(
                run.preprocessing_name, is_training=False, use_grayscale=run.use_grayscale
            )
            batches = load_batch(
                dataset,
                batch_size,
                run.image_size,
                run.image_size,
                is_training=False,
                preprocess=preprocess,
                with_filenames=True,
            )
            iterator = tf.data.make_initializable_iterator(batches)
            batch = iterator.get_next()
            network_fn = get_network_fn(run.model_name, len(run.labels), is_training=False)
            logits, _ = network_fn(batch["images"])
            self._fetches, self._accuracy = _measures(batch, logits)
            if with_features:
                self._fetches["features"] = penultimate(logits)
            self._parameters = sum(map(count_parameters, tf.trainable_variables()))
            self._start = [iterator.initializer, tf.local_variables_initializer()]
            self._global_step = tf.train.get_or_create_global_step()
            self._restorer = Restorer(moving_averages)

    def evaluate(self, checkpoint, interrupted=lambda: False, on_batch=lambda batch: None):
        """Runs every photo of the split once.

        Args:
          checkpoint: path of the checkpoint to restore.
          interrupted: asked before each batch; evaluation ends, without result, once it is true.
          on_batch: called with each batch's values: `labels`, `probabilities`, `losses`,
            `filenames`, and `features` where they are kept.

        Returns:
          An `Evaluation`, or None where it was interrupted.

        Raises:
          BadInput: the checkpoint is not the network's, or the number of photos read is not the
            split's.
          Diverged: a photo's loss is not a finite number.
        """
        if self._session is None:
            self._session = tf.Session(graph=self._graph, config=session_config())
        self._restorer.restore(self._session, checkpoint)
        self._session.run(self._start)
        parts = []
        began = time.perf_counter()
        while not interrupted():
            try:
                parts.append(self._session.run(self._fetches))
            except tf.errors.OutOfRangeError:
                return self._collect(checkpoint, parts, time.perf_counter() - began)
            on_batch(parts[-1])
        return None

    def _collect(self, checkpoint, parts, seconds):
        values = {name: np.concatenate([part[name] for part in parts]) for name in self._fetches}
        count = len(values["labels"])
        if count != self._dataset.num_samples:
            raise BadInput(
                f"{count} photos were read, but {self._dataset.num_samples} belong to the split "
                f"{self._dataset.split_name}: convert the photos anew"
            )
        accuracy, global_step = self._session.run([self._accuracy, self._global_step])
        if not np.isfinite(values["losses"]).all():
            raise Diverged(int(global_step))
        predictions = Predictions(
            filenames=[name.decode(errors="replace") for name in values["filenames"]],
            labels=values["labels"],
            probabilities=values["probabilities"],
            class_names=self._class_names,
        )
        return Evaluation(
            checkpoint=checkpoint,
            global_step=int(global_step),
            accuracy=float(accuracy),
            losses=values["losses"],
            predictions=predictions,
            photos_per_second=count / seconds,
            parameters=self._parameters,
            features=values.get("features"),
        )


def _measures(batch, logits):
    """The tensors to fetch for each batch, and the streaming accuracy over all so far."""
    accuracy, update = slim.metrics.streaming_accuracy(tf.argmax(logits, -1), batch["labels"])
    with tf.control_dependencies([update]):
        labels = tf.identity(batch["labels"])
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    fetches = {
        "labels": labels,
        "filenames": batch["filenames"],
        "probabilities": tf.nn.softmax(logits),
        "losses": losses,
    }
    return fetches, accuracy
