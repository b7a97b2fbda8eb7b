import io
import os
import shutil

import pytest
from PIL import Image
from tiny_photos import tiny_photo, write_photos

from datasets.photo_files import PhotoFile, arriving_photos, find_photo_files, read_jpegs
from datasets.photos import BadPhoto
from system.errors import BadInput

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")


def names(files):
    return [file.name for file in files]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A working directory with a few photos in the folder `garden`."""
    monkeypatch.chdir(tmp_path)
    return write_photos(tmp_path / "garden", {"daisy": 2, "roses": 1})


def test_folder_is_searched_recursively_in_sorted_order(photos):
    tiny_photo(9).save("garden/zinnia.png")
    assert names(find_photo_files(["garden"])) == [
        "garden/daisy/0.jpg",
        "garden/daisy/1.jpg",
        "garden/roses/0.jpg",
        "garden/zinnia.png",
    ]


def test_hidden_files_system_files_and_other_files_of_a_folder_are_ignored(photos):
    shutil.copy("garden/daisy/0.jpg", "garden/.hidden.jpg")
    shutil.copytree("garden/daisy", "garden/.thumbnails")
    for name in ("Thumbs.db", "LICENSE.txt", "labels.csv", "empty"):
        (photos / name).write_text("" if name == "empty" else "not a photo")
    assert len(find_photo_files(["garden"])) == 3


def test_files_with_the_suffix_of_a_photo_are_found_even_if_broken(photos):
    (photos / "broken.JPG").write_text("<html>")
    (photos / "gone.jpg").symlink_to("nowhere")
    assert names(find_photo_files(["garden"]))[:2] == ["garden/broken.JPG", "garden/daisy/0.jpg"]
    assert "garden/gone.jpg" in names(find_photo_files(["garden"]))


@pytest.mark.parametrize("form", FORMATS)
def test_photo_without_a_suffix_is_found_by_its_signature(tmp_path, form):
    tiny_photo(0).save(tmp_path / "photo", form)
    assert names(find_photo_files([tmp_path])) == [str(tmp_path / "photo")]


def test_file_named_explicitly_needs_no_suffix(photos):
    (photos / "notes.txt").write_text("not a photo")
    assert names(find_photo_files(["garden/notes.txt"])) == ["garden/notes.txt"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("garden/daisy/*.jpg", ["garden/daisy/0.jpg", "garden/daisy/1.jpg"]),
        ("garden/**/0.jpg", ["garden/daisy/0.jpg", "garden/roses/0.jpg"]),
        ("garden/*", ["garden/daisy/0.jpg", "garden/daisy/1.jpg", "garden/roses/0.jpg"]),
        ("garden/daisy/[!0].jpg", ["garden/daisy/1.jpg"]),
    ],
)
def test_pattern_is_expanded(photos, pattern, expected):
    assert names(find_photo_files([pattern])) == expected


def test_existing_file_is_not_read_as_a_pattern(photos):
    (photos / "0.jpg").write_text("what the pattern matches")
    tiny_photo(0).save("garden/[0].jpg")
    assert names(find_photo_files(["garden/[0].jpg"])) == ["garden/[0].jpg"]


def test_file_named_several_times_comes_once_in_its_first_place(photos):
    given = ["garden/roses/0.jpg", "./garden/../garden/roses/0.jpg", photos, "garden/*/0.jpg"]
    found = names(find_photo_files(given))
    assert found[0] == "garden/roses/0.jpg"
    assert len(found) == len({os.path.realpath(name) for name in found}) == 3


def test_links_to_folders_are_followed_without_loops(photos, tmp_path):
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "garden").symlink_to(photos)
    (photos / "daisy" / "back").symlink_to(photos)
    assert len(find_photo_files(["links"])) == 3


def test_stdin_may_hold_one_name_per_line(photos):
    lines = b"garden/roses/0.jpg\r\n\ngarden/daisy\ngarden/d*/1.jpg"
    found = find_photo_files(["-", "garden/roses"], io.BytesIO(lines))
    assert names(found) == ["garden/roses/0.jpg", "garden/daisy/0.jpg", "garden/daisy/1.jpg"]


@pytest.mark.parametrize("form", FORMATS)
def test_stdin_may_hold_a_photo(form):
    encoded = io.BytesIO()
    tiny_photo(0).save(encoded, form)
    (file,) = find_photo_files(["-"], io.BytesIO(encoded.getvalue()))
    assert file.name == "-"
    assert Image.open(io.BytesIO(file.read())).size == (24, 16)


@pytest.mark.parametrize(
    ("name", "stdin", "expected"),
    [
        ("nowhere.jpg", b"", "^'nowhere.jpg': no such file or folder"),
        ("", b"", "^'': no such file or folder"),
        ("garden/*.webp", b"", r"^'garden/\*.webp': matches no photo"),
        ("empty", b"", "^'empty': contains no photos"),
        ("-", b"", "^stdin is empty"),
        ("-", b"\n\r\n", "^stdin is empty"),
        ("-", b"lost.jpg\nroses/*.jpg\n", "^'lost.jpg': no such file or folder"),
        ("-", b"\n<HTML>\nNot found</HTML>", "^'-': an HTML page, not a photo"),
    ],
)
def test_names_that_match_nothing_at_all_are_an_error(photos, name, stdin, expected):
    (photos.parent / "empty").mkdir()
    with pytest.raises(BadInput, match=expected) as error:
        find_photo_files([name], io.BytesIO(stdin))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "stdin", "missing", "fault"),
    [
        ("nowhere.jpg", b"", "nowhere.jpg", "no such file or folder"),
        ("garden/*.webp", b"", "garden/*.webp", "matches no photo"),
        ("empty", b"", "empty", "contains no photos"),
        ("-", b"lost.jpg\ngarden/daisy/1.jpg\n", "lost.jpg", "no such file or folder"),
        ("-", b"<!DOCTYPE html>", "-", "an HTML page, not a photo"),
    ],
)
def test_name_that_matches_nothing_does_not_stop_the_others(photos, name, stdin, missing, fault):
    (photos.parent / "empty").mkdir()
    files = find_photo_files(["garden/daisy/0.jpg", name, "garden"], io.BytesIO(stdin))
    assert len(files) == 4
    read = {file.name: photo for file, photo in read_jpegs(files)}
    bad = {name: str(photo) for name, photo in read.items() if isinstance(photo, BadPhoto)}
    assert bad == {missing: fault}
    assert names(files)[:2] == ["garden/daisy/0.jpg", missing]


def test_photos_or_their_faults_come_in_order(photos):
    os.mkfifo("garden/pipe.jpg")
    (photos / "page.jpg").write_text("<html>")
    (photos / "gone.jpg").symlink_to("nowhere")
    given = ["garden/pipe.jpg", "garden/daisy/1.jpg", "garden/page.jpg", "garden/gone.jpg"]
    found = list(read_jpegs([*map(PhotoFile, given), PhotoFile("-", b"\0")]))
    assert names(file for file, _ in found) == [*given, "-"]
    assert found[1][1] == (photos / "daisy" / "1.jpg").read_bytes()
    assert [str(photo) for _, photo in found if isinstance(photo, BadPhoto)] == [
        "not a regular file",
        "an HTML page, not a photo",
        "no such file",
        "not a photo: expected JPEG, PNG, BMP, GIF, WebP or TIFF",
    ]


class Events:
    """Changes to a folder, one between each two scans."""

    def __init__(self, *events):
        self.events = list(events)

    def wait(self):
        if self.events:
            self.events.pop(0)()
            return True
        return False


def nothing():
    pass


def test_arriving_photos_come_once_when_they_are_complete(tmp_path):
    tiny_photo(0).save(tmp_path / "old.jpg")
    photo = (tmp_path / "old.jpg").read_bytes()
    slow, early = tmp_path / "slow.jpg", tmp_path / "early.jpg"
    events = Events(
        lambda: (slow.write_bytes(photo[:100]), early.touch()),
        lambda: slow.write_bytes(photo[:200]),
        lambda: slow.write_bytes(photo),
        lambda: early.write_bytes(photo),
        nothing,
        lambda: slow.unlink(),
        nothing,
    )
    scans = [names(files) for files in arriving_photos(tmp_path, events.wait)]
    assert scans == [[], [str(tmp_path / "old.jpg")], [], [], [str(slow)], [str(early)], [], []]


def test_replaced_photo_comes_again(tmp_path):
    path = tmp_path / "latest.jpg"
    path.write_bytes(b"first")
    events = Events(nothing, nothing, lambda: path.write_bytes(b"the second"), nothing, nothing)
    scans = [len(files) for files in arriving_photos(tmp_path, events.wait)]
    assert scans == [0, 1, 0, 0, 1, 0]


def test_file_with_a_new_time_is_not_complete(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"first")
    events = Events(lambda: (path.write_bytes(b"again"), os.utime(path, (0, 0))), nothing)
    assert [len(files) for files in arriving_photos(tmp_path, events.wait)] == [0, 0, 1]


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(BadInput, match="nowhere"):
        next(arriving_photos(tmp_path / "nowhere", nothing))
