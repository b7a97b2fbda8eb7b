"""TensorFlow's flower photos: fetched, checked, unpacked and converted.

    python -m datasets.flowers --dataset_dir data/flowers
    python -m datasets.flowers --dataset_dir data/flowers --source https://mirror.example/f.tgz

The archive is kept next to the dataset's folder, as `data/flower_photos.tgz`, and is found there
the next time. Where there is no network, put it there by hand. A source is checked against the
published sha256, wherever it comes from; other photos are for convert_flowers.py.
"""

import json
import os
from pathlib import Path

from archives import unpack
from bad_input import BadInput
from datasets.description import read_description
from datasets.shards import check_destination, write_shards
from download import Archive, download, is_published, local_path
from files import folder_beside, locked
from flags import Parser, run

SOURCE_VARIABLE = "FLOWERS_URL"
ARCHIVE_FILE = "flower_photos.tgz"
# Size and sha256: tensorflow/datasets, url_infos of tf_flowers. 3,670 photos in five classes,
# CC-BY 2.0; LICENSE.txt in the archive names the photographers.
FLOWER_PHOTOS = Archive(
    url="https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz",
    num_bytes=228_813_984,
    digest="sha256:4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
    mirror=f"--source or {SOURCE_VARIABLE}",
    otherwise="other photos are for convert_flowers.py, and `make demo` needs no download",
)


def download_and_convert(dataset_dir, source=None, *, archive=FLOWER_PHOTOS, progress=True):
    """Makes the flowers dataset in `dataset_dir`, unless one is there already.

    The unpacked photos are removed afterwards, the archive is kept next to `dataset_dir`. Of two
    processes the second waits for the first and finds its work done.

    Args:
      dataset_dir: where the dataset goes.
      source: a URL (http, https or file) or a path of the archive; by default the archive next to
        `dataset_dir`, else the environment variable FLOWERS_URL, else the published address.
      archive: the facts to check against.
      progress: whether to show progress bars on a terminal.

    Returns:
      The content of `dataset.json`, a dict.

    Raises:
      BadInput: no network, another file than the published one, no room on the disk, or shards
        without `dataset.json` in `dataset_dir`.
    """
    dataset_dir = Path(dataset_dir)
    try:
        dataset_dir.parent.mkdir(parents=True, exist_ok=True)
        with locked(dataset_dir.parent / f".{ARCHIVE_FILE}.lock"):
            description = read_description(dataset_dir)
            if description is not None:
                return description
            with folder_beside(dataset_dir.parent / "unpacked_flowers") as unpacked:
                check_destination(unpacked, dataset_dir)
                path = _find_archive(dataset_dir, source, archive, progress)
                photos_dir = _unpack(path, unpacked, archive.max_unpacked)
                return write_shards(photos_dir, dataset_dir, progress=progress)
    except OSError as error:
        raise BadInput(
            f"{dataset_dir.parent}: cannot be written ({error.strerror or error}); make room or "
            "choose another --dataset_dir"
        ) from error


def _find_archive(dataset_dir, source, archive, progress):
    """Returns the path of an archive that is the published one, downloading it if need be."""
    kept = dataset_dir.parent / ARCHIVE_FILE
    if source is None and kept.exists():
        _check_archive(kept, archive)
        return kept
    source = source or os.environ.get(SOURCE_VARIABLE) or archive.url
    path = local_path(source)
    if path is not None:
        if not path.is_file():
            raise BadInput(
                f"{path}: no such file; expected {ARCHIVE_FILE} or its URL, http://, https:// or "
                "file://"
            )
        _check_archive(path, archive)
        return path
    print(f"Fetching {source} ({archive.num_bytes / 1e6:,.0f} MB) to {kept}", flush=True)
    download(source, kept, archive, progress)
    return kept


def _check_archive(path, archive):
    """Raises `BadInput` unless the file is the published archive."""
    if not is_published(path, archive):
        raise BadInput(
            f"{path}: is not the published {ARCHIVE_FILE} ({path.stat().st_size:,} bytes, expected "
            f"{archive.num_bytes:,} with {archive.digest}); remove it and it is fetched "
            "anew, or convert other photos with convert_flowers.py"
        )


def _unpack(path, folder, max_bytes):
    """Unpacks the archive into `folder`; returns the one folder it holds, flower_photos."""
    unpack(path, folder, max_bytes)
    folders = [entry for entry in folder.iterdir() if entry.is_dir()]
    if len(folders) != 1:
        raise BadInput(f"{path}: holds {len(folders)} folders, expected one, flower_photos")
    return folders[0]


def main(argv=None):
    """Makes the dataset; the last line is JSON with the photos of each split."""
    parser = Parser(__doc__)
    parser.flag("dataset_dir", "DIR", Path, Path("data/flowers"), "where the dataset goes")
    parser.flag("source", "PLACE", str, None, f"URL or path of the archive (or {SOURCE_VARIABLE})")
    flags = parser.parse_args(argv)
    description = download_and_convert(flags.dataset_dir, flags.source)
    counts = {name: split["num_examples"] for name, split in description["splits"].items()}
    print(json.dumps({"dataset_dir": str(flags.dataset_dir), "num_examples": counts}))
    return 0


if __name__ == "__main__":
    run(main)
