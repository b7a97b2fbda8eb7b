"""Times the input pipeline of training against decoding alone, Keras and torchvision.

    python -m benchmarks.pipeline                                  # random photos of 500 x 375
    python -m benchmarks.pipeline --photo_size 4032x3024 --photos 8
    python -m benchmarks.pipeline --photos_dir flower_photos --image_size 128

The contestants take turns, each on the same photos with all cores: `whole images` decodes every
JPEG; `crops` decodes the random crops that training sees, at a fraction of their size where that is
enough; `training` is what train_flowers.py reads, from shuffled shards to batches, cropped,
resized, flipped, colored; `cached` is the same with --cache decoded, and `evaluation` without
random distortions; `keras` is image_dataset_from_directory, which decodes and resizes whole images;
and `torchvision`, where it can be imported, crops, resizes, flips and colors. Prints images/s, min
/ median / max over the rounds, and the ratio of the median to that of `crops`.
"""

import importlib.util
import itertools
import os
import platform
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.photos import size, write_random_photos
from benchmarks.speeds import take_turns, write_speeds
from preprocessing.augmentations import AUGMENTATIONS, NONE, PUBLISHED
from system.flags import Parser, one_of, path, pixels, run_main, whole_number

SCHEME = "inception"
CLASSES = ("one", "two")
BATCH_SIZE = 32
REFERENCE = "crops"
PASSES = 10_000
CORES = os.cpu_count() or 1


def prepare(folder, flags):
    """Writes photos, if none are given, and shards; returns the folders of both."""
    photos_dir = Path(flags.photos_dir) if flags.photos_dir else folder / "photos"
    if not flags.photos_dir:
        for seed, name in enumerate(CLASSES):
            write_random_photos(photos_dir / name, flags.photos, *flags.photo_size, seed)
    from datasets.shards import write_shards

    write_shards(photos_dir, folder / "dataset", longest_side=0, progress=False)
    return photos_dir, folder / "dataset"


class GraphReader:
    """Reads batches of a `tf.data.Dataset` in graph mode, and fetches one number of each."""

    def __init__(self, make_dataset):
        """Builds the pipeline of `make_dataset()`, whose elements are a dict with `labels`."""
        from slim_on_tf2 import tf

        with tf.Graph().as_default() as graph:
            dataset = make_dataset()
            self._labels = tf.data.make_one_shot_iterator(dataset).get_next()["labels"]
        self._session = tf.Session(graph=graph)

    def read(self):
        """Reads a batch; returns its number of images."""
        return len(self._session.run(self._labels))


def decoding_reader(flags, dataset_dir, crops):
    """Decodes the JPEGs of the training split, from memory, without anything else."""
    from datasets.examples import encoded_at
    from datasets.splits import get_split
    from preprocessing.decoding import decode
    from preprocessing.inception import decode_random_window
    from slim_on_tf2 import tf

    split = get_split("train", dataset_dir)
    encoded = encoded_at(split, range(split.num_samples))
    settings = AUGMENTATIONS[flags.augmentation]
    ranges = (settings.crop_area, settings.crop_aspect_ratio) if settings else ()

    def load(index, jpeg):
        if crops:
            side = flags.image_size
            image = decode_random_window(jpeg, side, side, tf.stack([0, index]), *ranges)
        else:
            image = decode(jpeg)
        return {"labels": tf.shape(image)[0]}

    def dataset():
        photos = tf.data.Dataset.from_tensor_slices(encoded).repeat().enumerate()
        return photos.map(load, CORES, deterministic=True).batch(BATCH_SIZE).prefetch(2)

    return GraphReader(dataset)


def training_reader(flags, dataset_dir, is_training, is_cached=False):
    """Reads batches as train_flowers.py and eval_flowers.py do."""
    from datasets.batches import load_batch
    from datasets.image_cache import DECODED, cached
    from datasets.splits import get_split
    from preprocessing.preprocessing_factory import get_preprocessing

    split = get_split("train", dataset_dir)
    if is_cached:
        split.cache = cached(split, DECODED)
    if not is_training:
        split.data_sources = split.data_sources * PASSES  # one evaluation that does not end

    def dataset():
        return load_batch(
            split,
            BATCH_SIZE,
            height=flags.image_size,
            width=flags.image_size,
            is_training=is_training,
            preprocess=get_preprocessing(SCHEME, is_training, augmentation=flags.augmentation),
        )

    return GraphReader(dataset)


class KerasReader:
    """Reads batches of `keras.utils.image_dataset_from_directory`, in eager mode."""

    def __init__(self, flags, photos_dir):
        """Opens the folder of photos."""
        from keras_conversion.files import eager_keras

        self._eager = eager_keras
        with eager_keras() as keras:
            dataset = keras.utils.image_dataset_from_directory(
                photos_dir,
                batch_size=BATCH_SIZE,
                image_size=(flags.image_size, flags.image_size),
                verbose=False,
            )
            self._batches = iter(dataset.repeat().prefetch(2))

    def read(self):
        """Reads a batch; returns its number of images."""
        with self._eager():
            images, _ = next(self._batches)
            return len(images)


