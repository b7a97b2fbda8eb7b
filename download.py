"""Fetches published archives, going on where an earlier transfer broke off, and checks them.

What comes is written aside, and has its name when it is complete: as long as the server says, or
as is published, and of the published digest where there is one.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

import requests
import urllib3
from tqdm import tqdm

from bad_input import BadInput
from files import file_digest, make_durable

PIECE = 256 * 1024  # bytes
CONNECT_SECONDS, READ_SECONDS = 10, 60
# Waits before a transfer that broke off, or a server that was busy, is tried again.
PAUSES = (1, 4, 16)
BUSY = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Archive:
    """A published archive.

    Attributes:
      url: where it is.
      num_bytes: its size, None where that is not known.
      digest: the algorithm and the digest of its bytes in hexadecimal, `sha256:4c54...`; None
        where that is not known.
      max_unpacked: more bytes than its files have together, and than it has itself.
      mirror: how a user names another address, in words.
      otherwise: what a user can do without it, in words.
    """

    url: str
    num_bytes: int | None = None
    digest: str | None = None
    max_unpacked: int = 1_000_000_000
    mirror: str = "another address"
    otherwise: str = "nothing works without it"


class BrokenOff(Exception):
    """A transfer ended early; what has come is kept, and trying again is worth it."""


def local_path(source):
    """The path that `source` names, or None where it is a URL of http or https."""
    if source.startswith(("http://", "https://")):
        return None
    return Path(unquote(urlparse(source).path) if source.startswith("file:") else source)


def is_published(path, archive):
    """Whether the file has the size and the digest of `archive`, as far as they are known."""
    if archive.num_bytes not in (None, path.stat().st_size):
        return False
    algorithm, _, digest = (archive.digest or "").partition(":")
    return not algorithm or file_digest(path, algorithm) == digest


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
    if is_published(partial, archive):
        make_durable(partial)
        _validator_file(partial).unlink(missing_ok=True)
        partial.rename(path)
        return
    _discard(partial)
    if not size_before:
        raise BadInput(
            f"{url}: sends another file than the published {path.name} (expected "
            f"{archive.digest}); {archive.otherwise}"
        )
    download(url, path, archive, progress)  # what an earlier one had left may be at fault


def _discard(partial):
    partial.unlink(missing_ok=True)
    _validator_file(partial).unlink(missing_ok=True)


def _validator_file(partial):
    """Holds by what the server told the file apart of which `partial` is a part (RFC 9110, 13.1.5).

    A server that has another file by now then sends that from its beginning.
    """
    return partial.with_name(f"{partial.name}.validator")


def _size(path):
    return path.stat().st_size if path.exists() else 0


def _by_hand(url, path, archive, error):
    """Returns the line for a user whose machine cannot fetch the archive."""
    told = isinstance(error, (BrokenOff, requests.HTTPError))
    reason = str(error) if told else type(error).__name__
    size = f" ({archive.num_bytes:,} bytes)" if archive.num_bytes else ""
    return (
        f"{url}: cannot be fetched ({reason}); try again, name a mirror with {archive.mirror}, or "
        f"fetch that file{size} on another machine and put it at {path}, where it is found by "
        f"itself; {archive.otherwise}"
    )


def _transfer(url, partial, archive, progress):
    """Adds to the file `partial` what it still lacks.

    Raises:
      BrokenOff: the transfer may work when it is tried again.
      requests.RequestException: the server was not reached, or does not have the file.
      BadInput: the server has another file.
    """
    have = _size(partial)
    if have and have == archive.num_bytes:
        return
    timeouts = (CONNECT_SECONDS, READ_SECONDS)
    with requests.get(url, headers=_headers(partial), stream=True, timeout=timeouts) as response:
        start, total = _check_response(url, response, partial, archive)
        most = archive.max_unpacked if total is None else total
        with (
            partial.open("ab" if start else "wb") as file,
            _progress_bar(start, total, progress) as bar,
        ):
            if not start:  # the file is empty now, so that the two belong together at any moment
                _keep_validator(partial, response)
            for piece in _pieces(response):
                file.write(piece)
                bar.update(len(piece))
                if file.tell() > most:
                    _discard(partial)
                    raise BadInput(_other_file(url, archive, f"more than {most:,} bytes"))
    if total is not None and _size(partial) < total:
        raise BrokenOff(f"it broke off at {_size(partial):,} of {total:,} bytes")


def _headers(partial):
    """The headers of a request for what `partial` still lacks."""
    have, validator = _size(partial), _validator_file(partial)
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if validator.is_file():
            headers["If-Range"] = validator.read_text()
    return headers


def _keep_validator(partial, response):
    """Keeps the ETag of a response, or its date where it has none that is strong."""
    tag = response.headers.get("ETag", "")
    validator = tag if tag.startswith('"') else response.headers.get("Last-Modified")
    if validator:
        _validator_file(partial).write_text(validator)
    else:
        _validator_file(partial).unlink(missing_ok=True)


def _check_response(url, response, partial, archive):
    """What a response holds.

    Returns:
      At which byte it begins, the end of `partial`, or 0 where all comes anew; and the size of the
      whole file, None where neither the server says it nor is it published.
    """
    status = response.status_code
    if status in BUSY:
        raise BrokenOff(f"the server answers {status} {response.reason}")
    if status in (206, 416):
        place, _, total = response.headers.get("Content-Range", "").partition("/")
        have = _size(partial)
        known = str(archive.num_bytes or total)
        if place.startswith(f"bytes {have}-") and total in ("*", known):
            return have, int(known) if known.isdecimal() else None
        _discard(partial)
        raise BrokenOff(f"the server answers with the range {place}/{total}")
    response.raise_for_status()
    length = response.headers.get("Content-Length", "")
    length = int(length) if length.isdecimal() else None
    kind = response.headers.get("Content-Type", "no type")
    of_another_size = None not in (length, archive.num_bytes) and length != archive.num_bytes
    if of_another_size or kind.startswith("text/html"):
        said = "" if length is None else f"{length:,} bytes of "
        raise BadInput(_other_file(url, archive, f"{said}{kind}"))
    return 0, archive.num_bytes or length


def _other_file(url, archive, found):
    return (
        f"{url}: answers with {found}, expected the published {Path(archive.url).name}; give "
        f"another address with {archive.mirror}; {archive.otherwise}"
    )


def _pieces(response):
    """Yields the body as it was sent: `iter_content` would unpack a .tgz that is called gzip."""
    try:
        yield from response.raw.stream(PIECE, decode_content=False)
    except urllib3.exceptions.HTTPError as error:
        raise BrokenOff(f"it broke off: {type(error).__name__}") from error


def _progress_bar(start, total, progress):
    return tqdm(
        desc="fetching",
        total=total,
        initial=start,
        unit="B",
        unit_scale=True,
        disable=None if progress else True,
    )
