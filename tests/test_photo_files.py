import io
import os
import shutil

import pytest
from tiny_photos import tiny_photo, write_photos

from bad_input import BadInput
from datasets.photo_files import PhotoFile, arriving_photos, find_photo_files, read_photos
from datasets.photos import BadPhoto

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")


def names(files):
    return [file.name for file in files]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A working directory with a few photos in a folder `garden`."""
    monkeypatch.chdir(tmp_path)
    return write_photos(tmp_path / "garden", {"daisy": 2, "roses": 1})


def test_a_folder_is_its_photos_and_those_in_its_folders_sorted(photos):
    tiny_photo(9).save("garden/zinnia.png")
    assert names(find_photo_files(["garden"])) == [
        "garden/daisy/0.jpg",
        "garden/daisy/1.jpg",
        "garden/roses/0.jpg",
        "garden/zinnia.png",
    ]


def test_hidden_files_litter_and_what_is_plainly_no_photo_are_left_out_of_a_folder(photos):
    shutil.copy("garden/daisy/0.jpg", "garden/.hidden.jpg")
    shutil.copytree("garden/daisy", "garden/.thumbnails")
    for name in ("Thumbs.db", "LICENSE.txt", "labels.csv", "empty"):
        (photos / name).write_text("" if name == "empty" else "of no photo")
    assert len(find_photo_files(["garden"])) == 3


def test_what_is_called_like_a_photo_is_taken_broken_or_not(photos):
    (photos / "broken.JPG").write_text("<html>")
    (photos / "gone.jpg").symlink_to("nowhere")
    assert names(find_photo_files(["garden"]))[:2] == ["garden/broken.JPG", "garden/daisy/0.jpg"]
    assert "garden/gone.jpg" in names(find_photo_files(["garden"]))


@pytest.mark.parametrize("form", FORMATS)
def test_a_photo_without_a_suffix_is_known_by_its_beginning(tmp_path, form):
    tiny_photo(0).save(tmp_path / "photo", form)
    assert names(find_photo_files([tmp_path])) == [str(tmp_path / "photo")]


def test_a_file_that_is_named_is_taken_whatever_it_is_called(photos):
    (photos / "notes.txt").write_text("no photo")
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
def test_a_pattern_that_no_shell_has_expanded(photos, pattern, expected):
    assert names(find_photo_files([pattern])) == expected


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(photos):
    (photos / "0.jpg").write_text("what the pattern matches")
    tiny_photo(0).save("garden/[0].jpg")
    assert names(find_photo_files(["garden/[0].jpg"])) == ["garden/[0].jpg"]


def test_a_file_that_is_named_in_several_ways_comes_once_where_it_was_named_first(photos):
    given = ["garden/roses/0.jpg", "./garden/../garden/roses/0.jpg", photos, "garden/*/0.jpg"]
    found = names(find_photo_files(given))
    assert found[0] == "garden/roses/0.jpg"
    assert len(found) == len({os.path.realpath(name) for name in found}) == 3


def test_links_to_folders_are_followed_and_their_rounds_cut(photos, tmp_path):
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "garden").symlink_to(photos)
    (photos / "daisy" / "back").symlink_to(photos)
    assert len(find_photo_files(["links"])) == 3


def test_names_come_from_stdin_a_line_each(photos):
    lines = b"garden/roses/0.jpg\r\n\ngarden/daisy\ngarden/d*/1.jpg"
    found = find_photo_files(["-", "garden/roses"], io.BytesIO(lines))
    assert names(found) == ["garden/roses/0.jpg", "garden/daisy/0.jpg", "garden/daisy/1.jpg"]


@pytest.mark.parametrize("form", FORMATS)
def test_a_photo_comes_from_stdin(form):
    encoded = io.BytesIO()
    tiny_photo(0).save(encoded, form)
    (file,) = find_photo_files(["-"], io.BytesIO(encoded.getvalue()))
    assert file.name == "-"
    assert (file.read().height, file.read().width) == (16, 24)


@pytest.mark.parametrize(
    ("name", "stdin", "expected"),
    [
        ("nowhere.jpg", b"", "^'nowhere.jpg': no such file or folder"),
        ("", b"", "^'': no such file or folder"),
        ("garden/*.webp", b"", r"^'garden/\*.webp': matches no photo"),
        ("empty", b"", "^'empty': holds no photos"),
        ("-", b"", "^nothing came from stdin"),
        ("-", b"\n\r\n", "^nothing came from stdin"),
        ("-", b"lost.jpg\nroses/*.jpg\n", "^'lost.jpg': no such file or folder"),
        ("-", b"\n<HTML>\nNot found</HTML>", "^'-': stdin holds an HTML page and no photo"),
    ],
)
def test_where_nothing_is_meant_that_is_told_before_anything_starts(photos, name, stdin, expected):
    (photos.parent / "empty").mkdir()
    with pytest.raises(BadInput, match=expected) as error:
        find_photo_files([name], io.BytesIO(stdin))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "stdin", "missing", "fault"),
    [
        ("nowhere.jpg", b"", "nowhere.jpg", "no such file or folder"),
        ("garden/*.webp", b"", "garden/*.webp", "matches no photo"),
        ("empty", b"", "empty", "holds no photos"),
        ("-", b"lost.jpg\ngarden/daisy/1.jpg\n", "lost.jpg", "no such file or folder"),
        ("-", b"<!DOCTYPE html>", "-", "stdin holds an HTML page and no photo"),
    ],
)
def test_a_name_that_means_nothing_does_not_stop_the_rest(photos, name, stdin, missing, fault):
    (photos.parent / "empty").mkdir()
    files = find_photo_files(["garden/daisy/0.jpg", name, "garden"], io.BytesIO(stdin))
    assert len(files) == 4
    answers = {file.name: photo for file, photo in read_photos(files)}
    assert {name: str(photo) for name, photo in answers.items() if isinstance(photo, BadPhoto)} == {
        missing: fault
    }
    assert names(files)[:2] == ["garden/daisy/0.jpg", missing]


def test_each_photo_is_read_or_says_why_not_in_order(photos):
    os.mkfifo("garden/pipe.jpg")
    (photos / "page.jpg").write_text("<html>")
    (photos / "gone.jpg").symlink_to("nowhere")
    given = ["garden/pipe.jpg", "garden/daisy/1.jpg", "garden/page.jpg", "garden/gone.jpg"]
    found = list(read_photos([*map(PhotoFile, given), PhotoFile("-", b"\0")]))
    assert names(file for file, _ in found) == [*given, "-"]
    assert found[1][1].jpeg == (photos / "daisy" / "1.jpg").read_bytes()
    assert [str(photo) for _, photo in found if isinstance(photo, BadPhoto)] == [
        "no regular file",
        "an HTML page, no photo",
        "cannot be read: No such file or directory",
        "no photo: expected JPEG, PNG, BMP, GIF, WebP or TIFF",
    ]


class Days:
    """What happens in a folder, an event between two looks."""

    def __init__(self, *events):
        self.events = list(events)

    def pass_by(self):
        if self.events:
            self.events.pop(0)()
            return True
        return False


def nothing():
    pass


def test_photos_are_handed_out_once_when_they_are_written_whole(tmp_path):
    tiny_photo(0).save(tmp_path / "old.jpg")
    photo = (tmp_path / "old.jpg").read_bytes()
    slow, early = tmp_path / "slow.jpg", tmp_path / "early.jpg"
    days = Days(
        lambda: (slow.write_bytes(photo[:100]), early.touch()),
        lambda: slow.write_bytes(photo[:200]),
        lambda: slow.write_bytes(photo),
        lambda: early.write_bytes(photo),
        nothing,
        lambda: slow.unlink(),
        nothing,
    )
    looks = [names(files) for files in arriving_photos(tmp_path, days.pass_by)]
    assert looks == [[], [str(tmp_path / "old.jpg")], [], [], [str(slow)], [str(early)], [], []]


def test_a_photo_that_another_one_replaces_comes_again(tmp_path):
    path = tmp_path / "latest.jpg"
    path.write_bytes(b"first")
    days = Days(nothing, nothing, lambda: path.write_bytes(b"the second"), nothing, nothing)
    looks = [len(files) for files in arriving_photos(tmp_path, days.pass_by)]
    assert looks == [0, 1, 0, 0, 1, 0]


def test_a_file_of_the_same_size_still_changes_with_its_time(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"first")
    days = Days(lambda: (path.write_bytes(b"again"), os.utime(path, (0, 0))), nothing)
    assert [len(files) for files in arriving_photos(tmp_path, days.pass_by)] == [0, 0, 1]


def test_a_folder_to_watch_has_to_be_there(tmp_path):
    with pytest.raises(BadInput, match="nowhere"):
        next(arriving_photos(tmp_path / "nowhere", nothing))
