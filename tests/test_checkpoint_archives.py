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
from loopback import break_off_early, lie_about_the_length, send, served
from published_archives import FILE, NAME, publish_at, tgz_bytes
from tiny_archives import member, names_in, write_tgz

import download
from bad_input import BadInput
from nets import checkpoint_archives
from nets.checkpoint_archives import fetch, find_here, unpack_beside
from nets.checkpoint_path import find

ROOT = Path(__file__).parent.parent
NOBODY = "http://127.0.0.1:9"  # nobody listens on port 9


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(download, "PAUSES", (0, 0, 0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("CHECKPOINTS_DIR", raising=False)
    monkeypatch.delenv("CHECKPOINTS_MIRROR", raising=False)


@pytest.fixture
def content(tmp_path_factory):
    return tgz_bytes(tmp_path_factory.mktemp("made"))


@contextlib.contextmanager
def published(monkeypatch, content, *behaviours, digest=None):
    """A server at the published address of `NAME`."""
    with served(content, *behaviours) as server:
        publish_at(monkeypatch, server.url.rpartition("/")[0], digest)
        yield server


def test_what_is_published_is_fetched_once_and_recorded(tmp_path, monkeypatch, content):
    with published(monkeypatch, content) as server:
        found = fetch(NAME, tmp_path, progress=False)
        assert found == fetch(NAME, tmp_path, progress=False)
        assert server.ranges == [None]
    assert found == str(tmp_path / NAME / "vgg_16.ckpt")
    assert Path(found).read_bytes() == b"weights"
    assert names_in(tmp_path) == ["downloads.json", NAME]
    record = json.loads((tmp_path / "downloads.json").read_text())[NAME]
    assert record["url"].endswith(f"/{FILE}")
    assert record["num_bytes"] == len(content)
    assert record["sha256"] == hashlib.sha256(content).hexdigest()
    assert datetime.date.fromisoformat(record["date"])


def test_the_folder_comes_from_the_environment_and_is_made(tmp_path, monkeypatch, content):
    monkeypatch.setenv("CHECKPOINTS_DIR", str(tmp_path / "a" / "b"))
    with published(monkeypatch, content):
        assert fetch(NAME, progress=False) == str(tmp_path / "a" / "b" / NAME / "vgg_16.ckpt")


@pytest.mark.parametrize("way", ["argument", "environment"])
def test_a_mirror_serves_archives_by_their_names(tmp_path, monkeypatch, content, way):
    asked = []

    def note_the_path(handler, content):
        asked.append(handler.path)
        send(handler, content)

    publish_at(monkeypatch, NOBODY)
    with served(content, note_the_path) as server:
        mirror = f"{server.url.rpartition('/')[0]}/mirror/"
        if way == "environment":
            monkeypatch.setenv("CHECKPOINTS_MIRROR", mirror)
        fetch(NAME, tmp_path, mirror if way == "argument" else None, progress=False)
    assert asked == [f"/mirror/{FILE}"]
    assert names_in(tmp_path) == ["downloads.json", NAME]


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_folder_is_a_mirror_too_and_stays_as_it_is(tmp_path, content, scheme):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    with pytest.raises(
        BadInput, match=rf"{FILE}: no such file; the mirror, of --checkpoints_mirror or CHECKPO"
    ):
        fetch(NAME, tmp_path / "here", f"{scheme}{mirror}", progress=False)
    (mirror / FILE).write_bytes(content)
    found = fetch(NAME, tmp_path / "here", f"{scheme}{mirror}", progress=False)
    assert Path(found).read_bytes() == b"weights"
    assert names_in(mirror) == [FILE]


def test_an_archive_put_there_by_hand_is_unpacked_and_kept(tmp_path, monkeypatch, content):
    publish_at(monkeypatch, NOBODY)
    (tmp_path / FILE).write_bytes(content)
    assert fetch(NAME, tmp_path, progress=False) == str(tmp_path / NAME / "vgg_16.ckpt")
    assert names_in(tmp_path) == ["downloads.json", NAME, FILE]


def test_what_a_killed_download_left_is_gone_on_with(tmp_path, monkeypatch, content):
    (tmp_path / f".{FILE}.partial").write_bytes(content[:30])
    with published(monkeypatch, content, break_off_early) as server:
        fetch(NAME, tmp_path, progress=False)
        assert server.ranges[0] == "bytes=30-"
        assert len(server.ranges) == 2
    assert names_in(tmp_path) == ["downloads.json", NAME]


def test_without_network_one_line_names_address_and_folder(tmp_path, monkeypatch):
    publish_at(monkeypatch, NOBODY)
    with pytest.raises(BadInput) as raised:
        fetch(NAME, tmp_path / "here", progress=False)
    message = str(raised.value)
    assert "\n" not in message
    assert message.startswith(f"{NOBODY}/{FILE}: cannot be fetched (ConnectionError)")
    assert f"put it at {tmp_path / 'here' / FILE}, where it is found by itself" in message
    assert "name a mirror with --checkpoints_mirror or CHECKPOINTS_MIRROR" in message
    assert names_in(tmp_path / "here") == []


def test_a_server_that_lies_about_the_length_is_refused(tmp_path, monkeypatch, content):
    with published(monkeypatch, content, *[lie_about_the_length] * 9) as server:
        with pytest.raises(BadInput, match=r"cannot be fetched \(it broke off"):
            fetch(NAME, tmp_path, progress=False)
        assert names_in(tmp_path) == [f".{FILE}.partial"]
        server.behaviours.clear()
        fetch(NAME, tmp_path, progress=False)
    assert names_in(tmp_path) == ["downloads.json", NAME]


def test_another_file_than_the_published_is_refused(tmp_path, monkeypatch, content):
    digest = f"md5:{hashlib.md5(b'the published one').hexdigest()}"
    with published(monkeypatch, content, digest=digest):
        with pytest.raises(BadInput, match=f"sends another file than the published {FILE}"):
            fetch(NAME, tmp_path, progress=False)
        assert names_in(tmp_path) == []
        (tmp_path / FILE).write_bytes(content)
        with pytest.raises(BadInput, match=f"{FILE}: is not the published .*{digest}.*remove it"):
            fetch(NAME, tmp_path, progress=False)
    publish_at(monkeypatch, NOBODY, digest=f"md5:{hashlib.md5(content).hexdigest()}")
    assert fetch(NAME, tmp_path, progress=False)


def test_another_file_than_the_first_time_is_refused_until_it_is_accepted(
    tmp_path, monkeypatch, content
):
    (tmp_path / "here").mkdir()
    other = tgz_bytes(tmp_path, member("vgg_16.ckpt", content=b"other weights"))
    records = tmp_path / "here" / "downloads.json"
    facts = {"url": "u", "num_bytes": len(content), "sha256": "ab12", "date": "2026-01-02"}
    records.write_text(json.dumps({NAME: facts, "another": facts}))
    with published(monkeypatch, other) as server:
        with pytest.raises(BadInput, match="than that of 2026-01-02") as raised:
            fetch(NAME, tmp_path / "here", progress=False)
        message = str(raised.value)
        assert f"({len(other):,} bytes, {hashlib.sha256(other).hexdigest()}; it was" in message
        assert f"it was {len(content):,} bytes, ab12)" in message
        assert f"remove {NAME} from {records} to accept it" in message
        assert names_in(tmp_path / "here") == ["downloads.json", FILE]
        records.write_text(json.dumps({"another": facts}))
        found = fetch(NAME, tmp_path / "here", progress=False)
        assert server.ranges == [None]
    assert Path(found).read_bytes() == b"other weights"
    assert list(json.loads(records.read_text())) == ["another", NAME]


@pytest.mark.parametrize("text", ["{", "[]", '{"vgg_16_2016_08_28": {}}', '{"a": 1}'])
def test_a_broken_record_is_named(tmp_path, text, content):
    (tmp_path / FILE).write_bytes(content)
    (tmp_path / "downloads.json").write_text(text)
    with pytest.raises(BadInput, match="downloads.json is broken .*remove it"):
        fetch(NAME, tmp_path, progress=False)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([member("../outside.ckpt")], "link or device or lies outside"),
        ([member("vgg_16.ckpt", tarfile.SYMTYPE, linkname="/etc/passwd")], "link or device"),
        ([member("vgg_16.ckpt", content=bytes(1001))], "unpacks to more than 1,000 bytes"),
        ([member("readme.txt", content=b"x")], f"{FILE} holds no checkpoint"),
        ([member("a.ckpt"), member("b.ckpt")], rf"{FILE}: which .*\(a.ckpt, b.ckpt\); unpack it"),
    ],
)
def test_an_archive_that_cannot_be_used_leaves_nothing(tmp_path, monkeypatch, members, expected):
    monkeypatch.setattr(checkpoint_archives, "MAX_UNPACKED", 1000)
    write_tgz(tmp_path / FILE, *members)
    with pytest.raises(BadInput, match=expected):
        fetch(NAME, tmp_path, progress=False)
    assert names_in(tmp_path) == [FILE]


