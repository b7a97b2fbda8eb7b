"""The predictions of an export beside those of the evaluation, image by image."""

import numpy as np
from tqdm import tqdm

from serving import export_check
from slim_on_tf2 import tf
from system.errors import BadInput

# Float32 gives other last digits if sums are made in another order: with batch norm folded into
# convolutions, other batches, other threads. For mobilenet and inception that is 2e-7 to 3e-6. An
# image that is decoded or resized differently is another matter: with Pillow's JPEG decoder, or
# another bilinear kernel, an image of 348 changed by 7e-2; with red and blue swapped, by 0.9.
TOLERANCE = 1e-3
ROUNDED = ("float16", "int8")  # models that differ by design
BATCH_SIZE = 32


def expected_predictions(evaluator, checkpoint, num_images):
    """Evaluates the first images of a split in full float32.

    Args:
      evaluator: an `Evaluator` with batches of `BATCH_SIZE`.
      checkpoint: the path of the checkpoint.
      num_images: how many images.

    Returns:
      int64 [num_images], the labels, and float32 [num_images, classes], the probabilities.

    Raises:
      BadInput: the probabilities are not finite.
    """
    batches = []
    uses_tf32 = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        with tqdm(total=num_images, desc="evaluating", unit=" images", disable=None) as bar:

            def add(batch):
                batches.append(batch)
                bar.update(len(batch["labels"]))

            evaluator.evaluate(checkpoint, lambda: num_images <= BATCH_SIZE * len(batches), add)
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(uses_tf32)
    labels, probabilities = (
        np.concatenate([batch[name] for batch in batches])[:num_images]
        for name in ("labels", "probabilities")
    )
    if not np.isfinite(probabilities).all():
        raise BadInput(f"{checkpoint} gives no probabilities: it has diverged; give an earlier one")
    return labels, probabilities


def compare_predictions(form, folder, dataset, labels, expected, needed_size):
    """Predicts with an export in a new process, and compares with the evaluation.

    Args:
      form: "saved_model", "frozen_graph" or "tflite".
      folder: the folder of the export.
      dataset: the split, a `slim.dataset.Dataset`.
      labels: int64 [n] of its first n images.
      expected: float32 [n, classes], their probabilities by the evaluation.
      needed_size: as for `export_check.predict_in_new_process`.

    Returns:
      A list of dicts, one for each model in `folder`: `name`, `megabytes`, `accuracy`,
      `same_answers` (images), `largest_difference` (of probabilities) and `milliseconds` (per
      image, the median).

    Raises:
      BadInput: a model predicts differently, or cannot be loaded.
    """
    predictions = export_check.predict_in_new_process(
        form, folder, dataset, len(labels), needed_size
    )
    for name, given in predictions.items():
        difference = _largest_difference(given, expected)
        if name not in ROUNDED and not difference <= TOLERANCE:
            raise BadInput(
                f"{name}: a probability differs from the evaluation by {difference:.2g}, expected "
                f"at most {TOLERANCE:g}: nothing was exported; make sure that checkpoint, images "
                "and run.json belong together, and report it if they do"
            )
    class_names = np.array([dataset.labels_to_names[i] for i in range(dataset.num_classes)])
    return [
        {
            "name": name,
            "megabytes": _num_bytes(path) / 1e6,
            "accuracy": float(np.mean(predictions[name].labels == class_names[labels])),
            "same_answers": int(
                np.sum(predictions[name].labels == class_names[expected.argmax(1)])
            ),
            "largest_difference": _largest_difference(predictions[name], expected),
            "milliseconds": float(np.median(predictions[name].seconds)) * 1000,
        }
        for name, path in export_check.model_paths(form, folder).items()
    ]


def _largest_difference(predictions, expected):
    """The largest difference of a probability, over the images that were predicted."""
    return float(
        np.abs(predictions.probabilities - expected[: len(predictions.probabilities)]).max()
    )


def _num_bytes(path):
    """The bytes of a file, or of all files in a folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())
