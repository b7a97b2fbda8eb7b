"""TensorFlow's flower photos: fetched, checked, unpacked and converted.

    python -m datasets.flowers --dataset_dir data/flowers
    python -m datasets.flowers --dataset_dir data/flowers --source https://mirror.example/f.tgz

The archive is kept next to the dataset's folder, as `data/flower_photos.tgz`, and is found there
the next time. Where there is no network, put it there by hand. A source is checked against the
published sha256, wherever it comes from; other photos are for convert_flowers.py.
"""

import gzip
import json
import os
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlparse

from bad_input import BadInput
from datasets.aside import folder_beside, locked
from datasets.description import file_digest, read_description
from datasets.download import FLOWER_PHOTOS, SOURCE_VARIABLE, download
from datasets.shards import check_destination, write_shards
from flags import Parser, run

ARCHIVE_FILE = "flower_photos.tgz"
MAX_MEMBERS = 100_000


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
                photos_dir = unpack(path, unpacked, archive.max_unpacked)
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
    if not source.startswith(("http://", "https://")):
        path = Path(unquote(urlparse(source).path) if source.startswith("file:") else source)
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
    size = path.stat().st_size
    if size != archive.num_bytes or file_digest(path) != archive.sha256:
        raise BadInput(
            f"{path}: is not the published {ARCHIVE_FILE} ({size:,} bytes, expected "
            f"{archive.num_bytes:,} with sha256 {archive.sha256}); remove it and it is fetched "
            "anew, or convert other photos with convert_flowers.py"
        )


def unpack(path, folder, max_bytes):
    """Unpacks a .tgz of photos into `folder`, files and folders only.

    Returns:
      The folder that the archive holds: `folder`/flower_photos.

    Raises:
      BadInput: a member that would lie outside, a link or device, more than `max_bytes` or
        `MAX_MEMBERS`, a broken archive, or one of another layout.
    """
    try:
        with tarfile.open(path, "r:gz") as tar:
            if hasattr(tarfile, "data_filter"):  # Python 3.10 has it from 3.10.12 on
                tar.extraction_filter = tarfile.data_filter
            tar.extractall(folder, members=_checked_members(path, tar, max_bytes))
    except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise BadInput(
            f"{path}: cannot be unpacked ({error}); remove it and fetch it anew"
        ) from error
    folders = [entry for entry in folder.iterdir() if entry.is_dir()]
    if len(folders) != 1:
        raise BadInput(f"{path}: holds {len(folders)} folders, expected one, flower_photos")
    return folders[0]


def _checked_members(path, tar, max_bytes):
    num_bytes = 0
    for count, member in enumerate(tar, start=1):
        place = PurePosixPath(member.name)
        if place.is_absolute() or ".." in place.parts or not (member.isreg() or member.isdir()):
            raise BadInput(
                f"{path}: its member {member.name!r} is a link or device or lies outside; expected "
                "files and folders only, as in the published archive"
            )
        num_bytes += member.size
        if num_bytes > max_bytes or count > MAX_MEMBERS:
            raise BadInput(
                f"{path}: unpacks to more than {max_bytes:,} bytes or {MAX_MEMBERS:,} files, no "
                "archive of flowers is that large"
            )
        yield member


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