def test_an_archive_that_came_broken_is_not_recorded(tmp_path, monkeypatch, content):
    broken = published(monkeypatch, content[:-20])
    expected = f"{FILE}: cannot be unpacked .*fetch it anew"
    with broken, pytest.raises(BadInput, match=expected):
        fetch(NAME, tmp_path, progress=False)
    (tmp_path / FILE).unlink()
    with published(monkeypatch, content):
        assert fetch(NAME, tmp_path, progress=False)


def test_one_killed_while_unpacking_leaves_nothing_half_done(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    script = (
        "import os, signal, sys\n"
        "from nets import checkpoint_archives\n"
        "def unpack_half(path, folder, max_bytes):\n"
        "    (folder / 'vgg_16.ckpt').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "checkpoint_archives.unpack = unpack_half\n"
        f"checkpoint_archives.fetch({NAME!r}, sys.argv[1])\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, tmp_path], check=False, cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert find_here(NAME, tmp_path) is None
    assert Path(fetch(NAME, tmp_path, progress=False)).read_bytes() == b"weights"
    assert names_in(tmp_path) == ["downloads.json", NAME, FILE]


def test_of_two_processes_at_once_one_fetches(tmp_path, content):
    script = (
        "import sys\n"
        "from nets.checkpoint_archives import fetch\n"
        "print('begins', flush=True)\n"
        f"print(fetch({NAME!r}, sys.argv[1], sys.argv[2], progress=False))\n"
    )
    both_began = threading.Event()

    def send_when_both_began(handler, content):
        assert both_began.wait(60)
        send(handler, content)

    with served(content, send_when_both_began) as server, contextlib.ExitStack() as stack:
        argv = [sys.executable, "-c", script, tmp_path, server.url.rpartition("/")[0]]
        processes = [
            stack.enter_context(subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True))
            for _ in range(2)
        ]
        assert [process.stdout.readline() for process in processes] == ["begins\n"] * 2
        both_began.set()
        said = [process.communicate()[0].splitlines() for process in processes]
        assert server.ranges == [None]
    assert [lines[-1] for lines in said] == [str(tmp_path / NAME / "vgg_16.ckpt")] * 2
    assert names_in(tmp_path) == ["downloads.json", NAME]


def test_several_that_fetch_different_ones_are_all_recorded(tmp_path, content):
    names = ["vgg_16_2016_08_28", "vgg_19_2016_08_28", "inception_v3_2016_08_28"]
    for name in names:
        (tmp_path / f"{name}.tar.gz").write_bytes(content)
    threads = [threading.Thread(target=fetch, args=(name, tmp_path)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(json.loads((tmp_path / "downloads.json").read_text())) == sorted(names)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match=r"here: vgg_16.* cannot be put there .*CHECKPOINTS_DIR"):
        fetch(NAME, tmp_path / "file" / "here", progress=False)
    with pytest.raises(BadInput, match="rename the folder"):
        fetch(NAME, tmp_path / "run[1]", progress=False)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("inception_resnet_v2_2016_08_30.ckpt", "inception_resnet_v2_2016_08_30"),
        ("vgg_16.ckpt", "vgg_16_2016_08_28"),
        ("mobilenet_v1_1.0_224.ckpt.index", "mobilenet_v1_1.0_224"),
        ("mobilenet_v1_0.50_160.ckpt.index", "mobilenet_v1_0.50_160_2017_06_14"),
    ],
)
def test_what_was_unpacked_into_the_folder_itself_is_found(tmp_path, file, name):
    (tmp_path / file).touch()
    assert fetch(name, tmp_path, progress=False) == str(tmp_path / file).removesuffix(".index")


