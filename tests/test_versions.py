import threading

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
    for name in ("tflite", "12a", ".13"):
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


def test_what_fails_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), versions.written_aside(tmp_path) as aside:
        (aside / "half").write_text("a mod")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="file/exports: cannot be written .*writable and has room"):
        write(tmp_path / "file" / "exports")
