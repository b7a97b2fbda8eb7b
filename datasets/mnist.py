"""MNIST, handwritten digits of 28 x 28 pixels: downloaded, verified and converted.

    python -m datasets.mnist --dataset_dir data/mnist
    python -m datasets.mnist --dataset_dir data/mnist --source https://mirror.example/mnist/
    python -m datasets.mnist --dataset_dir data/fashion --source fashion_idx

The splits are the published ones, each in the order of its file: `train` has the 60,000 digits of
the training set, `validation` the 10,000 of the test set (t10k), so the validation accuracy is what
papers call test accuracy. The labels are 0 to 9, and the images are stored losslessly, as PNG.

The four files are kept next to the dataset's folder, in `data/mnist_idx`, and used again. Without
internet access, copy them there. Downloaded and kept files are verified against the published
SHA-256. A folder given as source may contain other images in the same format, such as
Fashion-MNIST, compressed by gzip or not; there only the structure is checked.
"""

import gzip
import math
import os
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from datasets.dataset_download import find_or_download, flags_parser, make_once, print_result
from datasets.grayscale_images import GrayscaleImage, encode_png
from datasets.shard_writer import write_dataset
from system.download import Archive, local_path
from system.errors import BadInput
from system.flags import run_main

SOURCE_VARIABLE = "MNIST_URL"
KEPT_DIR = "mnist_idx"
LABELS = tuple("0123456789")
SIDE = 28  # pixels
NUM_SHARDS = 5
# Split -> the files of its images and labels, without .gz.
SPLITS = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "validation": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
# LeCun, Cortes, Burges, "The MNIST database of handwritten digits", 1998: size and SHA-256 of the
# files on TensorFlow's mirror.
_MIRROR = "https://storage.googleapis.com/cvdf-datasets/mnist/"
_FACTS = {
    "train-images-idx3-ubyte": (
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    "train-labels-idx1-ubyte": (
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    "t10k-images-idx3-ubyte": (
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    "t10k-labels-idx1-ubyte": (
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
}
ARCHIVES = {
    name: Archive(
        url=f"{_MIRROR}{name}.gz",
        num_bytes=num_bytes,
        digest=f"sha256:{digest}",
        mirror=f"{SOURCE_VARIABLE}=PLACE before the command",
        alternative="PLACE may be a folder of the files; --dataset_name digits needs no download",
    )
    for name, (num_bytes, digest) in _FACTS.items()
}
_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTES = 0x08


def download_and_convert(dataset_dir, source=None, *, archives=ARCHIVES, progress=True):
    """Creates the MNIST dataset in `dataset_dir`, unless it is there already.

    Args:
      dataset_dir: the dataset's folder.
      source: a folder (path or file URL) with the four files, or the URL (http, https) of the
        compressed files; by default the environment variable MNIST_URL, or else the published URL.
        A URL is not used for files that are already in `mnist_idx` next to `dataset_dir`.
      archives: {file name without .gz: `Archive`}, to verify the files against.
      progress: whether to show progress bars on a terminal.

    Returns:
      The content of `dataset.json`, a dict.

    Raises:
      BadInput: a file cannot be downloaded, differs from the published one, is missing, or is not
        what `read_idx` reads; the disk is full or read-only; or `dataset_dir` contains another
        dataset, or shards without `dataset.json`.
    """
    dataset_dir = Path(dataset_dir)

    def convert():
        paths = _find_files(dataset_dir.parent / KEPT_DIR, source, archives, progress)
        splits = {
            split: _read_split(split, paths[images], paths[labels])
            for split, (images, labels) in SPLITS.items()
        }
        description = {
            "name": "mnist",
            "labels": list(LABELS),
            "skipped": [],
            "in_two_classes": [],
            "settings": {"num_shards": NUM_SHARDS},
        }
        return write_dataset(dataset_dir, description, splits, encode_png, "png", progress)

    return make_once(dataset_dir, "mnist", convert, lock_name=KEPT_DIR)


def _find_files(kept_dir, source, archives, progress):
    """Returns {file name without .gz: path} of the four files, downloading the missing ones."""
    source = source or os.environ.get(SOURCE_VARIABLE)
    folder = local_path(source) if source else None
    if folder is not None:
        return {name: _file_in(folder, name) for name in archives}
    if source:
        archives = {
            name: replace(archive, url=f"{source.rstrip('/')}/{name}.gz")
            for name, archive in archives.items()
        }
    kept_dir.mkdir(exist_ok=True)
    return {
        name: find_or_download(kept_dir / f"{name}.gz", archive.url, archive, progress)
        for name, archive in archives.items()
    }


def _file_in(folder, name):
    """Returns the path of a file in the user's folder, compressed or not."""
    dotted = name.replace("-idx", ".idx")  # the name that some programs give it
    for candidate in (name, f"{name}.gz", dotted, f"{dotted}.gz"):
        if (folder / candidate).is_file():
            return folder / candidate
    raise BadInput(
        f"{folder / name}: no such file, nor {name}.gz; expected a folder with the four files of "
        f"MNIST, or its URL; without --source and {SOURCE_VARIABLE} they are downloaded"
    )


def _read_split(split, images_path, labels_path):
    """Returns the `GrayscaleImage`s of two files, in order."""
    images, labels = read_idx(images_path, num_dimensions=3), read_idx(labels_path, 1)
    if images.shape[1:] != (SIDE, SIDE):
        height, width = images.shape[1:]
        raise BadInput(
            f"{images_path}: contains images of {height} x {width} pixels, expected "
            f"{SIDE} x {SIDE}; convert_flowers.py converts other images"
        )
    if len(images) != len(labels):
        raise BadInput(
            f"{labels_path}: contains {len(labels):,} labels, but {images_path.name} "
            f"{len(images):,} images; expected the two files of one dataset"
        )
    unknown = np.flatnonzero(labels >= len(LABELS))
    if unknown.size:
        raise BadInput(
            f"{labels_path}: item {unknown[0]} (counted from 0) is the label {labels[unknown[0]]}, "
            f"expected 0 to {len(LABELS) - 1}; convert_flowers.py converts other images"
        )
    return [
        GrayscaleImage(f"{split}/{index:05d}.png", LABELS[label], image)
        for index, (image, label) in enumerate(zip(images, labels))
    ]


def read_idx(path, num_dimensions):
    """Reads a file in MNIST's IDX format, compressed by gzip or not.

    The format (http://yann.lecun.com/exdb/mnist/, "The IDX file format"): two zero bytes, the type
    of the items, the number of dimensions; the size of each dimension in four bytes, most
    significant first; the items.

    Args:
      path: the file, a `Path`.
      num_dimensions: the expected number, 3 for images, 1 for labels.

    Returns:
      A uint8 array without empty dimensions.

    Raises:
      BadInput: the file cannot be read or decompressed, has another header, is empty, or does
        not have the length of its dimensions.
    """
    data = _decompressed(path)
    magic = bytes([0, 0, _UNSIGNED_BYTES, num_dimensions])
    start = len(magic) + 4 * num_dimensions
    if not data.startswith(magic) or len(data) < start:
        raise BadInput(
            f"{path}: starts with {data[:4].hex(' ') or 'nothing'}, expected {magic.hex(' ')} and "
            f"{num_dimensions} sizes of four bytes: unsigned bytes in IDX format; use MNIST's file "
            "of that name"
        )
    shape = [int(size) for size in np.frombuffer(data[len(magic) : start], ">u4")]
    expected = start + math.prod(shape)
    if len(data) != expected or expected == start:
        raise BadInput(
            f"{path}: has {len(data):,} bytes decompressed, expected {expected:,} for the "
            f"dimensions {' x '.join(map(str, shape))}, none of them 0; it is truncated or broken; "
            "copy it again"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _decompressed(path):
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data.startswith(_GZIP_MAGIC) else data
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInput(f"{path}: cannot be read ({reason}); copy it again") from error


def main(argv=None):
    """Creates the dataset; the last line is JSON with the number of images in each split."""
    parser = flags_parser(__doc__, "data/mnist")
    parser.flag("source", "PLACE", str, None, f"folder or URL of the files (or {SOURCE_VARIABLE})")
    flags = parser.parse_args(argv)
    print_result(flags.dataset_dir, download_and_convert(flags.dataset_dir, flags.source))
    return 0


if __name__ == "__main__":
    run_main(main)
