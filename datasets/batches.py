"""Batches of examples from the shards of a split, through tf.data.

Everything random is a function of the seed and the position in the run: the order of an epoch
depends on the seed and the epoch's number, the augmentation of an image on the seed and the
example's number in the run. So a run that resumes at example k reads exactly what the uninterrupted
run reads from k on.
"""

import os

from datasets.examples import CURE, make_shape_decoder, read_examples
from slim_on_tf2 import tf
from system.errors import BadInput

# Encoded images in the shuffle buffer: 1 GB at 100 KB per image. A larger split is shuffled within
# windows of this size, after its shards have been shuffled.
MAX_SHUFFLED = 10_000
MAX_INTERLEAVED = 16  # shards that are read at once
PARALLEL_CALLS = os.cpu_count() or 1
BATCHES_AHEAD = 2


def load_batch(
    dataset,
    batch_size,
    height,
    width,
    is_training,
    preprocess,
    *,
    seed=0,
    first_example=0,
    with_filenames=False,
    balanced=False,
):
    """Reads a split in batches: endless and shuffled for training, once in order for evaluation.

    Training uses a new order in each epoch. Its batches are always full, and may contain the end of
    one epoch and the start of the next. The last batch of an evaluation may be smaller.

    Args:
      dataset: a `slim.dataset.Dataset` from `get_split`. If it has an attribute `cache`, an
        `image_cache.ImageCache`, that replaces the shards.
      batch_size: images per batch.
      height: of `images`, in pixels.
      width: of `images`, in pixels.
      is_training: bool.
      preprocess: a function (image, height, width, seed) -> float32 [height, width, channels]. The
        image is a string scalar, a JPEG, PNG, GIF or BMP, or from a decoded cache uint8 [any
        height, any width, 3]; `seed` is int64 [2] (`seed`, number of the example in the run) in
        training, None in evaluation.
      seed: int of at most 63 bits, for the order and for `preprocess`.
      first_example: for training, the number of examples to skip without decoding them. A run that
        has trained on n batches resumes at n * batch_size.
      with_filenames: whether to add `filenames`.
      balanced: for training, whether an epoch repeats the examples of smaller classes, so that each
        class has as many as the largest one; see `examples_per_epoch`.

    Returns:
      A `tf.data.Dataset` of dicts: `images` float32 [batch, height, width, channels], `labels`
      int64 [batch] and, if requested, `filenames` string [batch], "" for shards without them.

    Raises:
      BadInput: the split is empty.
    """
    if dataset.num_samples == 0:
        raise BadInput(f"{dataset.data_sources[0]}: the split {dataset.split_name!r} has no images")

    source = getattr(dataset, "cache", None) or ShardRecords(dataset)

    def load(index, record):
        image, label, filename = source.read(record)
        example_seed = tf.stack([tf.constant(seed, tf.int64), index]) if is_training else None
        image = preprocess(image, height, width, example_seed)
        image = tf.ensure_shape(image, [height, width, None])
        batch = {"images": image, "labels": label}
        return batch | {"filenames": filename} if with_filenames else batch

    records = _once(source)
    if is_training:
        records = _endless(dataset, source, seed, first_example, balanced)
    examples = records.map(load, num_parallel_calls=PARALLEL_CALLS, deterministic=True)
    batches = examples.batch(batch_size, drop_remainder=is_training).prefetch(BATCHES_AHEAD)
    return batches.with_options(without_autotuning())


