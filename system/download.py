"""Downloads of published archives, which resume after an interruption and are verified.

A download goes to a hidden partial file, which gets its final name when it has the published size
and digest, or the size that the server announces where those are not known.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

import requests
import urllib3
from tqdm import tqdm

from system.errors import BadInput
from system.files import file_digest, make_durable

CHUNK_SIZE = 256 * 1024  # bytes
CONNECT_SECONDS, READ_SECONDS = 10, 60
# Seconds to wait before each further attempt.
RETRY_DELAYS = (1, 4, 16)
RETRY_STATUSES = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Archive:
    """A published archive.

    Attributes:
      url: its address.
      num_bytes: its size, or None if that is not known.
      digest: algorithm and hexadecimal digest, such as `sha256:4c54...`, or None.
      max_unpacked: an upper bound for its size in bytes, packed and unpacked.
      mirror: how the user gives another address, for error messages.
      alternative: what the user can do without the archive, for error messages.
    """

    url: str
    num_bytes: int | None = None
    digest: str | None = None
    max_unpacked: int = 1_000_000_000
    mirror: str = "another address"
    alternative: str = "nothing works without it"


class TransferInterrupted(Exception):
    """A transfer ended early; what has arrived is kept, and a retry may succeed."""


def local_path(source):
    """Returns the path that `source` (a path or file URL) names, or None for an http(s) URL."""
    if source.startswith(("http://", "https://")):
        return None
    return Path(unquote(urlparse(source).path) if source.startswith("file:") else source)


def is_published(path, archive):
    """Returns whether the file has the size and the digest of `archive`, where they are known."""
    if archive.num_bytes not in (None, path.stat().st_size):
        return False
    algorithm, _, digest = (archive.digest or "").partition(":")
    return not algorithm or file_digest(path, algorithm) == digest


def download(url, path, archive, progress=True):
    """Downloads `archive` from `url` to `path`, which appears when it is complete and verified.

    Resumes an earlier download, if the server supports that.

    Raises:
      BadInput: the server cannot be reached, fails repeatedly, or sends another file.
    """
    partial = path.with_name(f".{path.name}.partial")
    size_before = _size(partial)
    for delay in (*RETRY_DELAYS, None):
        try:
            _transfer(url, partial, archive, progress)
            break
        except (TransferInterrupted, requests.RequestException) as error:
            interrupted = isinstance(error, TransferInterrupted) or _size(partial) != size_before
            if delay is None or not interrupted:
                raise BadInput(_failure(url, path, archive, error)) from error
            time.sleep(delay)
    if is_published(partial, archive):
        make_durable(partial)
        _validator_file(partial).unlink(missing_ok=True)
        partial.rename(path)
        return
    _discard(partial)
    if not size_before:
        raise BadInput(
            f"{url}: the file differs from the published {path.name} (expected {archive.digest}); "
            f"{archive.alternative}"
        )
    download(url, path, archive, progress)  # the partial file of the earlier download may be wrong


def _discard(partial):
    partial.unlink(missing_ok=True)
    _validator_file(partial).unlink(missing_ok=True)


def _validator_file(partial):
    """Returns the path of the saved ETag or Last-Modified of a partial download.

    It is sent as If-Range (RFC 9110, 13.1.5), so that a server whose file has changed since sends
    the new file from the start.
    """
    return partial.with_name(f"{partial.name}.validator")


def _size(path):
    return path.stat().st_size if path.exists() else 0


def _failure(url, path, archive, error):
    """Returns the message for a user whose machine cannot download the archive."""
    has_reason = isinstance(error, (TransferInterrupted, requests.HTTPError))
    reason = str(error) if has_reason else type(error).__name__
    size = f" ({archive.num_bytes:,} bytes)" if archive.num_bytes else ""
    return (
        f"{url}: cannot be downloaded ({reason}); try again, give a mirror with {archive.mirror}, "
        f"or download the file{size} on another machine and copy it to {path}; "
        f"{archive.alternative}"
    )


def _transfer(url, partial, archive, progress):
    """Appends to the file `partial` what it still lacks.

    Raises:
      TransferInterrupted: a retry may succeed.
      requests.RequestException: the server was not reached, or does not have the file.
      BadInput: the server has another file.
    """
    size = _size(partial)
    if size and size == archive.num_bytes:
        return
    timeouts = (CONNECT_SECONDS, READ_SECONDS)
    with requests.get(url, headers=_headers(partial), stream=True, timeout=timeouts) as response:
        start, total = _check_response(url, response, partial, archive)
        limit = archive.max_unpacked if total is None else total
        with (
            partial.open("ab" if start else "wb") as file,
            _progress_bar(start, total, progress) as bar,
        ):
            if not start:  # the file has just been emptied, so the two always belong together
                _save_validator(partial, response)
            for chunk in _chunks(response):
                file.write(chunk)
                bar.update(len(chunk))
                if file.tell() > limit:
                    _discard(partial)
                    raise BadInput(_other_file(url, archive, f"more than {limit:,} bytes"))
    if total is not None and _size(partial) < total:
        raise TransferInterrupted(f"interrupted at {_size(partial):,} of {total:,} bytes")


def _headers(partial):
    """Returns the request headers for what `partial` still lacks."""
    size, validator = _size(partial), _validator_file(partial)
    headers = {"Accept-Encoding": "identity"}
    if size:
        headers["Range"] = f"bytes={size}-"
        if validator.is_file():
            headers["If-Range"] = validator.read_text()
    return headers


def _save_validator(partial, response):
    """Saves the ETag of a response, or its Last-Modified if it has no strong ETag."""
    tag = response.headers.get("ETag", "")
    validator = tag if tag.startswith('"') else response.headers.get("Last-Modified")
    if validator:
        _validator_file(partial).write_text(validator)
    else:
        _validator_file(partial).unlink(missing_ok=True)


def _check_response(url, response, partial, archive):
    """Checks the headers of a response.

    Returns:
      The byte at which the body starts, which is the size of `partial`, or 0 for a new start; and
      the size of the complete file, or None if it is neither published nor announced.
    """
    status = response.status_code
    if status in RETRY_STATUSES:
        raise TransferInterrupted(f"the server answers {status} {response.reason}")
    if status in (206, 416):
        place, _, total = response.headers.get("Content-Range", "").partition("/")
        size = _size(partial)
        known = str(archive.num_bytes or total)
        if place.startswith(f"bytes {size}-") and total in ("*", known):
            return size, int(known) if known.isdecimal() else None
        _discard(partial)
        raise TransferInterrupted(f"the server answers with the range {place}/{total}")
    response.raise_for_status()
    length = response.headers.get("Content-Length", "")
    length = int(length) if length.isdecimal() else None
    content_type = response.headers.get("Content-Type", "no type")
    wrong_size = None not in (length, archive.num_bytes) and length != archive.num_bytes
    if wrong_size or content_type.startswith("text/html"):
        prefix = "" if length is None else f"{length:,} bytes of "
        raise BadInput(_other_file(url, archive, f"{prefix}{content_type}"))
    return 0, archive.num_bytes or length


def _other_file(url, archive, found):
    return (
        f"{url}: the server sends {found}, expected the published {Path(archive.url).name}; give "
        f"another address with {archive.mirror}; {archive.alternative}"
    )


def _chunks(response):
    """Yields the body unchanged; `iter_content` would unpack a .tgz that is labeled gzip."""
    try:
        yield from response.raw.stream(CHUNK_SIZE, decode_content=False)
    except urllib3.exceptions.HTTPError as error:
        raise TransferInterrupted(f"interrupted: {type(error).__name__}") from error


def _progress_bar(start, total, progress):
    return tqdm(
        desc="downloading",
        total=total,
        initial=start,
        unit="B",
        unit_scale=True,
        disable=None if progress else True,
    )
