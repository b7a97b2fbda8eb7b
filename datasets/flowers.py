"""TensorFlow's flower photos: fetched, checked, unpacked and converted.

    python -m datasets.flowers --dataset_dir data/flowers
    python -m datasets.flowers --dataset_dir data/flowers --source https://mirror.example/f.tgz

The archive is kept next to the dataset's folder, as `data/flower_photos.tgz`, and is found there
the next time. Where there is no network, put it there by hand. A source is checked against the
published sha256, wherever it comes from; other photos are for convert_flowers.py.
"""

import os
from pathlib import Path

from archives import unpack
from bad_input import BadInput
from datasets.published import (
    check_published,
    command_line,
    kept_or_fetched,
    make_once,
    print_result,
)
from datasets.shards import write_shards
from download import Archive, local_path
from files import folder_beside
from flags import run

SOURCE_VARIABLE = "FLOWERS_URL"
ARCHIVE_FILE = "flower_photos.tgz"
# Size and sha256: tensorflow/datasets, url_infos of tf_flowers. 3,670 photos in five classes,
# CC-BY 2.0; LICENSE.txt in the archive names the photographers.
FLOWER_PHOTOS = Archive(
    url="https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz",
    num_bytes=228_813_984,
    digest="sha256:4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
    mirror=f"{SOURCE_VARIABLE}=PLACE before the command",
    otherwise="other photos are for convert_flowers.py, and `make demo` needs no download",
)


def download_and_convert(dataset_dir, source=None, *, archive=FLOWER_PHOTOS, progress=True):
    """Makes the flowers dataset in `dataset_dir`, unless it is there already.

    The unpacked photos are removed afterwards, the archive is kept next to `dataset_dir`. Of two
    processes the second waits for the first and finds its work done.

    Args:
      dataset_dir: where the dataset goes.
      source: a URL (http, https or file) or a path of the archive; by default the environment
        variable FLOWERS_URL, else the published address. From an address nothing is fetched where
        the archive lies next to `dataset_dir`.
      archive: the facts to check against.
      progress: whether to show progress bars on a terminal.

    Returns:
      The content of `dataset.json`, a dict.

    Raises:
      BadInput: no network, another file than the published one, no room on the disk, another
        dataset, or shards without `dataset.json`, in `dataset_dir`.
    """
    dataset_dir = Path(dataset_dir)

    def convert():
        with folder_beside(dataset_dir.parent / "unpacked_flowers") as unpacked:
            path = _find_archive(dataset_dir, source, archive, progress)
            photos_dir = _unpack(path, unpacked, archive.max_unpacked)
            return write_shards(photos_dir, dataset_dir, progress=progress)

    return make_once(dataset_dir, "flowers", convert, lock_name=ARCHIVE_FILE)


def _find_archive(dataset_dir, source, archive, progress):
    """Returns the path of an archive that is the published one, downloading it if need be."""
    source = source or os.environ.get(SOURCE_VARIABLE) or archive.url
    path = local_path(source)
    if path is None:
        return kept_or_fetched(dataset_dir.parent / ARCHIVE_FILE, source, archive, progress)
    if not path.is_file():
        raise BadInput(
            f"{path}: no such file; expected {ARCHIVE_FILE} or its URL, http://, https:// or "
            "file://"
        )
    check_published(path, archive)
    return path


def _unpack(path, folder, max_bytes):
    """Unpacks the archive into `folder`; returns the one folder it holds, flower_photos."""
    unpack(path, folder, max_bytes)
    folders = [entry for entry in folder.iterdir() if entry.is_dir()]
    if len(folders) != 1:
        raise BadInput(f"{path}: holds {len(folders)} folders, expected one, flower_photos")
    return folders[0]


def main(argv=None):
    """Makes the dataset; the last line is JSON with the photos of each split."""
    parser = command_line(__doc__, "data/flowers")
    parser.flag("source", "PLACE", str, None, f"URL or path of the archive (or {SOURCE_VARIABLE})")
    flags = parser.parse_args(argv)
    print_result(flags.dataset_dir, download_and_convert(flags.dataset_dir, flags.source))
    return 0


if __name__ == "__main__":
    run(main)
