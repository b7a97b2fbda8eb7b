import dataclasses
import functools
import hashlib
import json
import tarfile
import threading

import pytest
from loopback import served
from tiny_archives import member, names_in, write_tgz
from tiny_photos import write_photos

from datasets import flowers
from datasets.flowers import FLOWER_PHOTOS, download_and_convert
from system import download
from system.errors import BadInput


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(download, "RETRY_DELAYS", (0, 0, 0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("FLOWERS_URL", raising=False)


@pytest.fixture(scope="module")
def archive_bytes(tmp_path_factory):
    """A .tgz with the layout of the published one: flower_photos/<class>/*.jpg and a license."""
    folder = tmp_path_factory.mktemp("archive")
    photos = write_photos(folder / "flower_photos", {"daisy": 3, "roses": 3}, width=120, height=90)
    (photos / "LICENSE.txt").write_text("CC-BY")
    with tarfile.open(folder / "f.tgz", "w:gz") as tar:
        tar.add(photos, "flower_photos")
    return (folder / "f.tgz").read_bytes()


def facts(content, url="http://127.0.0.1:9/none"):
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return dataclasses.replace(
        FLOWER_PHOTOS, url=url, num_bytes=len(content), digest=digest, max_unpacked=10**6
    )


def test_archive_is_downloaded_converted_and_kept(tmp_path, archive_bytes):
    with served(archive_bytes) as server:
        facts_here = facts(archive_bytes, server.url)
        description = download_and_convert(
            tmp_path / "data" / "flowers", archive=facts_here, progress=False
        )
        assert names_in(tmp_path / "data") == ["flower_photos.tgz", "flowers"]
        assert description["labels"] == ["daisy", "roses"]
        assert description["splits"]["train"]["num_examples"] == 4
        written = json.loads((tmp_path / "data/flowers/dataset.json").read_text())
        assert description == written
        # the second call downloads and converts nothing
        assert (
            download_and_convert(tmp_path / "data/flowers", archive=facts_here, progress=False)
            == written
        )
        assert server.ranges == [None]


def test_kept_archive_is_used_again(tmp_path, archive_bytes):
    (tmp_path / "flower_photos.tgz").write_bytes(archive_bytes)
    download_and_convert(tmp_path / "flowers", archive=facts(archive_bytes), progress=False)
    assert names_in(tmp_path) == ["flower_photos.tgz", "flowers"]


@pytest.mark.parametrize("form", ["path", "file", "variable"])
def test_source_may_be_a_path_or_a_file_url(tmp_path, archive_bytes, form, monkeypatch):
    source = tmp_path / "my archive.tgz"
    source.write_bytes(archive_bytes)
    given = {"path": str(source), "file": source.as_uri(), "variable": None}[form]
    if form == "variable":
        monkeypatch.setenv("FLOWERS_URL", source.as_uri())
    download_and_convert(
        tmp_path / "data" / "flowers", given, archive=facts(archive_bytes), progress=False
    )
    assert names_in(tmp_path / "data") == ["flowers"]


def test_source_has_to_be_the_published_file(tmp_path):
    (tmp_path / "other.tgz").write_bytes(b"other photos")
    with pytest.raises(BadInput, match=r"differs from the published flower_photos.tgz .*convert_f"):
        download_and_convert(tmp_path / "flowers", str(tmp_path / "other.tgz"), progress=False)
    with pytest.raises(
        BadInput, match=r"none.tgz: no such file; expected flower_photos.tgz or its"
    ):
        download_and_convert(tmp_path / "flowers", str(tmp_path / "none.tgz"), progress=False)
    assert names_in(tmp_path) == ["other.tgz"]


def test_corrupt_kept_archive_is_named(tmp_path, archive_bytes):
    (tmp_path / "flower_photos.tgz").write_bytes(archive_bytes.replace(b"\1", b"\2", 1))
    with pytest.raises(
        BadInput, match=r"flower_photos.tgz: differs from the published .*delete it"
    ):
        download_and_convert(tmp_path / "flowers", archive=facts(archive_bytes), progress=False)


def test_message_without_network_names_the_cure(tmp_path):
    nobody = facts(b"archive")  # port 9 is closed
    with pytest.raises(BadInput) as raised:
        download_and_convert(tmp_path / "data" / "flowers", archive=nobody, progress=False)
    message = str(raised.value)
    assert "\n" not in message
    assert message.startswith(f"{nobody.url}: cannot be downloaded (ConnectionError)")
    assert f"copy it to {tmp_path / 'data' / 'flower_photos.tgz'}" in message
    assert "`make demo` needs no download" in message
    assert names_in(tmp_path / "data") == []


def test_shards_of_another_dataset_are_not_overwritten(tmp_path):
    (tmp_path / "flowers").mkdir()
    (tmp_path / "flowers" / "birds_train-00000-of-00001.tfrecord").touch()
    with pytest.raises(BadInput, match="contains a dataset already"):
        download_and_convert(tmp_path / "flowers", archive=facts(b"never requested"))
    assert names_in(tmp_path) == ["flowers"]


def test_size_and_digest_are_those_of_tensorflow_datasets():
    assert FLOWER_PHOTOS.num_bytes == 228_813_984
    assert FLOWER_PHOTOS.digest == (
        "sha256:4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c"
    )
    assert FLOWER_PHOTOS.url.endswith("/example_images/flower_photos.tgz")


def test_two_concurrent_calls_download_once(tmp_path, archive_bytes):
    got = []

    def work():
        got.append(
            download_and_convert(tmp_path / "data" / "flowers", archive=here, progress=False)
        )

    with served(archive_bytes) as server:
        here = facts(archive_bytes, server.url)
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.ranges == [None]
    assert got[0] == got[1]
    assert names_in(tmp_path / "data") == ["flower_photos.tgz", "flowers"]


def test_archive_with_another_layout_is_refused(tmp_path):
    path = write_tgz(tmp_path / "flat.tgz", member("1.jpg", content=b"x"))
    with pytest.raises(BadInput, match="contains 0 folders, expected one, flower_photos"):
        download_and_convert(
            tmp_path / "flowers", str(path), archive=facts(path.read_bytes()), progress=False
        )
    assert names_in(tmp_path) == ["flat.tgz"]


def test_failed_conversion_leaves_no_files(tmp_path):
    path = write_tgz(tmp_path / "f.tgz", member("flower_photos/daisy/1.jpg", content=b"x"))
    with pytest.raises(BadInput, match="daisy: has no usable photo"):
        download_and_convert(
            tmp_path / "flowers", str(path), archive=facts(path.read_bytes()), progress=False
        )
    assert names_in(tmp_path) == ["f.tgz"]


def test_module_is_a_command(tmp_path, monkeypatch, capsys, archive_bytes):
    (tmp_path / "flower_photos.tgz").write_bytes(archive_bytes)
    convert = functools.partial(flowers.download_and_convert, archive=facts(archive_bytes))
    monkeypatch.setattr(flowers, "download_and_convert", convert)
    assert flowers.main(["--dataset_dir", str(tmp_path / "flowers")]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        "dataset_dir": str(tmp_path / "flowers"),
        "num_examples": {"train": 4, "validation": 2},
    }
