import contextlib
import datetime
import hashlib
import json
import signal
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest
from loopback import announce_too_long, interrupt_early, send, served
from published_archives import FILE, NAME, publish_at, tgz_bytes
from tiny_archives import member, names_in, write_tgz

from checkpointing import download as checkpoint_download
from checkpointing.download import (
    fetch_published,
    find_downloaded,
    resolve_checkpoint_path,
    unpack_beside,
)
from system import download
from system.errors import BadInput

ROOT = Path(__file__).parent.parent
UNREACHABLE = "http://127.0.0.1:9"  # no server listens on port 9


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(download, "RETRY_DELAYS", (0, 0, 0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("CHECKPOINTS_DIR", raising=False)
    monkeypatch.delenv("CHECKPOINTS_MIRROR", raising=False)


@pytest.fixture
def content(tmp_path_factory):
    return tgz_bytes(tmp_path_factory.mktemp("made"))


@contextlib.contextmanager
def published(monkeypatch, content, *behaviors, digest=None):
    """Serves `content` at the published address of `NAME`."""
    with served(content, *behaviors) as server:
        publish_at(monkeypatch, server.url.rpartition("/")[0], digest)
        yield server


def test_published_checkpoint_is_downloaded_once_and_recorded(tmp_path, monkeypatch, content):
    with published(monkeypatch, content) as server:
        found = fetch_published(NAME, tmp_path)
        assert found == fetch_published(NAME, tmp_path)
        assert server.ranges == [None]
    assert found == str(tmp_path / NAME / "vgg_16.ckpt")
    assert Path(found).read_bytes() == b"weights"
    assert names_in(tmp_path) == ["downloads.json", NAME]
    record = json.loads((tmp_path / "downloads.json").read_text())[NAME]
    assert record["url"].endswith(f"/{FILE}")
    assert record["num_bytes"] == len(content)
    assert record["sha256"] == hashlib.sha256(content).hexdigest()
    assert datetime.date.fromisoformat(record["date"])


def test_folder_from_the_environment_is_created(tmp_path, monkeypatch, content):
    monkeypatch.setenv("CHECKPOINTS_DIR", str(tmp_path / "a" / "b"))
    with published(monkeypatch, content):
        assert fetch_published(NAME) == str(tmp_path / "a" / "b" / NAME / "vgg_16.ckpt")


@pytest.mark.parametrize("way", ["argument", "environment"])
def test_mirror_serves_archives_by_name(tmp_path, monkeypatch, content, way):
    requested = []

    def record_path(handler, content):
        requested.append(handler.path)
        send(handler, content)

    publish_at(monkeypatch, UNREACHABLE)
    with served(content, record_path) as server:
        mirror = f"{server.url.rpartition('/')[0]}/mirror/"
        if way == "environment":
            monkeypatch.setenv("CHECKPOINTS_MIRROR", mirror)
        fetch_published(NAME, tmp_path, mirror if way == "argument" else None)
    assert requested == [f"/mirror/{FILE}"]
    assert names_in(tmp_path) == ["downloads.json", NAME]


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_folder_as_mirror_is_not_changed(tmp_path, content, scheme):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    with pytest.raises(
        BadInput, match=rf"{FILE}: no such file; give --checkpoints_mirror or CHECKPOINTS_MIRROR"
    ):
        fetch_published(NAME, tmp_path / "here", f"{scheme}{mirror}")
    (mirror / FILE).write_bytes(content)
    found = fetch_published(NAME, tmp_path / "here", f"{scheme}{mirror}")
    assert Path(found).read_bytes() == b"weights"
    assert names_in(mirror) == [FILE]


def test_archive_put_there_by_the_user_is_unpacked_and_kept(tmp_path, monkeypatch, content):
    publish_at(monkeypatch, UNREACHABLE)
    (tmp_path / FILE).write_bytes(content)
    assert fetch_published(NAME, tmp_path) == str(tmp_path / NAME / "vgg_16.ckpt")
    assert names_in(tmp_path) == ["downloads.json", NAME, FILE]


def test_partial_download_is_resumed(tmp_path, monkeypatch, content):
    (tmp_path / f".{FILE}.partial").write_bytes(content[:30])
    with published(monkeypatch, content, interrupt_early) as server:
        fetch_published(NAME, tmp_path)
        assert server.ranges[0] == "bytes=30-"
        assert len(server.ranges) == 2
    assert names_in(tmp_path) == ["downloads.json", NAME]


def test_no_internet_access_is_one_line_with_address_and_folder(tmp_path, monkeypatch):
    publish_at(monkeypatch, UNREACHABLE)
    with pytest.raises(BadInput) as raised:
        fetch_published(NAME, tmp_path / "here")
    message = str(raised.value)
    assert "\n" not in message
    assert message.startswith(f"{UNREACHABLE}/{FILE}: cannot be downloaded (ConnectionError)")
    assert f"copy it to {tmp_path / 'here' / FILE}; " in message
    assert "give a mirror with --checkpoints_mirror or CHECKPOINTS_MIRROR" in message
    assert names_in(tmp_path / "here") == []


def test_wrong_content_length_is_refused(tmp_path, monkeypatch, content):
    with published(monkeypatch, content, *[announce_too_long] * 9) as server:
        with pytest.raises(BadInput, match=r"cannot be downloaded \(interrupted"):
            fetch_published(NAME, tmp_path)
        assert names_in(tmp_path) == [f".{FILE}.partial"]
        server.behaviors.clear()
        fetch_published(NAME, tmp_path)
    assert names_in(tmp_path) == ["downloads.json", NAME]


def test_file_with_another_digest_than_published_is_refused(tmp_path, monkeypatch, content):
    digest = f"md5:{hashlib.md5(b'the published one').hexdigest()}"
    with published(monkeypatch, content, digest=digest):
        with pytest.raises(BadInput, match=f"the file differs from the published {FILE}"):
            fetch_published(NAME, tmp_path)
        assert names_in(tmp_path) == []
        (tmp_path / FILE).write_bytes(content)
        with pytest.raises(BadInput, match=f"{FILE} is not the published .*{digest}.*remove it"):
            fetch_published(NAME, tmp_path)
    publish_at(monkeypatch, UNREACHABLE, digest=f"md5:{hashlib.md5(content).hexdigest()}")
    assert fetch_published(NAME, tmp_path)


def test_file_that_differs_from_the_first_download_must_be_accepted(tmp_path, monkeypatch, content):
    (tmp_path / "here").mkdir()
    other = tgz_bytes(tmp_path, member("vgg_16.ckpt", content=b"other weights"))
    records = tmp_path / "here" / "downloads.json"
    facts = {"url": "u", "num_bytes": len(content), "sha256": "ab12", "date": "2026-01-02"}
    records.write_text(json.dumps({NAME: facts, "another": facts}))
    with published(monkeypatch, other) as server:
        with pytest.raises(BadInput, match="differs from the archive of 2026-01-02") as raised:
            fetch_published(NAME, tmp_path / "here")
        message = str(raised.value)
        assert f"({len(other):,} bytes, {hashlib.sha256(other).hexdigest()}; it was" in message
        assert f"it was {len(content):,} bytes, ab12)" in message
        assert f"remove {NAME} from {records} to accept it" in message
        assert names_in(tmp_path / "here") == ["downloads.json", FILE]
        records.write_text(json.dumps({"another": facts}))
        found = fetch_published(NAME, tmp_path / "here")
        assert server.ranges == [None]
    assert Path(found).read_bytes() == b"other weights"
    assert list(json.loads(records.read_text())) == ["another", NAME]


@pytest.mark.parametrize("text", ["{", "[]", '{"vgg_16_2016_08_28": {}}', '{"a": 1}'])
def test_broken_record_is_named(tmp_path, text, content):
    (tmp_path / FILE).write_bytes(content)
    (tmp_path / "downloads.json").write_text(text)
    with pytest.raises(BadInput, match="downloads.json is broken .*remove it"):
        fetch_published(NAME, tmp_path)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([member("../outside.ckpt")], "a path outside the folder"),
        ([member("vgg_16.ckpt", tarfile.SYMTYPE, linkname="/etc/passwd")], "is a link, a device"),
        ([member("vgg_16.ckpt", content=bytes(1001))], "unpacks to more than 1,000 bytes"),
        ([member("readme.txt", content=b"x")], f"{FILE} holds no checkpoint"),
        (
            [member("a.ckpt"), member("b.ckpt")],
            r"holds several .*\(a.ckpt, b.ckpt\); unpack it",
        ),
    ],
)
def test_unusable_archive_leaves_no_files(tmp_path, monkeypatch, members, expected):
    monkeypatch.setattr(checkpoint_download, "MAX_UNPACKED", 1000)
    write_tgz(tmp_path / FILE, *members)
    with pytest.raises(BadInput, match=expected):
        fetch_published(NAME, tmp_path)
    assert names_in(tmp_path) == [FILE]