def without_autotuning():
    """Returns options without tf.data's autotuning.

    Its thread sleeps for up to a minute, and an iterator that starts again, as for each validation,
    or ends waits until it wakes up.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


class ShardRecords:
    """The records of a split, serialized examples, as its shards hold them."""

    def __init__(self, dataset):
        """Takes a `slim.dataset.Dataset` from `get_split`."""
        self._paths, self._decoder = dataset.data_sources, dataset.decoder

    def shards(self):
        """Returns a `tf.data.Dataset` of the paths of the shards."""
        return tf.data.Dataset.from_tensor_slices(self._paths)

    def records(self, shard):
        """Returns the `tf.data.Dataset` of the records of a shard, an element of `shards`."""
        return tf.data.TFRecordDataset(shard)

    def label(self, record):
        """Returns the label of a record, int64 []."""
        return self._decoder.decode(record, ["label"])[0]

    def read(self, record):
        """Returns the encoded image of a record, its label int64 [], and its filename: scalars."""
        return self._decoder.decode(record, ["encoded", "label", "filename"])


def _once(source):
    """Returns (index, record) in the order of the shards."""
    return source.shards().flat_map(source.records).enumerate()


def examples_per_epoch(dataset, balanced=False):
    """Returns the number of examples that an epoch of training reads; see `load_batch`."""
    if not balanced:
        return dataset.num_samples
    counts = [count for count in dataset.class_counts.values() if count]
    return len(counts) * max(counts)


def _endless(dataset, source, seed, first_example, balanced):
    """Returns (index in the run, record), epoch after epoch, from `first_example` on."""
    first_epoch, already_read = divmod(first_example, examples_per_epoch(dataset, balanced))

    def epoch(number):
        skipped = tf.where(tf.equal(number, first_epoch), already_read, 0)
        return _shuffled(dataset, source, seed, number, balanced).skip(tf.cast(skipped, tf.int64))

    epochs = tf.data.Dataset.range(first_epoch, tf.int64.max).flat_map(epoch)
    return epochs.enumerate(start=first_example)


def _shuffled(dataset, source, seed, epoch, balanced):
    """Returns a split's records in an order that depends only on `seed` and `epoch` (int64 [])."""
    num_shards = len(dataset.data_sources)
    interleaved = min(num_shards, MAX_INTERLEAVED)
    # `shuffle` combines its seed with the graph's, here the graph of the function of the epoch.
    tf.set_random_seed(seed)
    records = (
        source.shards()
        .shuffle(num_shards, seed=2 * epoch)
        .interleave(
            source.records,
            cycle_length=interleaved,
            num_parallel_calls=min(interleaved, PARALLEL_CALLS),
            deterministic=True,
        )
    )
    if balanced:
        records = _repeat_smaller_classes(records, dataset, source)
    buffer = min(examples_per_epoch(dataset, balanced), MAX_SHUFFLED)
    return records.shuffle(buffer, seed=2 * epoch + 1)


def _repeat_smaller_classes(records, dataset, source):
    """Repeats records so that each class has as many as the largest.

    The k-th record of a class with n, counted from 0 in the order of the epoch, appears
    floor((k + 1) * most / n) - floor(k * most / n) times, which sums to `most` over the class.
    """
    counts = tf.constant(list(dataset.class_counts.values()), tf.int64)
    most = max(dataset.class_counts.values())

    def count(seen, record):
        label = source.label(record)
        k, n = seen[label], counts[label]
        times = (k + 1) * most // n - k * most // n
        return tf.tensor_scatter_nd_add(seen, [[label]], [1]), (record, times)

    seen = tf.zeros([dataset.num_classes], tf.int64)
    repeated = records.apply(tf.data.experimental.scan(seen, count))
    return repeated.flat_map(
        lambda record, times: tf.data.Dataset.from_tensors(record).repeat(times)
    )


def check_records(dataset):
    """Reads every record of a split and decodes its image, to find one that TensorFlow rejected.

    Args:
      dataset: a `slim.dataset.Dataset` from `get_split`.

    Raises:
      BadInput: names the shard and index of the first bad record, what was expected, and the cure.
    """
    decoded_shape = make_shape_decoder()
    for shard in dataset.data_sources:
        for index, example in enumerate(read_examples(shard, dataset.num_classes)):
            features = example.features.feature
            if decoded_shape(features["image/encoded"].bytes_list.value[0]) is None:
                name = b"".join(features["image/filename"].bytes_list.value).decode(
                    errors="replace"
                )
                raise BadInput(
                    f"{shard}: record {index} (counted from 0{name and ', '}{name}) is not an "
                    f"image that TensorFlow can decode, expected JPEG, PNG, GIF or BMP; {CURE}"
                )
