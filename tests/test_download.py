import contextlib
import hashlib

import pytest
from loopback import (
    answer,
    break_off_early,
    call_it_gzip,
    ignore_ranges,
    lie_about_the_length,
    other_bytes,
    reply,
    served,
    too_much,
    without_length,
    wrong_range,
)
from tiny_archives import names_in

import download
from bad_input import BadInput
from download import Archive

CONTENT = bytes(range(256)) * 4096  # a megabyte, in several pieces


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(download, "PAUSES", (0, 0, 0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def fetch(server, path, content):
    known = Archive(server.url, len(content), f"sha256:{hashlib.sha256(content).hexdigest()}")
    download.download(server.url, path, known, progress=False)


def fetch_unknown(server, path):
    download.download(server.url, path, Archive(server.url), progress=False)


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


def test_a_file_of_unknown_size_is_fetched_and_resumed(tmp_path):
    with served(CONTENT, break_off_early) as server:
        fetch_unknown(server, tmp_path / "f.tgz")
        assert server.ranges == [None, f"bytes={len(CONTENT) // 4}-"]
    assert (tmp_path / "f.tgz").read_bytes() == CONTENT


@pytest.mark.parametrize("behaviour", [call_it_gzip, without_length])
def test_a_file_of_unknown_size_from_a_peculiar_server(tmp_path, behaviour):
    with served(CONTENT, behaviour) as server:
        fetch_unknown(server, tmp_path / "f.tgz")
    assert (tmp_path / "f.tgz").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (answer(200), "answers with 6 bytes of text/html, expected the published"),
        (lie_about_the_length, r"cannot be fetched \(it broke off"),
    ],
)
def test_a_page_or_a_broken_promise_is_no_file_of_unknown_size(tmp_path, behaviour, expected):
    with served(CONTENT, *[behaviour] * 9) as server, pytest.raises(BadInput, match=expected):
        fetch_unknown(server, tmp_path / "f.tgz")
    assert not (tmp_path / "f.tgz").exists()


def test_a_server_that_never_ends_is_left_at_the_most_that_an_archive_has(tmp_path):
    def send_for_ever(handler, content):
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):  # the other side hangs up
            while True:
                handler.wfile.write(content)
        handler.close_connection = True

    most = 3 * len(CONTENT)
    with (
        served(CONTENT, send_for_ever) as server,
        pytest.raises(BadInput, match="answers with more than 3,145,728 bytes") as raised,
    ):
        known = Archive(server.url, max_unpacked=most)
        download.download(server.url, tmp_path / "f.tgz", known, progress=False)
    assert "\n" not in str(raised.value)
    assert names_in(tmp_path) == []


def version(content, most=None, **tags):
    """What a server does that has one version of the file, and goes on with that one alone."""

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
def test_a_file_that_has_changed_is_fetched_anew(tmp_path, before, after, known):
    changed = bytes(reversed(CONTENT))
    first, second = version(CONTENT, most=1000, **before), version(changed, **after)
    with served(CONTENT, first, second) as server:
        server.known = []
        fetch_unknown(server, tmp_path / "f.tgz")
        assert server.known == [None, known]
    assert (tmp_path / "f.tgz").read_bytes() == changed
    assert names_in(tmp_path) == ["f.tgz"]


def test_a_file_that_has_not_changed_is_gone_on_with_in_the_next_run(tmp_path):
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


def test_a_digest_may_be_of_any_algorithm(tmp_path):
    file = tmp_path / "f"
    file.write_bytes(b"abc")
    md5, sha1 = "900150983cd24fb0d6963f7d28e17f72", "a9993e364706816aba3e25717850c26c9cd0d89d"
    assert download.is_published(file, Archive("f", digest=f"md5:{md5}"))
    assert download.is_published(file, Archive("f", 3, f"sha1:{sha1}"))
    assert not download.is_published(file, Archive("f", 4, f"sha1:{sha1}"))
    assert not download.is_published(file, Archive("f", 3, f"md5:{sha1}"))