def test_truncated_archive_is_not_recorded(tmp_path, monkeypatch, content):
    broken = published(monkeypatch, content[:-20])
    expected = f"{FILE}: cannot be unpacked .*download it again"
    with broken, pytest.raises(BadInput, match=expected):
        fetch_published(NAME, tmp_path)
    (tmp_path / FILE).unlink()
    with published(monkeypatch, content):
        assert fetch_published(NAME, tmp_path)


def test_kill_while_unpacking_leaves_no_partial_folder(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    script = (
        "import os, signal, sys\n"
        "from checkpointing import download as checkpoint_download\n"
        "def unpack_half(path, folder, max_bytes):\n"
        "    (folder / 'vgg_16.ckpt').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "checkpoint_download.unpack = unpack_half\n"
        f"checkpoint_download.fetch_published({NAME!r}, sys.argv[1])\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, tmp_path], check=False, cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert find_downloaded(NAME, tmp_path) is None
    assert Path(fetch_published(NAME, tmp_path)).read_bytes() == b"weights"
    assert names_in(tmp_path) == ["downloads.json", NAME, FILE]


def test_one_of_two_processes_downloads(tmp_path, content):
    script = (
        "import sys\n"
        "from checkpointing.download import fetch_published\n"
        "print('started', flush=True)\n"
        f"print(fetch_published({NAME!r}, sys.argv[1], sys.argv[2]))\n"
    )
    both_started = threading.Event()

    def send_when_both_started(handler, content):
        assert both_started.wait(60)
        send(handler, content)

    with served(content, send_when_both_started) as server, contextlib.ExitStack() as stack:
        argv = [sys.executable, "-c", script, tmp_path, server.url.rpartition("/")[0]]
        processes = [
            stack.enter_context(subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True))
            for _ in range(2)
        ]
        assert [process.stdout.readline() for process in processes] == ["started\n"] * 2
        both_started.set()
        printed = [process.communicate()[0].splitlines() for process in processes]
        assert server.ranges == [None]
    assert [lines[-1] for lines in printed] == [str(tmp_path / NAME / "vgg_16.ckpt")] * 2
    assert names_in(tmp_path) == ["downloads.json", NAME]


def test_concurrent_downloads_are_all_recorded(tmp_path, content):
    names = ["vgg_16_2016_08_28", "vgg_19_2016_08_28", "inception_v3_2016_08_28"]
    for name in names:
        (tmp_path / f"{name}.tar.gz").write_bytes(content)
    threads = [threading.Thread(target=fetch_published, args=(name, tmp_path)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(json.loads((tmp_path / "downloads.json").read_text())) == sorted(names)


def test_unwritable_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match=r"here: cannot write vgg_16.*CHECKPOINTS_DIR"):
        fetch_published(NAME, tmp_path / "file" / "here")
    with pytest.raises(BadInput, match="rename the folder"):
        fetch_published(NAME, tmp_path / "run[1]")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("inception_resnet_v2_2016_08_30.ckpt", "inception_resnet_v2_2016_08_30"),
        ("vgg_16.ckpt", "vgg_16_2016_08_28"),
        ("mobilenet_v1_1.0_224.ckpt.index", "mobilenet_v1_1.0_224"),
        ("mobilenet_v1_0.50_160.ckpt.index", "mobilenet_v1_0.50_160_2017_06_14"),
    ],
)
def test_checkpoint_unpacked_into_the_folder_itself_is_found(tmp_path, file, name):
    (tmp_path / file).touch()
    assert fetch_published(name, tmp_path) == str(tmp_path / file).removesuffix(".index")


