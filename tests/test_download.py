import contextlib
import hashlib

import pytest
from loopback import (
    announce_too_long,
    answer,
    call_it_gzip,
    ignore_ranges,
    interrupt_early,
    other_bytes,
    reply,
    served,
    too_much,
    without_length,
    wrong_range,
)
from tiny_archives import names_in

from system import download
from system.download import Archive
from system.errors import BadInput

CONTENT = bytes(range(256)) * 4096  # a megabyte, in several pieces


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(download, "RETRY_DELAYS", (0, 0, 0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def fetch(server, path, content):
    known = Archive(server.url, len(content), f"sha256:{hashlib.sha256(content).hexdigest()}")
    download.download(server.url, path, known, progress=False)


def fetch_unknown(server, path):
    download.download(server.url, path, Archive(server.url), progress=False)


def test_interrupted_download_is_resumed(tmp_path):
    with served(CONTENT, interrupt_early, interrupt_early) as server:
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


def test_repeatedly_interrupted_download_is_resumed_by_the_next_run(tmp_path):
    with served(CONTENT, *[interrupt_early] * 3, *[answer(503)] * 9) as server:
        with pytest.raises(BadInput, match=r"cannot be downloaded \(the server answers 503"):
            fetch(server, tmp_path / "f.tgz", CONTENT)
        assert names_in(tmp_path) == [".f.tgz.partial"]
        server.behaviors.clear()
        fetch(server, tmp_path / "f.tgz", CONTENT)
        assert server.ranges[-1] == f"bytes={len(CONTENT) // 4 * 3}-"
    assert (tmp_path / "f.tgz").read_bytes() == CONTENT


@pytest.mark.parametrize("then", [[ignore_ranges], [wrong_range], [answer(416)]])
def test_download_restarts_if_the_server_cannot_resume(tmp_path, then):
    with served(CONTENT, interrupt_early, *then) as server:
        fetch(server, tmp_path / "f.tgz", CONTENT)
    assert (tmp_path / "f.tgz").read_bytes() == CONTENT


@pytest.mark.parametrize("behavior", [call_it_gzip, without_length])
def test_unusual_headers_are_understood(tmp_path, behavior):
    with served(CONTENT, *[behavior] * 9) as server:
        fetch(server, tmp_path / "f.tgz", CONTENT)
    assert (tmp_path / "f.tgz").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("behavior", "expected"),
    [
        (answer(200), "the server sends 6 bytes of text/html, expected the published"),
        (answer(404), r"cannot be downloaded \(404 Client Error"),
        (announce_too_long, "the server sends 1,048,583 bytes of"),
        (too_much, "the server sends more than 1,048,576 bytes"),
        (other_bytes, "the file differs from the published f.tgz"),
    ],
)
def test_other_file_is_refused_in_one_line(tmp_path, behavior, expected):
    with (
        served(CONTENT, *[behavior] * 9) as server,
        pytest.raises(BadInput, match=expected) as raised,
    ):
        fetch(server, tmp_path / "f.tgz", CONTENT)
    assert "\n" not in str(raised.value)
    assert names_in(tmp_path) == []


def test_server_that_never_sends_the_complete_file_is_an_error(tmp_path):
    def send_less(handler, content):
        reply(handler, content[:1000], length=len(content))

    with served(CONTENT, *[send_less] * 9) as server:
        with pytest.raises(BadInput, match=r"cannot be downloaded \(interrupted"):
            fetch(server, tmp_path / "f.tgz", CONTENT)
        assert not (tmp_path / "f.tgz").exists()


@pytest.mark.parametrize("leftover", [b"something else", bytes(len(CONTENT)), bytes(2**21)])
def test_partial_download_of_another_file_is_discarded(tmp_path, leftover):
    (tmp_path / ".f.tgz.partial").write_bytes(leftover)
    with served(CONTENT) as server:
        fetch(server, tmp_path / "f.tgz", CONTENT)
    assert (tmp_path / "f.tgz").read_bytes() == CONTENT
    assert names_in(tmp_path) == ["f.tgz"]


def test_file_of_unknown_size_is_downloaded_and_resumed(tmp_path):
    with served(CONTENT, interrupt_early) as server:
        fetch_unknown(server, tmp_path / "f.tgz")
        assert server.ranges == [None, f"bytes={len(CONTENT) // 4}-"]
    assert (tmp_path / "f.tgz").read_bytes() == CONTENT


@pytest.mark.parametrize("behavior", [call_it_gzip, without_length])
def test_file_of_unknown_size_with_unusual_headers(tmp_path, behavior):
    with served(CONTENT, behavior) as server:
        fetch_unknown(server, tmp_path / "f.tgz")
    assert (tmp_path / "f.tgz").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("behavior", "expected"),
    [
        (answer(200), "the server sends 6 bytes of text/html, expected the published"),
        (announce_too_long, r"cannot be downloaded \(interrupted"),
    ],
)
def test_html_page_or_incomplete_file_of_unknown_size_is_refused(tmp_path, behavior, expected):
    with served(CONTENT, *[behavior] * 9) as server, pytest.raises(BadInput, match=expected):
        fetch_unknown(server, tmp_path / "f.tgz")
    assert not (tmp_path / "f.tgz").exists()


