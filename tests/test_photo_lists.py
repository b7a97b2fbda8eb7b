from pathlib import Path

import pytest
from tiny_photos import write_photos

from datasets.photo_lists import find_photos, read_photos_list
from system.errors import BadInput


def write_list(folder, text, encoding="utf-8"):
    path = folder / "photos.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_list_names_photos_and_their_labels(tmp_path):
    path = write_list(
        tmp_path,
        f"file,label\nz.jpg,roses\ndeep/a.jpg,daisy\n{tmp_path}/b.jpg,roses\n../c.jpg,daisy\n",
    )
    photos = read_photos_list(path)
    assert photos.place == path
    assert photos.strays == []
    assert list(photos.classes) == ["daisy", "roses"]
    assert {
        label: [(photo.path, photo.file, photo.label, photo.record) for photo in listed]
        for label, listed in photos.classes.items()
    } == {
        "daisy": [
            (tmp_path / "deep/a.jpg", "deep/a.jpg", "daisy", "record 2 (line 3)"),
            (tmp_path / "../c.jpg", "../c.jpg", "daisy", "record 4 (line 5)"),
        ],
        "roses": [
            (tmp_path / "z.jpg", "z.jpg", "roses", "record 1 (line 2)"),
            (tmp_path / "b.jpg", f"{tmp_path}/b.jpg", "roses", "record 3 (line 4)"),
        ],
    }


def test_quotes_follow_rfc_4180(tmp_path):
    text = (
        'file,"label"\r\n"a, b.jpg","say ""rose"""\r\n\r\n"two\nlines.jpg",rôse\r\nlast.jpg,"1:x"'
    )
    photos = read_photos_list(write_list(tmp_path, text, "utf-8-sig"))
    assert {label: listed[0].file for label, listed in photos.classes.items()} == {
        "1:x": "last.jpg",
        "rôse": "two\nlines.jpg",
        'say "rose"': "a, b.jpg",
    }
    assert photos.classes["rôse"][0].record == "record 2 (line 5)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "starts with '', expected the header file,label"),
        ("a.jpg,daisy\n", "starts with 'a.jpg,daisy', expected the header file,label"),
        ("label,file\n", "starts with 'label,file', expected the header"),
        ("file;label\na.jpg;daisy\n", "starts with 'file;label', expected the header"),
        ("file,label\n", "lists no photos"),
        ("file,label\na.jpg,x\nb.jpg\n", r"record 2 \(line 3\) has 1 fields, expected file,label"),
        (
            "file,label\na, b.jpg,x\n",
            r"record 1 \(line 2\) has 3 fields.* quote a field with a comma",
        ),
        ("file,label\n ,daisy\n", r"record 1 \(line 2\) names no file"),
        ("file,label\na.jpg,x\n\nb.jpg,\n", r"record 2 \(line 4\), b.jpg, has an empty label"),
        ("file,label\na.jpg,  \n", r"record 1 \(line 2\), a.jpg, has an empty label"),
        ("file,label\na.jpg, x\n", r"record 1 .*, a.jpg, has the label ' x'; expected printable"),
        ('file,label\na.jpg,"x\ny"\n', r"record 1 \(line 3\), a.jpg, has the label 'x\\ny'; exp"),
        ("file,label\na.jpg,\u200bx\n", r"has the label '\\u200bx'; expected printable"),
        (
            "file,label\na.jpg,x\nb.jpg,x\n./a.jpg,y\n",
            r"record 3 \(line 4\) repeats the file of record 1 \(line 2\), a.jpg, as x and y; l",
        ),
        (
            "file,label\na.jpg,x\nb/../a.jpg,x\n",
            r"record 2 \(line 3\) repeats the file of record 1 \(line 2\), b/../a.jpg, as x; list",
        ),
        (
            'file,label\na.jpg,x\n"b.jpg,x\n',
            r"record 2 \(line 3\) is not valid CSV .*write \" inside it",
        ),
        ('file,label\n"b"c.jpg,x\n', r"record 1 \(line 2\) is not valid CSV"),
    ],
)
def test_invalid_record_is_named_in_one_line(tmp_path, text, expected):
    path = write_list(tmp_path, text)
    with pytest.raises(BadInput, match=expected) as raised:
        read_photos_list(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


def test_unreadable_list_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"none.csv: cannot be read \(No such file or directory\)"):
        read_photos_list(tmp_path / "none.csv")
    with pytest.raises(BadInput, match=r"cannot be read \(Is a directory\); expected a CSV file"):
        read_photos_list(tmp_path)
    path = write_list(tmp_path, "file,label\na.jpg,rôse\n", "latin-1")
    with pytest.raises(BadInput, match=r"cannot be read \('utf-8' codec .* CSV file in UTF-8"):
        read_photos_list(path)


def test_folder_has_classes_and_strays(tmp_path):
    write_photos(tmp_path, {"roses": 2, "daisy": 1})
    for name in ("stray.PNG", "LICENSE.txt", ".hidden.jpg", "daisy/Thumbs.db"):
        (tmp_path / name).touch()
    photos = find_photos(tmp_path)
    assert {label: [p.file for p in listed] for label, listed in photos.classes.items()} == {
        "daisy": ["daisy/0.jpg"],
        "roses": ["roses/0.jpg", "roses/1.jpg"],
    }
    assert [(photo.file, photo.label) for photo in photos.strays] == [("stray.PNG", None)]
    assert {p.label for p in photos.classes["roses"]} == {"roses"}


def test_relative_path_of_a_list_works(tmp_path, monkeypatch):
    write_list(tmp_path, "file,label\na.jpg,x\n")
    monkeypatch.chdir(tmp_path)
    (photo,) = read_photos_list("photos.csv").classes["x"]
    assert (photo.path, photo.file) == (Path("a.jpg"), "a.jpg")