def test_mobilenet_of_another_year_is_not_found(tmp_path):
    (tmp_path / "mobilenet_v1_1.0_224.ckpt.index").touch()
    assert find_downloaded("mobilenet_v1_1.0_224_2018_02_22", tmp_path) is None
    assert find_downloaded("mobilenet_v1_1.0_224_2017_06_14", tmp_path) is None


def test_name_and_path_of_a_download_find_the_same_checkpoint(tmp_path):
    name = "v3-large_224_1.0_float"
    for kind in ("ema", "pristine"):
        (tmp_path / name / name / kind).mkdir(parents=True)
        (tmp_path / name / name / kind / "model-540000.index").touch()
    found = str(tmp_path / name / name / "ema" / "model-540000")
    assert find_downloaded(name, tmp_path) == found
    assert resolve_checkpoint_path(str(tmp_path / name), "mobilenet_v3_large") == found


def test_downloaded_folder_without_checkpoint_must_be_removed(tmp_path):
    (tmp_path / NAME).mkdir()
    with pytest.raises(BadInput, match="holds no checkpoint.*; remove the folder to"):
        find_downloaded(NAME, tmp_path)


@pytest.mark.parametrize(
    ("suffix", "packing"),
    [(".tar.gz", "gz"), (".tgz", "gz"), (".tar", ""), (".tar.bz2", "bz2"), (".tar.xz", "xz")],
)
def test_archive_is_unpacked_beside_itself_once(tmp_path, monkeypatch, suffix, packing):
    path = tmp_path / f"net_1.0{suffix}"
    with tarfile.open(path, f"w:{packing}") as tar:
        tar.addfile(*member("vgg_16.ckpt", content=b"weights"))
    assert resolve_checkpoint_path(str(path)) == str(tmp_path / "net_1.0" / "vgg_16.ckpt")
    monkeypatch.delattr(checkpoint_download, "unpack")
    assert resolve_checkpoint_path(str(path)) == str(tmp_path / "net_1.0" / "vgg_16.ckpt")
    assert names_in(tmp_path) == sorted(["net_1.0", path.name])