def test_a_mobilenet_is_not_taken_for_that_of_another_year(tmp_path):
    (tmp_path / "mobilenet_v1_1.0_224.ckpt.index").touch()
    assert find_here("mobilenet_v1_1.0_224_2018_02_22", tmp_path) is None
    assert find_here("mobilenet_v1_1.0_224_2017_06_14", tmp_path) is None


def test_a_published_folder_is_found_the_same_by_its_name_and_by_its_path(tmp_path):
    name = "v3-large_224_1.0_float"
    for kind in ("ema", "pristine"):
        (tmp_path / name / name / kind).mkdir(parents=True)
        (tmp_path / name / name / kind / "model-540000.index").touch()
    found = str(tmp_path / name / name / "ema" / "model-540000")
    assert find_here(name, tmp_path) == found
    assert find(str(tmp_path / name), "mobilenet_v3_large") == found


def test_a_published_folder_without_a_checkpoint_is_to_be_removed(tmp_path):
    (tmp_path / NAME).mkdir()
    with pytest.raises(BadInput, match="holds no checkpoint.*remove it and it is fetched anew"):
        find_here(NAME, tmp_path)


@pytest.mark.parametrize(
    ("suffix", "packing"),
    [(".tar.gz", "gz"), (".tgz", "gz"), (".tar", ""), (".tar.bz2", "bz2"), (".tar.xz", "xz")],
)
def test_an_archive_is_unpacked_beside_itself_once(tmp_path, monkeypatch, suffix, packing):
    path = tmp_path / f"net_1.0{suffix}"
    with tarfile.open(path, f"w:{packing}") as tar:
        tar.addfile(*member("vgg_16.ckpt", content=b"weights"))
    assert find(str(path)) == str(tmp_path / "net_1.0" / "vgg_16.ckpt")
    monkeypatch.delattr(checkpoint_archives, "unpack")
    assert find(str(path)) == str(tmp_path / "net_1.0" / "vgg_16.ckpt")
    assert names_in(tmp_path) == sorted(["net_1.0", path.name])


