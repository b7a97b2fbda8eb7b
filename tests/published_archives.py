"""A published checkpoint of a few bytes, in the place of one of the table."""

import dataclasses

from tiny_archives import member, write_tgz

from nets.checkpoints import CHECKPOINTS

NAME = "vgg_16_2016_08_28"
FILE = f"{NAME}.tar.gz"


def tgz_bytes(folder, *members):
    """The bytes of an archive: by default one with a file of the V1 format."""
    members = members or (member("vgg_16.ckpt", content=b"weights"),)
    return write_tgz(folder / "made.tgz", *members).read_bytes()


def publish_at(monkeypatch, url, digest=None, name=NAME):
    """Has the table say that the archive of `name` is at `url`."""
    row = dataclasses.replace(CHECKPOINTS[name], url=f"{url}/{FILE}", digest=digest)
    monkeypatch.setitem(CHECKPOINTS, name, row)
