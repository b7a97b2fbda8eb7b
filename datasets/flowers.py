"""TensorFlow's flower photos: downloaded, verified, unpacked and converted.

    python -m datasets.flowers --dataset_dir data/flowers
    python -m datasets.flowers --dataset_dir data/flowers --source https://mirror.example/f.tgz

The archive is kept next to the dataset's folder, as `data/flower_photos.tgz`, and used again.
Without internet access, copy it there. It has to be the published file, whatever the source;
convert_flowers.py converts other photos.
"""

import os
from pathlib import Path

from datasets.dataset_download import (
    check_published,
    find_or_download,
    flags_parser,
    make_once,
    print_result,
)
from datasets.shards import write_shards
from system.archives import unpack
from system.download import Archive, local_path
from system.errors import BadInput
from system.files import staging_folder
from system.flags import run_main

SOURCE_VARIABLE = "FLOWERS_URL"
ARCHIVE_FILE = "flower_photos.tgz"
# Size and SHA-256: tensorflow/datasets, url_infos of tf_flowers. 3,670 photos in five classes,
# CC-BY 2.0; LICENSE.txt in the archive names the photographers.
FLOWER_PHOTOS = Archive(
    url="https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz",
    num_bytes=228_813_984,
    digest="sha256:4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
    mirror=f"{SOURCE_VARIABLE}=PLACE before the command",
    alternative="convert_flowers.py converts other photos, and `make demo` needs no download",
)


def download_and_convert(dataset_dir, source=None, *, archive=FLOWER_PHOTOS, progress=True):
    """Creates the flowers dataset in `dataset_dir`, unless it is there already.

    Args:
      dataset_dir: the dataset's folder.
      source: URL (http, https or file) or path of the archive; by default the environment variable
        FLOWERS_URL, or else the published URL. A URL is not used if the archive is already next to
        `dataset_dir`.
      archive: the published `Archive`, to verify the file against.
      progress: whether to show progress bars on a terminal.

    Returns:
      The content of `dataset.json`, a dict.

    Raises:
      BadInput: the archive cannot be downloaded or differs from the published one; the disk is full
        or read-only; or `dataset_dir` contains another dataset, or shards without `dataset.json`.
    """
    dataset_dir = Path(dataset_dir)

    def convert():
        with staging_folder(dataset_dir.parent / "unpacked_flowers") as unpacked:
            path = _find_archive(dataset_dir, source, archive, progress)
            photos_dir = _unpack(path, unpacked, archive.max_unpacked)
            return write_shards(photos_dir, dataset_dir, progress=progress)

    return make_once(dataset_dir, "flowers", convert, lock_name=ARCHIVE_FILE)


def _find_archive(dataset_dir, source, archive, progress):
    """Returns the path of the published archive, downloaded if needed."""
    source = source or os.environ.get(SOURCE_VARIABLE) or archive.url
    path = local_path(source)
    if path is None:
        return find_or_download(dataset_dir.parent / ARCHIVE_FILE, source, archive, progress)
    if not path.is_file():
        raise BadInput(
            f"{path}: no such file; expected {ARCHIVE_FILE} or its URL, http://, https:// or "
            "file://"
        )
    check_published(path, archive)
    return path


def _unpack(path, folder, max_bytes):
    """Unpacks the archive into `folder` and returns its only folder, flower_photos."""
    unpack(path, folder, max_bytes)
    folders = [entry for entry in folder.iterdir() if entry.is_dir()]
    if len(folders) != 1:
        raise BadInput(f"{path}: contains {len(folders)} folders, expected one, flower_photos")
    return folders[0]


def main(argv=None):
    """Creates the dataset; the last line is JSON with the number of images in each split."""
    parser = flags_parser(__doc__, "data/flowers")
    parser.flag("source", "PLACE", str, None, f"URL or path of the archive (or {SOURCE_VARIABLE})")
    flags = parser.parse_args(argv)
    print_result(flags.dataset_dir, download_and_convert(flags.dataset_dir, flags.source))
    return 0


if __name__ == "__main__":
    run_main(main)