def test_the_archive_of_a_run_gives_its_newest_checkpoint(tmp_path):
    state = b'model_checkpoint_path: "/home/of/another/runs/flowers/model.ckpt-90"\n'
    write_tgz(
        tmp_path / "run.tgz",
        member("flowers/checkpoint", content=state),
        *(member(f"flowers/model.ckpt-{step}.index") for step in (9, 90, 100)),
        member("flowers/best/model.ckpt-9.index"),
    )
    assert unpack_beside(tmp_path / "run.tgz") == str(tmp_path / "run/flowers/model.ckpt-90")


@pytest.mark.parametrize("folder_is", ["of somebody", "of another archive"])
def test_a_folder_that_is_not_of_the_archive_is_not_taken_for_it(tmp_path, folder_is):
    archive = write_tgz(tmp_path / "net.tgz", member("a.ckpt", content=b"first"))
    if folder_is == "of somebody":
        (tmp_path / "net").mkdir()
        (tmp_path / "net" / "other.ckpt").write_bytes(b"other")
    else:
        assert Path(unpack_beside(archive)).read_bytes() == b"first"
        write_tgz(archive, member("a.ckpt", content=b"later"))
    with pytest.raises(BadInput, match="net is not what .*net.tgz unpacks to; remove or rename"):
        unpack_beside(archive)
    (tmp_path / "net").rename(tmp_path / "mine")
    expected = b"first" if folder_is == "of somebody" else b"later"
    assert Path(unpack_beside(archive)).read_bytes() == expected


def test_an_archive_that_cannot_be_unpacked_is_one_line(tmp_path, content):
    (tmp_path / "net.tgz").write_bytes(content)
    (tmp_path / "net").write_text("in the way")
    with pytest.raises(BadInput, match="net: net.tgz cannot be unpacked there .*has room"):
        unpack_beside(tmp_path / "net.tgz")
    assert names_in(tmp_path) == ["net", "net.tgz"]
