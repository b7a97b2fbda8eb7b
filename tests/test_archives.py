import tarfile

import pytest
from tiny_archives import member, names_in, write_tgz

from system import archives
from system.errors import BadInput


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../outside.txt", tarfile.REGTYPE),
        ("flower_photos/../../outside.txt", tarfile.REGTYPE),
        ("/outside.txt", tarfile.REGTYPE),
        ("flower_photos/symbolic", tarfile.SYMTYPE),
        ("flower_photos/hard", tarfile.LNKTYPE),
        ("flower_photos/device", tarfile.CHRTYPE),
        ("flower_photos/pipe", tarfile.FIFOTYPE),
    ],
)
@pytest.mark.parametrize("has_filter", [True, False])
def test_members_outside_the_folder_are_refused(tmp_path, monkeypatch, name, kind, has_filter):
    if not has_filter:  # Python 3.10 before 3.10.12
        monkeypatch.delattr(archives.tarfile, "data_filter", raising=False)
    folder = tmp_path / "deep" / "inside"
    folder.mkdir(parents=True)
    good = member("flower_photos/daisy/1.jpg", content=b"x")
    path = write_tgz(tmp_path / "evil.tgz", good, member(name, kind, linkname="/etc/passwd"))
    with pytest.raises(BadInput, match="is a link, a device or a path outside the folder"):
        archives.unpack(path, folder, 1000)
    assert names_in(tmp_path) == ["deep", "evil.tgz"]
    assert names_in(tmp_path / "deep") == ["inside"]


def test_size_and_number_of_members_are_limited(tmp_path, monkeypatch):
    path = write_tgz(tmp_path / "bomb.tgz", member("flower_photos/a", content=bytes(10_000)))
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInput, match="unpacks to more than 9,999 bytes"):
        archives.unpack(path, tmp_path / "folder", 9_999)
    monkeypatch.setattr(archives, "MAX_MEMBERS", 1)
    path = write_tgz(tmp_path / "many.tgz", member("flower_photos/a"), member("flower_photos/b"))
    with pytest.raises(BadInput, match="or 1 members"):
        archives.unpack(path, tmp_path / "folder", 9_999)


def test_broken_archive_is_named(tmp_path):
    intact = write_tgz(tmp_path / "f.tgz", member("flower_photos/a", content=bytes(10_000)))
    content = intact.read_bytes()
    for name, broken in {"cut": content[:-50], "none": b"no archive", "empty": b""}.items():
        (tmp_path / name).write_bytes(broken)
        (tmp_path / f"{name}.d").mkdir()
        with pytest.raises(BadInput, match=f"{name}: cannot be unpacked .* download it again$"):
            archives.unpack(tmp_path / name, tmp_path / f"{name}.d", 10**6)
