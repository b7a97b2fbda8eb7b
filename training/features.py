"""Features of the frozen network: one pass over the training split, kept on disk.

They are stored as a dataset in the format of `datasets`, one record per image with its features in
place of the encoded image, so `get_split` and `load_batch` read them. The folder's name is a digest
of all that determines them; runs that agree on it share them.
"""

import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from checkpointing.reading import weights_digest
from checkpointing.warm_start import get_restore_fn
from datasets.batches import load_batch
from datasets.shard_writer import write_dataset
from datasets.splits import get_split
from nets.features import penultimate
from nets.nets_factory import get_arg_scope, get_network
from nets.networks import find_network
from preprocessing.preprocessing_factory import get_preprocessing
from slim_on_tf2 import slim, tf
from system.device import session_config
from system.errors import BadInput
from system.locks import locked_folder
from system.precision import computed_precision
from system.precision_names import OFF

BATCH_SIZE = 64  # images per step of the pass; does not change the features


@dataclass(frozen=True)
class _Record:
    """An image of the split, as `write_dataset` takes it."""

    file: str
    label: str
    features: np.ndarray
    height: int = 1
    width: int = 1


def get_features(flags, dataset, checkpoint_path):
    """Returns the features of a training split, from the disk if they are there.

    Args:
      flags: the flags of train_flowers.py.
      dataset: the training split, a `slim.dataset.Dataset` of images.
      checkpoint_path: the weights of all layers below the head.

    Returns:
      A `slim.dataset.Dataset` whose records hold features; read them with `decode_features`.

    Raises:
      BadInput: the checkpoint lacks a layer below the head, or the folder cannot be written.
    """
    source = features_source(flags, dataset, checkpoint_path)
    folder = Path(flags.features_dir, features_name(source))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked_folder(folder.parent, wait=True):  # another training may be computing them
            return _read(folder, dataset) or _write(folder, flags, dataset, checkpoint_path, source)
    except OSError as error:
        raise BadInput(
            f"--features_dir {flags.features_dir}: cannot be written ({error.strerror or error}); "
            "free some space or choose another folder"
        ) from error


def _read(folder, dataset):
    """Returns the features in a folder; None if it is missing or broken, and then removed."""
    if not folder.is_dir():
        return None
    try:
        features = get_split(dataset.split_name, folder)
    except BadInput as error:
        print(f"Features: {error}; computing them again", flush=True)
        shutil.rmtree(folder)
        return None
    print(f"Features: {features.num_samples} images, read from {folder}", flush=True)
    return features


def _write(folder, flags, dataset, checkpoint_path, source):
    """Computes the features of a split, and writes them to a new folder."""
    started = time.perf_counter()
    records = _compute(flags, dataset, checkpoint_path)
    description = {
        "name": "features",
        "labels": [dataset.labels_to_names[label] for label in range(dataset.num_classes)],
        "settings": {"num_shards": 1},
        "source": source,
    }
    write_dataset(
        folder,
        description,
        {dataset.split_name: records},
        lambda record: record.features.tobytes(),
        image_format="float32",
        progress=False,
    )
    seconds = time.perf_counter() - started
    print(f"Features: {len(records)} images in {seconds:.1f} s, kept in {folder}", flush=True)
    return get_split(dataset.split_name, folder)


def decode_features(encoded, height, width, seed=None):
    """The `preprocess` of `load_batch` for features: bytes -> float32 [1, 1, depth]."""
    del height, width, seed
    return tf.reshape(tf.io.decode_raw(encoded, tf.float32), [1, 1, -1])


def read_features(dataset):
    """Reads the features of a split into memory.

    Args:
      dataset: a `slim.dataset.Dataset` from `get_features`.

    Returns:
      float32 [n, depth] and int64 [n], features and labels in the order of the split.
    """
    with tf.Graph().as_default():
        batches = load_batch(dataset, 1024, 1, 1, is_training=False, preprocess=decode_features)
        values = _run_through(batches, lambda batch: (batch["images"][:, 0, 0], batch["labels"]))
    return values[0], values[1]


def features_name(source):
    """Returns the name of a folder of features: network, size, and a digest.

    Args:
      source: what determines them, as from `features_source`.
    """
    digest = hashlib.sha256(json.dumps(source, sort_keys=True).encode()).hexdigest()[:16]
    return f"{source['model_name']}_{source['image_size']}px_{digest}"


def features_source(flags, dataset, checkpoint_path):
    """Returns all that the features of a split depend on, a dict; arguments as `get_features`."""
    precision = computed_precision(flags.mixed_precision)
    return ({} if precision == OFF else {"mixed_precision": precision}) | {
        "model_name": flags.model_name,
        "image_size": flags.image_size,
        "decoding": "fractions",  # of large JPEGs, unlike the features of earlier versions
        "preprocessing_name": flags.preprocessing_name,
        "use_grayscale": flags.use_grayscale,
        "weights": weights_digest(
            checkpoint_path,
            flags.model_name,
            find_network(flags.model_name).head_scopes,
            flags.restore_moving_averages,
        ),
        "split": dataset.split_name,
        "shards": dataset.digests,
    }


def _compute(flags, dataset, checkpoint_path):
    """Returns a `_Record` for each image of a split, in order."""
    with tf.Graph().as_default():
        batches = load_batch(
            dataset,
            BATCH_SIZE,
            height=flags.image_size,
            width=flags.image_size,
            is_training=False,
            preprocess=get_preprocessing(
                flags.preprocessing_name, is_training=False, use_grayscale=flags.use_grayscale
            ),
            with_filenames=True,
        )

        def fetches(batch):
            with slim.arg_scope(get_arg_scope(flags.model_name)):
                network = get_network(flags.model_name)
                logits, _ = network(batch["images"], dataset.num_classes, is_training=False)
            return penultimate(logits), batch["labels"], batch["filenames"]

        features, labels, filenames = _run_through(
            batches,
            fetches,
            lambda: get_restore_fn(
                checkpoint_path,
                flags.model_name,
                find_network(flags.model_name).head_scopes,
                flags.restore_moving_averages,
            ),
            flags.mixed_precision,
        )
    names = dataset.labels_to_names
    return [
        _Record(name.decode(errors="replace"), names[label], vector)
        for vector, label, name in zip(features, labels.tolist(), filenames)
    ]


def _run_through(batches, fetches, make_restore_fn=lambda: lambda session: None, precision=OFF):
    """Runs tensors over all batches of a `tf.data.Dataset`, in the current graph.

    Args:
      batches: the dataset.
      fetches: a function from a batch to tensors [batch, ...].
      make_restore_fn: called when the tensors are there; returns a function of the session.
      precision: mixed precision, as for `session_config`.

    Returns:
      A list of arrays, one for each tensor.
    """
    iterator = tf.data.make_initializable_iterator(batches)
    tensors = fetches(iterator.get_next())
    restore_fn = make_restore_fn()
    found = []
    with tf.Session(config=session_config(precision)) as session:
        session.run(iterator.initializer)
        restore_fn(session)
        while True:
            try:
                found.append(session.run(tensors))
            except tf.errors.OutOfRangeError:
                return [np.concatenate(arrays) for arrays in zip(*found)]
