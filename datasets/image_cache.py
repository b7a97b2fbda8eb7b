"""The images of a split, encoded or decoded, in memory or in a local file, for random access.

Training reads from it what it would read from the shards, in the same order. Encoded images spare a
slow disk or network; decoded ones spare the processors most of their work too.
"""

import hashlib
import json
import math
import shutil
import zipfile
from pathlib import Path

import numpy as np

from datasets.batches import PARALLEL_CALLS, check_records, without_autotuning
from slim_on_tf2 import tf
from system.errors import BadInput
from system.files import make_durable, staging_folder
from system.locks import locked

ENCODED, DECODED = "encoded", "decoded"
MEMORY = Path("/proc/meminfo")
# A container's limit and what it uses: of cgroup version 2, and of version 1.
CGROUP = Path("/sys/fs/cgroup")
CONTAINER_MEMORY = (
    (CGROUP / "memory.max", CGROUP / "memory.current"),
    (CGROUP / "memory/memory.limit_in_bytes", CGROUP / "memory/memory.usage_in_bytes"),
)
SHARE = 0.5  # of the free memory that a cache may take; the rest is for training
IMAGES_FILE, INDEX_FILE = "images.bin", "index.npz"
SAMPLE = 100  # images whose mean size says what all will take
AHEAD = 64  # images that are decoded ahead while the cache is filled


class ImageCache:
    """Records of a split in place of its shards; an alternative to `batches.ShardRecords`.

    A record is the position of an image in the split, int64 [].
    """

    def __init__(self, images, index):
        """Takes the images, and what `_fill` has read of them.

        Args:
          images: a sequence of bytes, the encoded images, or of uint8 [height, width, 3] arrays.
          index: a dict of arrays: `labels` int64 [n]; `filenames` uint8, all of them one after the
            other, and `filename_ends` int64 [n]; `shard_sizes` int64 [shards], the number of images
            of each.
        """
        self._images, self._labels = images, index["labels"]
        self._filenames = _MappedParts(index["filenames"], index["filename_ends"])
        self._ends = np.cumsum(index["shard_sizes"])
        self._type = (
            (tf.string, []) if isinstance(images[0], bytes) else (tf.uint8, [None, None, 3])
        )

    def shards(self):
        """Returns a `tf.data.Dataset` of the first and the last position + 1 of each shard."""
        starts = np.concatenate([[0], self._ends[:-1]])
        return tf.data.Dataset.from_tensor_slices(np.stack([starts, self._ends], axis=1))

    def records(self, shard):
        """Returns the `tf.data.Dataset` of the records of a shard, an element of `shards`."""
        return tf.data.Dataset.range(shard[0], shard[1])

    def label(self, record):
        """Returns the label of a record, int64 []."""
        label = tf.numpy_function(lambda i: self._labels[i], [record], tf.int64)
        return tf.ensure_shape(label, [])

    def read(self, record):
        """Returns the image of a record, its label int64 [], and its filename, string [].

        The image is a string scalar, or uint8 [height, width, 3] if the cache is decoded.
        """
        kind, shape = self._type
        image, label, filename = tf.numpy_function(
            lambda i: (self._images[i], self._labels[i], self._filenames[i]),
            [record],
            [kind, tf.int64, tf.string],
        )
        return tf.ensure_shape(image, shape), tf.ensure_shape(label, []), tf.reshape(filename, [])


class _MappedParts:
    """A sequence of bytes, or of images, in one array, which the system may map from a file."""

    def __init__(self, content, ends, shapes=None):
        """Takes the array uint8, the end of each part, and of images height and width."""
        self._content, self._ends, self._shapes = content, ends, shapes
        self._starts = np.concatenate([[0], ends[:-1]])

    def __getitem__(self, position):
        part = self._content[self._starts[position] : self._ends[position]]
        if self._shapes is None:
            return part.tobytes()
        return part.reshape(*self._shapes[position], 3)