def test_endless_response_is_cut_at_the_size_limit(tmp_path):
    def send_forever(handler, content):
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):  # the client disconnects
            while True:
                handler.wfile.write(content)
        handler.close_connection = True

    limit = 3 * len(CONTENT)
    with (
        served(CONTENT, send_forever) as server,
        pytest.raises(BadInput, match="the server sends more than 3,145,728 bytes") as raised,
    ):
        known = Archive(server.url, max_unpacked=limit)
        download.download(server.url, tmp_path / "f.tgz", known, progress=False)
    assert "\n" not in str(raised.value)
    assert names_in(tmp_path) == []


def version(content, most=None, **tags):
    """A server with one version of the file, which resumes a download only of that version."""

    def behave(handler, _):
        known = handler.headers.get("If-Range")
        handler.server.known.append(known)
        wanted = handler.headers.get("Range") if known in (None, *tags.values()) else None
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        place = {"Content_Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        reply(
            handler,
            content[start:][:most],
            206 if start else 200,
            length=len(content) - start,
            **tags,
            **(place if start else {}),
        )

    return behave


MARCH_1, MARCH_2 = "Tue, 01 Mar 2016 10:00:00 GMT", "Wed, 02 Mar 2016 10:00:00 GMT"


@pytest.mark.parametrize(
    ("before", "after", "known"),
    [
        ({"ETag": '"1"'}, {"ETag": '"2"'}, '"1"'),
        ({"ETag": 'W/"1"', "Last_Modified": MARCH_1}, {"Last_Modified": MARCH_2}, MARCH_1),
    ],
)
def test_changed_file_is_downloaded_from_the_start(tmp_path, before, after, known):
    changed = bytes(reversed(CONTENT))
    first, second = version(CONTENT, most=1000, **before), version(changed, **after)
    with served(CONTENT, first, second) as server:
        server.known = []
        fetch_unknown(server, tmp_path / "f.tgz")
        assert server.known == [None, known]
    assert (tmp_path / "f.tgz").read_bytes() == changed
    assert names_in(tmp_path) == ["f.tgz"]


def test_unchanged_file_is_resumed_by_the_next_run(tmp_path):
    first, second = version(CONTENT, most=1000, ETag='"1"'), version(CONTENT, ETag='"1"')
    with served(CONTENT, first, *[answer(503)] * 3, second) as server:
        server.known = []
        with pytest.raises(BadInput, match="the server answers 503"):
            fetch_unknown(server, tmp_path / "f.tgz")
        assert names_in(tmp_path) == [".f.tgz.partial", ".f.tgz.partial.validator"]
        fetch_unknown(server, tmp_path / "f.tgz")
        assert server.known == [None, '"1"']
        assert server.ranges[-1] == "bytes=1000-"
    assert (tmp_path / "f.tgz").read_bytes() == CONTENT
    assert names_in(tmp_path) == ["f.tgz"]


def test_digest_may_use_any_algorithm(tmp_path):
    file = tmp_path / "f"
    file.write_bytes(b"abc")
    md5, sha1 = "900150983cd24fb0d6963f7d28e17f72", "a9993e364706816aba3e25717850c26c9cd0d89d"
    assert download.is_published(file, Archive("f", digest=f"md5:{md5}"))
    assert download.is_published(file, Archive("f", 3, f"sha1:{sha1}"))
    assert not download.is_published(file, Archive("f", 4, f"sha1:{sha1}"))
    assert not download.is_published(file, Archive("f", 3, f"md5:{sha1}"))
