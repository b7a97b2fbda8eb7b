"""Unpacking of downloaded archives, whose content is not trusted."""

import gzip
import lzma
import tarfile
import zlib
from pathlib import PurePosixPath

from system.errors import BadInput

MAX_MEMBERS = 100_000


def unpack(path, folder, max_bytes):
    """Unpacks the files and folders of a .tar, .tar.gz, .tar.bz2 or .tar.xz into `folder`.

    Raises:
      BadInput: the archive is broken, has a member that is a link or a device or would be written
        outside `folder`, or unpacks to more than `max_bytes` or `MAX_MEMBERS` members.
    """
    try:
        with tarfile.open(path) as tar:
            if hasattr(tarfile, "data_filter"):  # since Python 3.10.12
                tar.extraction_filter = tarfile.data_filter
            tar.extractall(folder, members=_checked_members(path, tar, max_bytes))
    except (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile) as error:
        reason = str(error).partition("\n")[0].rstrip(":")  # tarfile adds one line per format
        raise BadInput(
            f"{path}: cannot be unpacked ({reason}); delete it and download it again"
        ) from error


def _checked_members(path, tar, max_bytes):
    num_bytes = 0
    for count, member in enumerate(tar, start=1):
        name = PurePosixPath(member.name)
        if name.is_absolute() or ".." in name.parts or not (member.isreg() or member.isdir()):
            raise BadInput(
                f"{path}: member {member.name!r} is a link, a device or a path outside the folder; "
                "expected only files and folders, as in the published archive"
            )
        num_bytes += member.size
        if num_bytes > max_bytes or count > MAX_MEMBERS:
            raise BadInput(
                f"{path}: unpacks to more than {max_bytes:,} bytes or {MAX_MEMBERS:,} members; "
                "no published archive is that large"
            )
        yield member
