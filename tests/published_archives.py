"""A tiny archive that replaces a published checkpoint."""

import dataclasses

from tiny_archives import member, write_tgz

from checkpointing.published import CHECKPOINTS

NAME = "vgg_16_2016_08_28"
FILE = f"{NAME}.tar.gz"


def tgz_bytes(folder, *members):
    """Returns the bytes of an archive, by default of one that holds `vgg_16.ckpt`."""
    members = members or (member("vgg_16.ckpt", content=b"weights"),)
    return write_tgz(folder / "made.tgz", *members).read_bytes()


def publish_at(monkeypatch, url, digest=None, name=NAME):
    """Changes the published address and digest of `name`."""
    row = dataclasses.replace(CHECKPOINTS[name], url=f"{url}/{FILE}", digest=digest)
    monkeypatch.setitem(CHECKPOINTS, name, row)
