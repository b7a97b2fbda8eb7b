import contextlib
import functools
import hashlib
import http.server
import io
import json
import tarfile
import threading

import pytest
from tiny_photos import write_photos

from bad_input import BadInput
from datasets import download, flowers
from datasets.download import Archive
from datasets.flowers import download_and_convert


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(download, "PAUSES", (0, 0, 0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("FLOWERS_URL", raising=False)


@pytest.fixture(scope="module")
def archive_bytes(tmp_path_factory):
    """A .tgz laid out like the published one: flower_photos/<class>/*.jpg and a licence."""
    folder = tmp_path_factory.mktemp("archive")
    photos = write_photos(folder / "flower_photos", {"daisy": 3, "roses": 3}, width=120, height=90)
    (photos / "LICENSE.txt").write_text("CC-BY")
    with tarfile.open(folder / "f.tgz", "w:gz") as tar:
        tar.add(photos, "flower_photos")
    return (folder / "f.tgz").read_bytes()


def facts(content, url="http://127.0.0.1:9/none"):
    return Archive(url, len(content), hashlib.sha256(content).hexdigest(), max_unpacked=10**6)


class Server(http.server.ThreadingHTTPServer):
    """Serves one file on loopback and does to each request what `behaviours` says, in order."""

    def __init__(self, content, *behaviours):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.behaviours = list(behaviours)
        self.ranges = []
        self.url = f"http://127.0.0.1:{self.server_port}/flower_photos.tgz"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.ranges.append(self.headers.get("Range"))
        behaviour = self.server.behaviours.pop(0) if self.server.behaviours else send
        behaviour(self, self.server.content)

    def log_message(self, *args):
        pass


def reply(handler, body, status=200, length=None, **headers):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def send(handler, content, most=None):
    """Sends the file, or what the Range asks for, as a good server does."""
    wanted = handler.headers.get("Range")
    if wanted is None:
        reply(handler, content[:most], length=len(content), Content_Type="application/gzip")
        return
    start = int(wanted.removeprefix("bytes=").removesuffix("-"))
    place = f"bytes {start}-{len(content) - 1}/{len(content)}"
    body = content[start:][:most]
    reply(handler, body, 206, length=len(content) - start, Content_Range=place)


def break_off_early(handler, content):
    send(handler, content, most=len(content) // 4)


def ignore_ranges(handler, content):
    reply(handler, content)


def answer(status):
    return lambda handler, content: reply(handler, b"<html>", status, Content_Type="text/html")


def wrong_range(handler, content):
    place = f"bytes 0-{len(content) - 1}/{len(content)}"
    reply(handler, content, 206, Content_Range=place)


def call_it_gzip(handler, content):
    reply(handler, content, Content_Encoding="gzip")


def without_length(handler, content):
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(content)
    handler.close_connection = True


def too_much(handler, content):
    without_length(handler, content * 2)


def lie_about_the_length(handler, content):
    reply(handler, content, length=len(content) + 7)


def other_bytes(handler, content):
    reply(handler, bytes(len(content)))


@contextlib.contextmanager
def served(content, *behaviours):
    with Server(content, *behaviours) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def fetch(server, path, content):
    download.download(server.url, path, facts(content), progress=False)


CONTENT = bytes(range(256)) * 4096  # a megabyte, in several pieces


def test_it_downloads_unpacks_converts_and_keeps_the_archive(tmp_path, archive_bytes):
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
        # once it is there, nothing is fetched or converted again
        assert (
            download_and_convert(tmp_path / "data/flowers", archive=facts_here, progress=False)
            == written
        )
        assert server.ranges == [None]


def test_the_kept_archive_is_found_by_itself(tmp_path, archive_bytes):
    (tmp_path / "flower_photos.tgz").write_bytes(archive_bytes)
    download_and_convert(tmp_path / "flowers", archive=facts(archive_bytes), progress=False)
    assert names_in(tmp_path) == ["flower_photos.tgz", "flowers"]


@pytest.mark.parametrize("form", ["path", "file", "variable"])
def test_a_source_may_be_a_path_or_a_file_url(tmp_path, archive_bytes, form, monkeypatch):
    source = tmp_path / "my archive.tgz"
    source.write_bytes(archive_bytes)
    given = {"path": str(source), "file": source.as_uri(), "variable": None}[form]
    if form == "variable":
        monkeypatch.setenv("FLOWERS_URL", source.as_uri())
    download_and_convert(
        tmp_path / "data" / "flowers", given, archive=facts(archive_bytes), progress=False
    )
    assert names_in(tmp_path / "data") == ["flowers"]


def test_a_mirror_has_to_serve_the_published_bytes(tmp_path):
    (tmp_path / "other.tgz").write_bytes(b"other photos")
    with pytest.raises(BadInput, match=r"is not the published flower_photos.tgz .*convert_flowers"):
        download_and_convert(tmp_path / "flowers", str(tmp_path / "other.tgz"), progress=False)
    with pytest.raises(
        BadInput, match=r"none.tgz: no such file; expected flower_photos.tgz or its"
    ):
        download_and_convert(tmp_path / "flowers", str(tmp_path / "none.tgz"), progress=False)
    assert names_in(tmp_path) == ["other.tgz"]


def test_a_spoilt_archive_in_the_folder_is_named(tmp_path, archive_bytes):
    (tmp_path / "flower_photos.tgz").write_bytes(archive_bytes.replace(b"\1", b"\2", 1))
    with pytest.raises(BadInput, match=r"flower_photos.tgz: is not the published .*remove it"):
        download_and_convert(tmp_path / "flowers", archive=facts(archive_bytes), progress=False)


def test_without_network_one_line_says_what_to_do(tmp_path, capsys):
    nobody = facts(b"archive")  # nobody listens on port 9
    with pytest.raises(BadInput) as raised:
        download_and_convert(tmp_path / "data" / "flowers", archive=nobody, progress=False)
    message = str(raised.value)
    assert "\n" not in message
    assert message.startswith(f"{nobody.url}: cannot be fetched (ConnectionError)")
    assert f"put it at {tmp_path / 'data' / 'flower_photos.tgz'}" in message
    assert "`make demo` needs no download" in message
    assert names_in(tmp_path / "data") == []


def test_shards_of_another_dataset_are_not_written_over(tmp_path):
    (tmp_path / "flowers").mkdir()
    (tmp_path / "flowers" / "birds_train-00000-of-00001.tfrecord").touch()
    with pytest.raises(BadInput, match="holds a dataset already"):
        download_and_convert(tmp_path / "flowers", archive=facts(b"never asked for"))
    assert names_in(tmp_path) == ["flowers"]


def test_the_published_facts_are_those_of_tensorflow_datasets():
    assert download.FLOWER_PHOTOS.num_bytes == 228_813_984
    assert download.FLOWER_PHOTOS.sha256 == (
        "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c"
    )
    assert download.FLOWER_PHOTOS.url.endswith("/example_images/flower_photos.tgz")


def test_two_at_once_do_not_harm_each_other(tmp_path, archive_bytes):
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
        assert server.ranges == [None]  # the second found what the first had fetched
    assert got[0] == got[1]
    assert names_in(tmp_path / "data") == ["flower_photos.tgz", "flowers"]


def test_a_transfer_that_breaks_off_is_resumed(tmp_path):
    with served(CONTENT, break_off_early, break_off_early) as server:
        fetch(server, tmp_path / "f.tgz", CONTENT)
        quarter = len(CONTENT) // 4
        rest = len(CONTENT) - quarter
        assert server.ranges == [
            None,
            f"bytes={quarter}-",
            f"bytes={quarter + min(quarter, rest)}-",
        ]
    assert (tmp_path / "f.tgz").read_bytes() == CONTENT
    assert names_in(tmp_path) == ["f.tgz"]


def test_a_transfer_that_always_breaks_off_goes_on_in_the_next_run(tmp_path):
    with served(CONTENT, *[break_off_early] * 3, *[answer(503)] * 9) as server:
        with pytest.raises(BadInput, match=r"cannot be fetched \(the server answers 503"):
            fetch(server, tmp_path / "f.tgz", CONTENT)
        assert names_in(tmp_path) == [".f.tgz.partial"]
        server.behaviours.clear()
        fetch(server, tmp_path / "f.tgz", CONTENT)
        assert server.ranges[-1] == f"bytes={len(CONTENT) // 4 * 3}-"
    assert (tmp_path / "f.tgz").read_bytes() == CONTENT


@pytest.mark.parametrize("then", [[ignore_ranges], [wrong_range], [answer(416)]])
def test_a_server_that_cannot_resume_starts_over(tmp_path, then):
    with served(CONTENT, break_off_early, *then) as server:
        fetch(server, tmp_path / "f.tgz", CONTENT)
    assert (tmp_path / "f.tgz").read_bytes() == CONTENT


@pytest.mark.parametrize("behaviour", [call_it_gzip, without_length])
def test_peculiar_servers_are_understood(tmp_path, behaviour):
    with served(CONTENT, *[behaviour] * 9) as server:
        fetch(server, tmp_path / "f.tgz", CONTENT)
    assert (tmp_path / "f.tgz").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (answer(200), "answers with 6 bytes of text/html, expected the published"),
        (answer(404), r"cannot be fetched \(404 Client Error"),
        (lie_about_the_length, "answers with 1,048,583 bytes of"),
        (too_much, "answers with more than 1,048,576 bytes"),
        (other_bytes, "sends another file than the published f.tgz"),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path, behaviour, expected):
    with (
        served(CONTENT, *[behaviour] * 9) as server,
        pytest.raises(BadInput, match=expected) as raised,
    ):
        fetch(server, tmp_path / "f.tgz", CONTENT)
    assert "\n" not in str(raised.value)
    assert names_in(tmp_path) == []


def test_a_lying_length_that_matches_the_facts_is_no_success(tmp_path):
    """The server promises the whole file, sends less, and closes, each time."""

    def promise_more(handler, content):
        reply(handler, content[:1000], length=len(content))

    with served(CONTENT, *[promise_more] * 9) as server:
        with pytest.raises(BadInput, match=r"cannot be fetched \(it broke off"):
            fetch(server, tmp_path / "f.tgz", CONTENT)
        assert not (tmp_path / "f.tgz").exists()


@pytest.mark.parametrize("leftover", [b"something else", bytes(len(CONTENT)), bytes(2**21)])
def test_a_leftover_of_another_file_does_no_harm(tmp_path, leftover):
    (tmp_path / ".f.tgz.partial").write_bytes(leftover)
    with served(CONTENT) as server:
        fetch(server, tmp_path / "f.tgz", CONTENT)
    assert (tmp_path / "f.tgz").read_bytes() == CONTENT
    assert names_in(tmp_path) == ["f.tgz"]


def member(name, kind=tarfile.REGTYPE, content=b"", linkname=""):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(content), linkname
    return info, io.BytesIO(content)


def write_tgz(path, *members):
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            tar.addfile(info, content)
    return path


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
def test_an_archive_cannot_reach_outside(tmp_path, monkeypatch, name, kind, has_filter):
    if not has_filter:  # Python 3.10 before 3.10.12
        monkeypatch.delattr(flowers.tarfile, "data_filter", raising=False)
    folder = tmp_path / "deep" / "inside"
    folder.mkdir(parents=True)
    good = member("flower_photos/daisy/1.jpg", content=b"x")
    path = write_tgz(tmp_path / "evil.tgz", good, member(name, kind, linkname="/etc/passwd"))
    with pytest.raises(BadInput, match="link or device or lies outside"):
        flowers.unpack(path, folder, 1000)
    assert names_in(tmp_path) == ["deep", "evil.tgz"]
    assert names_in(tmp_path / "deep") == ["inside"]


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    path = write_tgz(tmp_path / "bomb.tgz", member("flower_photos/a", content=bytes(10_000)))
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInput, match="unpacks to more than 9,999 bytes"):
        flowers.unpack(path, tmp_path / "folder", 9_999)
    monkeypatch.setattr(flowers, "MAX_MEMBERS", 1)
    path = write_tgz(tmp_path / "many.tgz", member("flower_photos/a"), member("flower_photos/b"))
    with pytest.raises(BadInput, match="or 1 files"):
        flowers.unpack(path, tmp_path / "folder", 9_999)


def test_a_broken_archive_or_one_of_another_layout_is_refused(tmp_path, archive_bytes):
    for name, content in {"cut": archive_bytes[:-900], "none": b"no archive", "empty": b""}.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / f"{name}.d").mkdir()
        with pytest.raises(BadInput, match=f"{name}: cannot be unpacked"):
            flowers.unpack(tmp_path / name, tmp_path / f"{name}.d", 10**6)
    path = write_tgz(tmp_path / "flat.tgz", member("1.jpg", content=b"x"))
    (tmp_path / "flat.d").mkdir()
    with pytest.raises(BadInput, match="holds 0 folders, expected one, flower_photos"):
        flowers.unpack(path, tmp_path / "flat.d", 1000)


def test_nothing_is_left_of_an_archive_that_cannot_be_converted(tmp_path):
    path = write_tgz(tmp_path / "f.tgz", member("flower_photos/daisy/1.jpg", content=b"x"))
    with pytest.raises(BadInput, match="daisy: no usable photo"):
        download_and_convert(
            tmp_path / "flowers", str(path), archive=facts(path.read_bytes()), progress=False
        )
    assert names_in(tmp_path) == ["f.tgz"]


def test_the_module_runs_from_the_shell(tmp_path, monkeypatch, capsys, archive_bytes):
    (tmp_path / "flower_photos.tgz").write_bytes(archive_bytes)
    convert = functools.partial(flowers.download_and_convert, archive=facts(archive_bytes))
    monkeypatch.setattr(flowers, "download_and_convert", convert)
    assert flowers.main(["--dataset_dir", str(tmp_path / "flowers")]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        "dataset_dir": str(tmp_path / "flowers"),
        "num_examples": {"train": 4, "validation": 2},
    }
