"""Unpacks archives that came over a network, trusting nothing in them."""

import gzip
import lzma
import tarfile
import zlib
from pathlib import PurePosixPath

from bad_input import BadInput

MAX_MEMBERS = 100_000


def unpack(path, folder, max_bytes):
    """Unpacks a .tar, .tar.gz, .tar.bz2 or .tar.xz into `folder`, files and folders only.

    Raises:
      BadInput: a member that would lie outside, a link or device, more than `max_bytes` or
        `MAX_MEMBERS`, or a broken archive.
    """
    try:
        with tarfile.open(path) as tar:
            if hasattr(tarfile, "data_filter"):  # Python 3.10 has it from 3.10.12 on
                tar.extraction_filter = tarfile.data_filter
            tar.extractall(folder, members=_checked_members(path, tar, max_bytes))
    except (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile) as error:
        reason = str(error).partition("\n")[0].rstrip(":")  # tarfile adds a line a format
        raise BadInput(
            f"{path}: cannot be unpacked ({reason}); remove it and fetch it anew"
        ) from error


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
                "published archive is that large"
            )
        yield member
