import errno
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from serving import versions
from system.errors import BadInput


def write(folder, version=None, text="a model"):
    with versions.staged_version(folder) as staged:
        (staged / "assets.extra").mkdir()
        (staged / "assets.extra" / "labels.txt").write_text(text)
        return versions.publish(staged, folder, version)


def test_next_version_follows_the_highest(tmp_path):
    folder = tmp_path / "exports"
    for name in ("tflite", "12a", ".13", "021", "٣"):
        (folder / name).mkdir(parents=True)
    assert write(folder) == folder / "1"
    assert write(folder, 20260801) == folder / "20260801"
    assert write(folder).name == "20260802"
    assert versions.list_versions(folder) == [1, 20260801, 20260802]
    assert versions.list_versions(tmp_path / "nowhere") == []


def test_existing_version_is_not_overwritten(tmp_path):
    write(tmp_path, 3, "the first")
    for refuse in (versions.check_version_is_free, write):
        with pytest.raises(BadInput, match="3 exists, and versions are never overwritten"):
            refuse(tmp_path, 3)
    assert (tmp_path / "3" / "assets.extra" / "labels.txt").read_text() == "the first"
    assert [path.name for path in tmp_path.iterdir()] == ["3"]


def test_version_taken_in_the_meantime_is_refused(tmp_path, monkeypatch):
    write(tmp_path, 3, "the first")
    results = iter([[]])  # the check finds no version, and runs only once
    monkeypatch.setattr(versions, "list_versions", lambda folder: next(results))
    with pytest.raises(BadInput, match="3 exists"):
        write(tmp_path, 3)
    assert (tmp_path / "3" / "assets.extra" / "labels.txt").read_text() == "the first"


@pytest.mark.parametrize("version", [None, 1])
def test_concurrent_exports_get_different_versions_or_are_refused(tmp_path, version):
    start, refused = threading.Barrier(8), []

    def export(text):
        with versions.staged_version(tmp_path) as staged:
            (staged / "model").write_text(text)
            start.wait(timeout=60)
            try:
                versions.publish(staged, tmp_path, version)
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
def test_failed_export_leaves_nothing(tmp_path, failure):
    with pytest.raises(failure), versions.staged_version(tmp_path) as staged:
        (staged / "half").write_text("a mod")
        raise failure
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_reported(tmp_path, monkeypatch):
    def fill(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(versions, "make_durable", fill)
    with pytest.raises(BadInput, match=r"cannot be written \(No space left on device\)"):
        write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_export_killed_before_the_rename_leaves_no_version_and_is_cleaned_up(tmp_path):
    killed = """
import os, pathlib, signal, sys
from serving import versions

pathlib.Path.rename = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
with versions.staged_version(sys.argv[1]) as staged:
    (staged / "model").write_text("a model")
    versions.publish(staged, sys.argv[1])
"""
    project = Path(versions.__file__).parent.parent
    process = subprocess.run([sys.executable, "-c", killed, str(tmp_path)], cwd=project)
    assert process.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".")
    assert (left / "model").read_text() == "a model"
    assert versions.list_versions(tmp_path) == []
    write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_folder_that_cannot_be_created_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="file/exports: cannot be written .*writable"):
        write(tmp_path / "file" / "exports")
