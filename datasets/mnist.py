"""MNIST, handwritten digits of 28 x 28 pixels: fetched, checked and converted.

    python -m datasets.mnist --dataset_dir data/mnist
    python -m datasets.mnist --dataset_dir data/mnist --source https://mirror.example/mnist/
    python -m datasets.mnist --dataset_dir data/fashion --source fashion_idx

The splits are the published ones, each in the order of its file: the training file's 60,000 digits
are `train`, the 10,000 of the t10k file are `validation`; so a validation accuracy is what papers
call test accuracy. The labels are 0 to 9, and pictures are stored without loss, as PNG.

The four files are kept next to the dataset's folder, in `data/mnist_idx`, and found there the next
time. Where there is no network, put them there by hand. What is fetched or kept is checked against
the published sha256. A folder that is given may hold other pictures in the same format, such as
Fashion-MNIST, packed by gzip or not: there the structure is checked.
"""

import gzip
import math
import os
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from bad_input import BadInput
from datasets.grey_pictures import GreyPicture, encode_png
from datasets.published import command_line, kept_or_fetched, make_once, print_result
from datasets.shard_writer import write_dataset
from download import Archive, local_path
from flags import run

SOURCE_VARIABLE = "MNIST_URL"
KEPT_DIR = "mnist_idx"
LABELS = tuple("0123456789")
SIDE = 28  # pixels
NUM_SHARDS = 5
# Split -> the files of its pictures and of their labels, as they are named unpacked.
SPLITS = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "validation": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
# LeCun, Cortes, Burges, "The MNIST database of handwritten digits", 1998: the files as TensorFlow's
# mirror has them, with size and sha256.
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
        otherwise="PLACE may be a folder of such files; --dataset_name digits needs no download",
    )
    for name, (num_bytes, digest) in _FACTS.items()
}
_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTES = 0x08


def download_and_convert(dataset_dir, source=None, *, archives=None, progress=True):
    """Makes the MNIST dataset in `dataset_dir`, unless it is there already.

    Of two processes the second waits for the first and finds its work done.

    Args:
      dataset_dir: where the dataset goes.
      source: a folder (a path or a file URL) that holds the four files, or the address (http,
        https) under which their packed form lies; by default the environment variable MNIST_URL,
        else the published address. From an address no file is fetched that lies in `mnist_idx`
        next to `dataset_dir`.
      archives: the published facts, {file's name unpacked: `Archive`}; by default `ARCHIVES`.
      progress: whether to show progress bars on a terminal.

    Returns:
      The content of `dataset.json`, a dict.

    Raises:
      BadInput: no network, another file than the published one, a file that is missing or not
        what `read_idx` reads, no room on the disk, another dataset, or shards without
        `dataset.json`, in `dataset_dir`.
    """
    dataset_dir = Path(dataset_dir)

    def convert():
        paths = _find_files(dataset_dir.parent / KEPT_DIR, source, archives or ARCHIVES, progress)
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
    """Returns {file's name unpacked: path} of the four files, fetching what is not here."""
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
        name: kept_or_fetched(kept_dir / f"{name}.gz", archive.url, archive, progress)
        for name, archive in archives.items()
    }


def _file_in(folder, name):
    """Returns the path of a file in the user's folder, packed or unpacked."""
    dotted = name.replace("-idx", ".idx")  # as some programs name what they unpack
    for candidate in (name, f"{name}.gz", dotted, f"{dotted}.gz"):
        if (folder / candidate).is_file():
            return folder / candidate
    raise BadInput(
        f"{folder / name}: no such file, nor {name}.gz; expected a folder with the four files of "
        f"MNIST, or the URL of one; without --source and {SOURCE_VARIABLE} they are fetched"
    )


def _read_split(split, images_path, labels_path):
    """Returns the `GreyPicture`s of two files, in their order."""
    images, labels = read_idx(images_path, num_dimensions=3), read_idx(labels_path, 1)
    if images.shape[1:] != (SIDE, SIDE):
        height, width = images.shape[1:]
        raise BadInput(
            f"{images_path}: holds pictures of {height} x {width} pixels, expected {SIDE} x {SIDE};"
            " other pictures are for convert_flowers.py"
        )
    if len(images) != len(labels):
        raise BadInput(
            f"{labels_path}: holds {len(labels):,} labels, and {images_path.name} {len(images):,} "
            "pictures; expected the two files of one dataset"
        )
    unknown = np.flatnonzero(labels >= len(LABELS))
    if unknown.size:
        raise BadInput(
            f"{labels_path}: item {unknown[0]} (counted from 0) is the label {labels[unknown[0]]}, "
            f"expected 0 to {len(LABELS) - 1}; other pictures are for convert_flowers.py"
        )
    return [
        GreyPicture(f"{split}/{index:05d}.png", LABELS[label], image)
        for index, (image, label) in enumerate(zip(images, labels))
    ]


def read_idx(path, num_dimensions):
    """Reads a file in MNIST's format IDX, packed by gzip or not; the content decides.

    The format: http://yann.lecun.com/exdb/mnist/, "The IDX file format". Two zero bytes, the type
    of the items, the number of dimensions; each dimension in four bytes, most significant first;
    the items.

    Args:
      path: the file, a `Path`.
      num_dimensions: that it must have: 3 for pictures, 1 for labels.

    Returns:
      A uint8 array, none of whose dimensions is 0.

    Raises:
      BadInput: the file cannot be read or unpacked, begins otherwise, holds nothing, or is longer
        or shorter than its dimensions say.
    """
    data = _unpacked(path)
    magic = bytes([0, 0, _UNSIGNED_BYTES, num_dimensions])
    start = len(magic) + 4 * num_dimensions
    if not data.startswith(magic) or len(data) < start:
        raise BadInput(
            f"{path}: begins with {data[:4].hex(' ') or 'nothing'}, expected {magic.hex(' ')} and "
            f"{num_dimensions} numbers of four bytes: unsigned bytes in IDX format; take the file "
            "of that name from MNIST"
        )
    shape = [int(size) for size in np.frombuffer(data[len(magic) : start], ">u4")]
    expected = start + math.prod(shape)
    if len(data) != expected or expected == start:
        raise BadInput(
            f"{path}: has {len(data):,} bytes unpacked, expected {expected:,} for the dimensions "
            f"{' x '.join(map(str, shape))}, none of them 0; it is truncated or broken: copy it "
            "again"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _unpacked(path):
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data.startswith(_GZIP_MAGIC) else data
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInput(f"{path}: cannot be read ({reason}); copy it again") from error


def main(argv=None):
    """Makes the dataset; the last line is JSON with the digits of each split."""
    parser = command_line(__doc__, "data/mnist")
    parser.flag("source", "PLACE", str, None, f"folder or URL of the files (or {SOURCE_VARIABLE})")
    flags = parser.parse_args(argv)
    print_result(flags.dataset_dir, download_and_convert(flags.dataset_dir, flags.source))
    return 0


if __name__ == "__main__":
    run(main)
