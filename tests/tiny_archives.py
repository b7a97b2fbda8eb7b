"""Tiny archives, and the names in a folder."""

import io
import tarfile


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def member(name, kind=tarfile.REGTYPE, content=b"", linkname=""):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(content), linkname
    return info, io.BytesIO(content)


def write_tgz(path, *members):
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            tar.addfile(info, content)
    return path