class TorchvisionReader:
    """Reads batches of torchvision's `ImageFolder`, with the changes of `light` or `published`."""

    def __init__(self, flags, photos_dir):
        """Starts a worker for each core."""
        import torch
        from torchvision import datasets, transforms

        from preprocessing.inception import CROP_AREA

        settings = AUGMENTATIONS[flags.augmentation]
        ranges = (settings.crop_area, settings.crop_aspect_ratio) if settings else (CROP_AREA,)
        transform = transforms.Compose(
            [
                transforms.RandomResizedCrop(flags.image_size, *ranges),
                transforms.RandomHorizontalFlip(),
                transforms.ColorJitter(brightness=32 / 255, saturation=0.5),
                transforms.ToTensor(),
            ]
        )
        loader = torch.utils.data.DataLoader(
            datasets.ImageFolder(photos_dir, transform),
            BATCH_SIZE,
            shuffle=True,
            num_workers=CORES,
            persistent_workers=True,
            multiprocessing_context="spawn",  # TensorFlow's threads do not survive a fork
        )
        self._batches = itertools.chain.from_iterable(itertools.repeat(loader))

    def read(self):
        """Reads a batch; returns its number of images."""
        images, _ = next(self._batches)
        return len(images)


def open_readers(flags, photos_dir, dataset_dir):
    """Returns contestant -> a reader, or why it cannot run here."""
    has_torch = all(importlib.util.find_spec(name) for name in ("torch", "torchvision"))
    return {
        "whole images": decoding_reader(flags, dataset_dir, crops=False),
        REFERENCE: decoding_reader(flags, dataset_dir, crops=True),
        "training": training_reader(flags, dataset_dir, is_training=True),
        "cached": training_reader(flags, dataset_dir, is_training=True, is_cached=True),
        "evaluation": training_reader(flags, dataset_dir, is_training=False),
        "keras": KerasReader(flags, photos_dir),
        "torchvision": TorchvisionReader(flags, photos_dir) if has_torch else "not installed",
    }


def images_per_second(reader, seconds):
    """Reads batches for at least `seconds`; returns images/s."""
    count, started = 0, time.perf_counter()
    while (taken := time.perf_counter() - started) < seconds:
        count += reader.read()
    return count / taken


def measure(flags, photos_dir, dataset_dir):
    """Lets the readers take turns; returns contestant -> images/s of each round, or the reason."""
    readers = open_readers(flags, photos_dir, dataset_dir)
    contestants = {
        name: each if isinstance(each, str) else partial(images_per_second, each, flags.seconds)
        for name, each in readers.items()
    }
    return take_turns(contestants, flags.rounds)


def format_row(name, speeds, reference):
    """Returns the line of a contestant."""
    if isinstance(speeds, str):
        return f"{name:15}{speeds}"
    low, median, high = (f(speeds) for f in (min, statistics.median, max))
    ratio = median / statistics.median(reference)
    return f"{name:15}{low:10.0f} /{median:7.0f} /{high:7.0f}{ratio:12.2f}"


def parse_flags(argv=None):
    """Returns the checked flags."""
    parser = Parser(__doc__)
    flag = parser.flag
    flag("photos_dir", "DIR", path, None, "photos, one folder per class, instead of random ones")
    flag("photos", "N", whole_number(2), 100, "random photos of each of two classes")
    flag("photo_size", "WxH", size, (500, 375), "of the random photos (default 500x375)")
    flag("image_size", "PX", pixels, 299, "side of the network's input")
    augmentations = [name for name in AUGMENTATIONS if name != NONE]
    flag("augmentation", "NAME", one_of(augmentations), PUBLISHED, "of the training")
    flag("rounds", "N", whole_number(1), 5, "turns of each contestant")
    flag("seconds", "S", whole_number(1), 3, "length of a turn")
    flag("json", "FILE", path, None, "also write the speeds to this file")
    return parser.parse_args(argv)


def main(argv=None):
    """Prints the table."""
    flags = parse_flags(argv)
    from system.device import describe_device

    device = f"{describe_device()}; {platform.machine()}; {CORES} cores"
    print(
        f"{device}; inputs of {flags.image_size} px, augmentation {flags.augmentation}", flush=True
    )
    with tempfile.TemporaryDirectory() as folder:
        # No reader is left when the folder goes.
        speeds = measure(flags, *prepare(Path(folder), flags))
    print(f"{'':15}{'images/s: min / median / max':>28}{'of crops':>12}")
    for name, found in speeds.items():
        print(format_row(name, found, speeds[REFERENCE]))
    if flags.json:
        write_speeds(flags.json, device, speeds)
    return 0


if __name__ == "__main__":
    run_main(main)
