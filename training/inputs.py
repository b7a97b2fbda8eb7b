"""What a training reads: downloads, the check of its splits, the next batch."""

from pathlib import Path

from checkpointing.checkpoint_path import NONE
from checkpointing.download import resolve_checkpoint_path
from datasets import dataset_factory
from datasets.dataset_factory import DEFAULT_DATASET
from slim_on_tf2 import tf
from system.errors import BadInput
from system.files import has_files
from training.class_weights import get_class_weights
from training.run_checkpoints import saved_checkpoints


def fetch_missing(flags):
    """Downloads what a new run lacks: the pretrained weights and the dataset."""
    if saved_checkpoints(flags.log_dir):
        return
    path = resolve_checkpoint_path(
        flags.checkpoint_path, flags.model_name, flags.checkpoints_dir, flags.checkpoints_mirror
    )
    flags.checkpoint_path = path or NONE
    if not has_files(flags.dataset_dir):
        dataset_factory.fetch(flags.dataset_name or DEFAULT_DATASET, flags.dataset_dir)


def check_splits(dataset, validation_dataset, class_weights=None):
    """Prints what is read, two `slim.dataset.Dataset`s.

    Raises:
      BadInput: one of them is empty, or --class_weights names a class that they do not have.
    """
    get_class_weights(class_weights, dataset.class_counts)
    for split in (dataset, validation_dataset):
        if not split.num_samples:
            raise BadInput(
                f"{split.data_sources[0]}: the split {split.split_name} holds no image; convert "
                "more images, or with another --validation_fraction"
            )
    print(
        f"Data: {dataset.num_samples} images to train on, {validation_dataset.num_samples} to "
        f"validate on, {dataset.num_classes} classes, from {Path(dataset.data_sources[0]).parent}",
        flush=True,
    )


def next_batch(batches):
    """Returns the next batch of `batches`, a `tf.data.Dataset` of dicts of tensors.

    Returns:
      The dict with one more entry, `waited`: float64 scalar, the seconds until the batch was there.
      The iterator is initialized with the tables of the graph.
    """
    iterator = tf.data.make_initializable_iterator(batches)
    tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    with tf.device("/cpu:0"):
        start = tf.timestamp()
        with tf.control_dependencies([start]):
            batch = iterator.get_next()
        with tf.control_dependencies(list(batch.values())):
            return batch | {"waited": tf.timestamp() - start}
