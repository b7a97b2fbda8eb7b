"""Batches of photos out of a split's shards, through tf.data.

Everything random is a function of (seed, place in the run): the order of an epoch of the seed and
the epoch's number, a photo's augmentation of the seed and the photo's number in the run. Hence a
run that starts at example k sees what the uninterrupted run sees from k on, bit for bit.
"""

from bad_input import BadInput
from datasets.examples import CURE, make_decoder, read_examples
from slim_on_tf2 import tf

# Encoded photos that wait in memory to be shuffled: a gigabyte at 100 KB a photo. A larger split is
# shuffled within windows of this size, behind shards in shuffled order.
MAX_SHUFFLED = 10_000
# Shards that are read at once.
MAX_INTERLEAVED = 16
AUTOTUNE = tf.data.experimental.AUTOTUNE


def load_batch(
    dataset,
    batch_size,
    height,
    width,
    is_training,
    preprocess=None,
    *,
    seed=0,
    first_example=0,
    with_raw=False,
    with_filenames=False,
):
    """Reads a split as batches: endless and shuffled to train on, once and in order to evaluate.

    Training begins each epoch in a new order; a batch may hold the end of one and the beginning of
    the next, and is always full. Evaluation's last batch may be smaller.

    Args:
      dataset: a `slim.dataset.Dataset` from `get_split`.
      batch_size: photos a batch.
      height: of `images`, in pixels.
      width: of `images`, in pixels.
      is_training: bool.
      preprocess: a function (encoded, height, width, seed) -> float32 [height, width, channels].
        `encoded` is a string []: a JPEG, PNG, GIF or BMP, as the record holds it; `seed` an int64
        [2] (`seed`, number of the example in the run) in training, None in evaluation. By default
        the whole photo is resized and scaled to [-1, 1].
      seed: int of at most 63 bits, decides the order and what `preprocess` gets.
      first_example: training only: how many examples of the run to leave out, without decoding
        them. A run that has seen n batches goes on at n * batch_size.
      with_raw: whether to add `raw_images` and `filenames`.
      with_filenames: whether to add `filenames` alone, which costs no decoding.

    Returns:
      A `tf.data.Dataset` of dicts: `images` float32 [batch, height, width, channels], `labels`
      int64 [batch]; when asked for, `raw_images` uint8 [batch, height, width, 3], the middle of
      each photo without distortion, and `filenames` string [batch], "" where a shard has none.

    Raises:
      BadInput: the split holds no photo.
    """
    if dataset.num_samples == 0:
        raise BadInput(f"{dataset.data_sources[0]}: the split {dataset.split_name!r} has no photos")
    preprocess = preprocess or _resize_whole

    def load(index, serialized):
        encoded, label, filename = dataset.decoder.decode(
            serialized, ["encoded", "label", "filename"]
        )
        example_seed = tf.stack([tf.constant(seed, tf.int64), index]) if is_training else None
        image = preprocess(encoded, height, width, example_seed)
        image = tf.ensure_shape(image, [height, width, None])
        batch = {"images": image, "labels": label}
        if with_filenames or with_raw:
            batch["filenames"] = filename
        if with_raw:
            batch["raw_images"] = _middle(encoded, height, width)
        return batch

    records = _endless(dataset, seed, first_example) if is_training else _once(dataset)
    examples = records.map(load, num_parallel_calls=AUTOTUNE, deterministic=True)
    return examples.batch(batch_size, drop_remainder=is_training).prefetch(AUTOTUNE)


def _once(dataset):
    """Returns (index, record) in the order of the shards."""
    return tf.data.TFRecordDataset(dataset.data_sources).enumerate()


def _endless(dataset, seed, first_example):
    """Returns (index in the run, record), epoch after epoch, from `first_example` on."""
    first_epoch, already_seen = divmod(first_example, dataset.num_samples)

    def epoch(number):
        skipped = tf.where(tf.equal(number, first_epoch), already_seen, 0)
        return _shuffled(dataset, seed, number).skip(tf.cast(skipped, tf.int64))

    epochs = tf.data.Dataset.range(first_epoch, tf.int64.max).flat_map(epoch)
    return epochs.enumerate(start=first_example)


def _shuffled(dataset, seed, epoch):
    """Returns a split's records in an order that `seed` and `epoch` (int64 []) alone decide."""
    num_shards = len(dataset.data_sources)
    # A shuffle mixes its seed with the graph's; this is the graph of the epoch's function alone.
    tf.set_random_seed(seed)
    shards = tf.data.Dataset.from_tensor_slices(dataset.data_sources)
    records = shards.shuffle(num_shards, seed=2 * epoch).interleave(
        tf.data.TFRecordDataset,
        cycle_length=min(num_shards, MAX_INTERLEAVED),
        num_parallel_calls=AUTOTUNE,
        deterministic=True,
    )
    return records.shuffle(min(dataset.num_samples, MAX_SHUFFLED), seed=2 * epoch + 1)


def _resize_whole(encoded, height, width, seed):
    del seed  # nothing is random here
    return _resize(_decode(encoded), height, width) / 127.5 - 1.0


def _middle(encoded, height, width):
    """Decodes and resizes the middle of a photo, the largest part of the wanted proportions."""
    photo = _decode(encoded)
    full = tf.shape(photo)[:2]
    fitting = tf.stack([full[1] * height // width, full[0] * width // height])
    size = tf.clip_by_value(fitting, 1, full)
    top, left = tf.unstack((full - size) // 2)
    middle = photo[top : top + size[0], left : left + size[1]]
    return tf.saturate_cast(tf.round(_resize(middle, height, width)), tf.uint8)


def _decode(encoded):
    """Returns uint8 [height, width, 3] of a JPEG, PNG, BMP or the first frame of a GIF."""
    return tf.image.decode_image(encoded, channels=3, expand_animations=False)


def _resize(image, height, width):
    """Returns float32 [height, width, 3] in [0, 255], bilinear, smoothed where it shrinks."""
    resized = tf.compat.v2.image.resize(image, [height, width], antialias=True)
    return tf.clip_by_value(resized, 0.0, 255.0)


def check_records(dataset):
    """Reads every record of a split and decodes its photo; for use when TensorFlow met a bad one.

    Args:
      dataset: a `slim.dataset.Dataset` from `get_split`.

    Raises:
      BadInput: names the first bad record's shard and index, what was expected, and the cure.
    """
    decode = make_decoder()
    for shard in dataset.data_sources:
        for index, example in enumerate(read_examples(shard, dataset.num_classes)):
            features = example.features.feature
            if decode(features["image/encoded"].bytes_list.value[0]) is None:
                name = b"".join(features["image/filename"].bytes_list.value).decode(
                    errors="replace"
                )
                raise BadInput(
                    f"{shard}: record {index} (counted from 0{name and ', '}{name}) holds no photo "
                    f"that TensorFlow can decode, expected JPEG, PNG, GIF or BMP; {CURE}"
                )