def test_archive_of_a_run_gives_its_latest_checkpoint(tmp_path):
    state = b'model_checkpoint_path: "/home/of/another/runs/flowers/model.ckpt-90"\n'
    write_tgz(
        tmp_path / "run.tgz",
        member("flowers/checkpoint", content=state),
        *(member(f"flowers/model.ckpt-{step}.index") for step in (9, 90, 100)),
        member("flowers/best/model.ckpt-9.index"),
    )
    assert unpack_beside(tmp_path / "run.tgz") == str(tmp_path / "run/flowers/model.ckpt-90")


@pytest.mark.parametrize("folder_is", ["the user's", "of another archive"])
def test_folder_that_does_not_come_from_the_archive_is_refused(tmp_path, folder_is):
    archive = write_tgz(tmp_path / "net.tgz", member("a.ckpt", content=b"first"))
    if folder_is == "the user's":
        (tmp_path / "net").mkdir()
        (tmp_path / "net" / "other.ckpt").write_bytes(b"other")
    else:
        assert Path(unpack_beside(archive)).read_bytes() == b"first"
        write_tgz(archive, member("a.ckpt", content=b"later"))
    with pytest.raises(BadInput, match="net does not come from .*net.tgz; remove or rename"):
        unpack_beside(archive)
    (tmp_path / "net").rename(tmp_path / "mine")
    expected = b"first" if folder_is == "the user's" else b"later"
    assert Path(unpack_beside(archive)).read_bytes() == expected


def test_archive_that_cannot_be_unpacked_is_one_line(tmp_path, content):
    (tmp_path / "net.tgz").write_bytes(content)
    (tmp_path / "net").write_text("in the way")
    with pytest.raises(BadInput, match="net: cannot unpack net.tgz there .*enough space"):
        unpack_beside(tmp_path / "net.tgz")
    assert names_in(tmp_path) == ["net", "net.tgz"]
