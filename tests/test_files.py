import subprocess
import sys
import threading
from pathlib import Path

from system.files import staging_folder
from system.locks import locked

ROOT = Path(__file__).parent.parent


def visible_and_hidden(folder):
    return sorted(path.name for path in folder.iterdir())


def test_staging_folder_is_deleted_at_the_end(tmp_path):
    with staging_folder(tmp_path / "flowers") as folder:
        (folder / "a").mkdir()
        (folder / "a" / "b").write_text("b")
        assert folder.parent == tmp_path
        assert folder.name.startswith(".")
    assert visible_and_hidden(tmp_path) == []


def test_renamed_staging_folder_is_kept(tmp_path):
    with staging_folder(tmp_path / "flowers") as folder:
        (folder / "a").write_text("a")
        folder.rename(tmp_path / "flowers")
    assert visible_and_hidden(tmp_path) == ["flowers"]


def test_only_folders_of_killed_processes_are_deleted(tmp_path):
    script = (
        "import os, signal, sys\n"
        "from system.files import staging_folder\n"
        "with staging_folder(sys.argv[1]) as folder:\n"
        "    (folder / 'half').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "flowers"], check=False, cwd=ROOT)
    assert len(visible_and_hidden(tmp_path)) == 1
    (tmp_path / ".flowers").mkdir()
    (tmp_path / "flowers.jpg.partial").mkdir()
    with staging_folder(tmp_path / "flowers") as folder:
        assert visible_and_hidden(tmp_path) == [".flowers", folder.name, "flowers.jpg.partial"]


def test_staging_folders_in_use_are_kept(tmp_path):
    with staging_folder(tmp_path / "flowers") as first:
        (first / "a").write_text("a")
        with staging_folder(tmp_path / "flowers") as second:
            assert first != second
            assert (first / "a").read_text() == "a"


def test_lock_is_held_by_one_thread_at_a_time(tmp_path):
    lock, counter = tmp_path / ".lock", tmp_path / "counter"
    counter.write_text("0")

    def count():
        for _ in range(25):
            with locked(lock):
                counter.write_text(str(int(counter.read_text()) + 1))

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.read_text() == "200"
    assert not lock.exists()