def cached(dataset, kind, cache_dir=None):
    """Reads a split once, and keeps its images.

    Args:
      dataset: a `slim.dataset.Dataset` from `get_split`, with at least one image.
      kind: `encoded` or `decoded`.
      cache_dir: the folder for a file of the images, which later runs on the same split read again;
        None keeps them in memory.

    Returns:
      An `ImageCache`.

    Raises:
      BadInput: the images do not fit into half of the free memory, or on the disk; or `cache_dir`
        cannot be written.
    """
    if cache_dir is None:
        images = []
        index = _fill(dataset, kind, images.append, _free_memory(), "half of the free memory")
        print(f"Cache: {len(images):,} images, {kind}, in memory", flush=True)
        return ImageCache(images, index)
    key = json.dumps([kind, dataset.split_name, dataset.digests])
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    folder = Path(cache_dir, f"{dataset.name}_{dataset.split_name}_{kind}_{digest}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.with_name(f".{folder.name}.lock")):  # another training may be writing it
            if not _is_complete(folder):
                _write(folder, dataset, kind)
            index = _read_index(folder)
            print(f"Cache: {len(index['labels']):,} images, {kind}, in {folder}", flush=True)
            content = np.memmap(folder / IMAGES_FILE, np.uint8, "r")
            return ImageCache(_MappedParts(content, index["ends"], index.get("shapes")), index)
    except OSError as error:
        raise BadInput(
            f"--cache_dir {cache_dir}: cannot be written ({error.strerror or error}); free some "
            "space or choose another folder"
        ) from error


def _read_index(folder):
    with np.load(folder / INDEX_FILE) as stored:
        return dict(stored)


def _is_complete(folder):
    """Returns whether a folder holds a cache; a broken one is removed."""
    if not folder.is_dir():
        return False
    try:
        if (folder / IMAGES_FILE).stat().st_size == _read_index(folder)["ends"][-1]:
            return True
        fault = f"{IMAGES_FILE} was truncated"
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        fault = error
    print(f"Cache: {folder} is broken ({fault}); reading the images again", flush=True)
    shutil.rmtree(folder)
    return False


def _write(folder, dataset, kind):
    """Reads a split into a new folder, which appears when it is complete."""
    sizes, shapes = [], []
    with staging_folder(folder) as staging:
        with (staging / IMAGES_FILE).open("wb") as file:

            def keep(image):
                sizes.append(file.write(image if kind == ENCODED else image.tobytes()))
                shapes.append(() if kind == ENCODED else image.shape[:2])

            free = shutil.disk_usage(staging).free
            index = _fill(dataset, kind, keep, free, f"the free space in {folder.parent}")
        index["ends"] = np.cumsum(sizes)
        if kind == DECODED:
            index["shapes"] = np.array(shapes)
        np.savez(staging / INDEX_FILE, **index)
        for name in (IMAGES_FILE, INDEX_FILE):
            make_durable(staging / name)
        staging.rename(folder)


def _fill(dataset, kind, keep, free, place):
    """Reads all images of a split in order, and hands each to `keep`.

    Returns:
      The `index` of an `ImageCache`.

    Raises:
      BadInput: they would take more than `free` bytes.
    """
    labels, filenames, shard_sizes, size = [], [], [], 0
    for shard in dataset.data_sources:
        before = len(labels)
        for image, label, filename in _read_shard(shard, dataset, kind):
            keep(image)
            labels.append(label)
            filenames.append(filename)
            size += len(image) if kind == ENCODED else image.size
            seen = len(labels) / dataset.num_samples
            if size > free or (len(labels) >= SAMPLE and size / seen > free):
                _refuse(kind, size / seen, free, place)
        shard_sizes.append(len(labels) - before)
    return {
        "labels": np.array(labels, np.int64),
        "filenames": np.frombuffer(b"".join(filenames), np.uint8),
        "filename_ends": np.cumsum([len(name) for name in filenames]),
        "shard_sizes": np.array(shard_sizes, np.int64),
    }


def _refuse(kind, expected, free, place):
    smaller = "give --cache encoded, or " if kind == DECODED else ""
    raise BadInput(
        f"--cache {kind}: the images take about {expected / 1e9:,.1f} GB, {place} is "
        f"{free / 1e9:,.1f} GB; {smaller}leave --cache out"
    )


def _read_shard(shard, dataset, kind):
    """Yields (image, label, filename) of a shard in order, as `ImageCache` keeps them.

    Raises:
      BadInput: as `batches.check_records`.
    """

    def load(serialized):
        names = ["encoded", "label", "filename"]
        image, label, filename = dataset.decoder.decode(serialized, names)
        if kind == DECODED:
            image = tf.image.decode_image(image, channels=3, expand_animations=False)
        return image, label, filename

    with tf.Graph().as_default():
        examples = tf.data.TFRecordDataset(shard).map(load, PARALLEL_CALLS, deterministic=True)
        examples = examples.prefetch(AHEAD).with_options(without_autotuning())
        following = tf.data.make_one_shot_iterator(examples).get_next()
        with tf.Session(config=tf.ConfigProto(device_count={"GPU": 0})) as session:
            while True:
                try:
                    yield session.run(following)
                except tf.errors.OutOfRangeError:
                    return
                except tf.errors.OpError:
                    check_records(dataset)  # names the record
                    raise


def _free_memory():
    """Returns the bytes of memory that a cache may take; unlimited where Linux does not say."""
    free = math.inf
    if MEMORY.exists():
        fields = dict(line.split(":") for line in MEMORY.read_text().splitlines())
        free = int(fields["MemAvailable"].split()[0]) * 1024
    for limit, used in CONTAINER_MEMORY:
        if limit.exists() and used.exists() and limit.read_text().strip().isdecimal():
            free = min(free, int(limit.read_text()) - int(used.read_text()))
    return SHARE * free
