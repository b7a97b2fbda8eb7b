import errno
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bad_input import BadInput
from serving import versions


def write(folder, version=None, text="a model"):
    with versions.written_aside(folder) as aside:
        (aside / "assets.extra").mkdir()
        (aside / "assets.extra" / "labels.txt").write_text(text)
        return versions.publish(aside, folder, version)


def test_a_version_follows_the_highest(tmp_path):
    folder = tmp_path / "exports"
    for name in ("tflite", "12a", ".13", "021", "٣"):
        (folder / name).mkdir(parents=True)
    assert write(folder) == folder / "1"
    assert write(folder, 20260801) == folder / "20260801"
    assert write(folder).name == "20260802"
    assert versions.numbers(folder) == [1, 20260801, 20260802]
    assert versions.numbers(tmp_path / "nowhere") == []


def test_an_existing_version_is_never_overwritten(tmp_path):
    write(tmp_path, 3, "the first")
    for refusing in (lambda: versions.refuse_existing(tmp_path, 3), lambda: write(tmp_path, 3)):
        with pytest.raises(BadInput, match="3 exists, and a version is never overwritten"):
            refusing()
    assert (tmp_path / "3" / "assets.extra" / "labels.txt").read_text() == "the first"
    assert [path.name for path in tmp_path.iterdir()] == ["3"]


def test_a_version_that_was_taken_since_is_refused_at_once(tmp_path, monkeypatch):
    write(tmp_path, 3, "the first")
    looks = iter([[]])  # at the first look there is none, and there is no second
    monkeypatch.setattr(versions, "numbers", lambda folder: next(looks))
    with pytest.raises(BadInput, match="3 exists"):
        write(tmp_path, 3)
    assert (tmp_path / "3" / "assets.extra" / "labels.txt").read_text() == "the first"


@pytest.mark.parametrize("version", [None, 1])
def test_exports_at_once_take_a_number_each_or_are_refused(tmp_path, version):
    start, refused = threading.Barrier(8), []

    def export(text):
        with versions.written_aside(tmp_path) as aside:
            (aside / "model").write_text(text)
            start.wait(timeout=60)
            try:
                versions.publish(aside, tmp_path, version)
            except BadInput:
                refused.append(text)

    threads = [threading.Thread(target=export, args=[f"export {i}"]) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    published = [path.read_text() for path in tmp_path.glob("*/model")]
    assert sorted(published + refused) == [f"export {i}" for i in range(8)]
    assert len(published) == (8 if version is None else 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        str(1 + i) for i in range(len(published))
    ]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, TimeoutError])
def test_what_fails_says_what_it_is_and_leaves_nothing(tmp_path, failure):
    with pytest.raises(failure), versions.written_aside(tmp_path) as aside:
        (aside / "half").write_text("a mod")
        raise failure
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_at_the_end_is_one_line(tmp_path, monkeypatch):
    def fill(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(versions, "make_durable", fill)
    with pytest.raises(BadInput, match=r"cannot be written \(No space left on device\)"):
        write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_kill_before_the_rename_leaves_no_version_and_the_next_export_clears_up(tmp_path):
    killed = """
import os, pathlib, signal, sys
from serving import versions

pathlib.Path.rename = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
with versions.written_aside(sys.argv[1]) as aside:
    (aside / "model").write_text("a model")
    versions.publish(aside, sys.argv[1])
"""
    project = Path(versions.__file__).parent.parent
    process = subprocess.run([sys.executable, "-c", killed, str(tmp_path)], cwd=project)
    assert process.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".")
    assert (left / "model").read_text() == "a model"
    assert versions.numbers(tmp_path) == []
    write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="file/exports: cannot be written .*writable and has room"):
        write(tmp_path / "file" / "exports")
