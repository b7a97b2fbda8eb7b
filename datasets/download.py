"""Fetches the published archive of flower photos, going on where an earlier transfer broke off."""

import time
from dataclasses import dataclass

import requests
import urllib3
from tqdm import tqdm

from bad_input import BadInput
from datasets.description import file_digest

SOURCE_VARIABLE = "FLOWERS_URL"
PIECE = 256 * 1024  # bytes
CONNECT_SECONDS, READ_SECONDS = 10, 60
# Waits before a transfer that broke off, or a server that was busy, is tried again.
PAUSES = (1, 4, 16)
BUSY = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Archive:
    """A published archive of photos, one folder a class in one folder.

    Attributes:
      url: where it is.
      num_bytes: its size.
      sha256: of its bytes, in hexadecimal.
      max_unpacked: more bytes than its files have together.
    """

    url: str
    num_bytes: int
    sha256: str
    max_unpacked: int = 1_000_000_000


# Size and sha256: tensorflow/datasets, url_infos of tf_flowers. 3,670 photos in five classes,
# CC-BY 2.0; LICENSE.txt in the archive names the photographers.
FLOWER_PHOTOS = Archive(
    url="https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz",
    num_bytes=228_813_984,
    sha256="4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
)


class BrokenOff(Exception):
    """A transfer ended early; what has come is kept, and trying again is worth it."""


def download(url, path, archive, progress=True):
    """Downloads `archive` from `url` to `path`, which appears when it is complete and checked.

    Goes on where an earlier download broke off, if the server can.

    Raises:
      BadInput: the server cannot be reached, breaks off again and again, or sends another file.
    """
    partial = path.with_name(f".{path.name}.partial")
    size_before = _size(partial)
    for pause in (*PAUSES, None):
        try:
            _transfer(url, partial, archive, progress)
            break
        except (BrokenOff, requests.RequestException) as error:
            never_reached = not isinstance(error, BrokenOff) and _size(partial) == size_before
            if pause is None or never_reached:
                raise BadInput(_by_hand(url, path, archive, error)) from error
            time.sleep(pause)
    if file_digest(partial) == archive.sha256:
        partial.rename(path)
        return
    partial.unlink()
    if not size_before:
        raise BadInput(
            f"{url}: sends another file than the published {path.name} (its sha256 is not "
            f"{archive.sha256}); to train on other photos, use convert_flowers.py"
        )
    download(url, path, archive, progress)  # what an earlier one had left may be at fault


def _size(path):
    return path.stat().st_size if path.exists() else 0


def _by_hand(url, path, archive, error):
    """Returns the line for a user whose machine cannot fetch the archive."""
    told = isinstance(error, (BrokenOff, requests.HTTPError))
    reason = str(error) if told else type(error).__name__
    return (
        f"{url}: cannot be fetched ({reason}); try again, name a mirror in {SOURCE_VARIABLE}, or "
        f"fetch that file ({archive.num_bytes:,} bytes) on another machine and put it at {path}, "
        "where it is found by itself; `make demo` needs no download"
    )


def _transfer(url, partial, archive, progress):
    """Adds to the file `partial` what it still lacks.

    Raises:
      BrokenOff: the transfer may work when it is tried again.
      requests.RequestException: the server was not reached, or does not have the file.
      BadInput: the server has another file.
    """
    have = _size(partial)
    if have == archive.num_bytes:
        return
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    timeouts = (CONNECT_SECONDS, READ_SECONDS)
    with requests.get(url, headers=headers, stream=True, timeout=timeouts) as response:
        start = _check_response(url, response, partial, archive)
        with (
            partial.open("ab" if start else "wb") as file,
            _progress_bar(archive, start, progress) as bar,
        ):
            for piece in _pieces(response):
                file.write(piece)
                bar.update(len(piece))
                if file.tell() > archive.num_bytes:
                    partial.unlink()
                    raise BadInput(_other_file(url, f"more than {archive.num_bytes:,} bytes"))
    if _size(partial) < archive.num_bytes:
        raise BrokenOff(f"it broke off at {_size(partial):,} of {archive.num_bytes:,} bytes")


def _check_response(url, response, partial, archive):
    """Returns at which byte the response begins: `partial`'s end, or 0 where all comes anew."""
    status = response.status_code
    if status in BUSY:
        raise BrokenOff(f"the server answers {status} {response.reason}")
    if status in (206, 416):
        place, _, total = response.headers.get("Content-Range", "").partition("/")
        have = _size(partial)
        if place.startswith(f"bytes {have}-") and total in ("*", str(archive.num_bytes)):
            return have
        partial.unlink(missing_ok=True)
        raise BrokenOff(f"the server answers with the range {place}/{total}")
    response.raise_for_status()
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) != archive.num_bytes:
        kind = response.headers.get("Content-Type", "no type")
        raise BadInput(_other_file(url, f"{int(length):,} bytes of {kind}"))
    return 0


def _other_file(url, found):
    return (
        f"{url}: answers with {found}, expected the published flower_photos.tgz; give another "
        f"address with --source or {SOURCE_VARIABLE}, or convert other photos with "
        "convert_flowers.py"
    )


def _pieces(response):
    """Yields the body as it was sent: `iter_content` would unpack a .tgz that is called gzip."""
    try:
        yield from response.raw.stream(PIECE, decode_content=False)
    except urllib3.exceptions.HTTPError as error:
        raise BrokenOff(f"it broke off: {type(error).__name__}") from error


def _progress_bar(archive, start, progress):
    return tqdm(
        desc="fetching",
        total=archive.num_bytes,
        initial=start,
        unit="B",
        unit_scale=True,
        disable=None if progress else True,
    )
