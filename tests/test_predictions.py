"""Predictions and predictions.csv."""

import numpy as np
import pytest

from evaluation.predictions import Predictions, read_csv, write_csv
from system.errors import BadInput

THREE_IMAGES = Predictions(
    filenames=["a.jpg", "b.jpg", "c.jpg"],
    labels=np.array([0, 1, 1]),
    probabilities=np.array([[0.75, 0.25], [0.5, 0.5], [0.1, 0.9]], np.float32),
    class_names=["daisy", "roses"],
)
TABLE = """\
filename,label,prediction,daisy,roses
a.jpg,daisy,daisy,0.75,0.25
b.jpg,roses,daisy,0.5,0.5
c.jpg,roses,roses,0.1,0.9
"""


def make(**changes):
    return Predictions(
        **{
            "filenames": THREE_IMAGES.filenames,
            "labels": THREE_IMAGES.labels,
            "probabilities": THREE_IMAGES.probabilities,
            "class_names": THREE_IMAGES.class_names,
            **changes,
        }
    )


def test_predicted_class_confidence_and_correctness_are_derived():
    assert THREE_IMAGES.predicted.tolist() == [0, 0, 1]  # of equal probabilities the first
    assert THREE_IMAGES.confidence.tolist() == [0.75, 0.5, np.float32(0.9)]
    assert THREE_IMAGES.correct.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"filenames": [], "labels": np.zeros(0, int), "probabilities": np.zeros((0, 2))},
            "no images",
        ),
        ({"class_names": ["daisy", "daisy"]}, "two classes are named 'daisy'"),
        ({"labels": np.array([0, 2, 1])}, "b.jpg: label 2, expected 0 to 1"),
        ({"labels": np.array([0, 1, -1])}, "c.jpg: label -1"),
        ({"probabilities": np.array([[1, 0], [np.nan, np.nan], [0, 1]])}, "b.jpg: .* got nan"),
        ({"probabilities": np.array([[1, 0], [1, 0], [5.0, -4.0]])}, "c.jpg: .* -4 to 5"),
        ({"probabilities": np.array([[0.9, 0.9], [1, 0], [0, 1]])}, "a.jpg: .* sum 1.8"),
    ],
)
def test_invalid_values_are_refused(changes, message):
    with pytest.raises(BadInput, match=message) as caught:
        make(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("changes", [{"labels": np.zeros(2, int)}, {"class_names": ["a"]}])
def test_lengths_that_do_not_match_are_refused(changes):
    with pytest.raises(ValueError, match="do not match"):
        make(**changes)


def test_file_has_a_header_and_one_row_per_image(tmp_path):
    write_csv(tmp_path / "eval" / "predictions.csv", THREE_IMAGES)
    assert (tmp_path / "eval" / "predictions.csv").read_bytes().decode() == TABLE


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_awkward_names_and_every_digit_are_read_back(tmp_path, dtype):
    names = ["label", "filename", 'a, "b"', "päonie\n2", "prediction"]
    weights = np.random.default_rng(0).random((40, len(names))) ** 30
    probabilities = (weights / weights.sum(axis=1, keepdims=True)).astype(dtype)
    filenames = [f'{i},"ü"' for i in range(39)] + [
        b"not utf-8 \xff.jpg".decode("utf-8", "surrogateescape")
    ]
    written = Predictions(filenames, np.arange(40) % 5, probabilities, names)
    write_csv(tmp_path / "p.csv", written)
    read = read_csv(tmp_path / "p.csv")
    assert (read.filenames, read.class_names) == (filenames, names)
    assert read.labels.dtype == np.int64
    np.testing.assert_array_equal(read.labels, written.labels)
    np.testing.assert_array_equal(read.predicted, written.predicted)
    np.testing.assert_array_equal(read.probabilities.astype(dtype), probabilities)


def test_failed_write_keeps_the_older_file(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("older")
    with pytest.raises(UnicodeEncodeError):
        write_csv(path, make(filenames=["a.jpg", "b.jpg", "\ud800"]))
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_path_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match=r"file/p.csv: cannot be written \(.*\); choose a folder"):
        write_csv(tmp_path / "file" / "p.csv", THREE_IMAGES)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "expected a header filename,label,prediction"),
        ("filename,label,prediction\n", "and one column per class"),
        ("\x89PNG\r\n\x1a\n", "(is not a CSV file|expected a header)"),
        (TABLE.replace("filename", "file"), "expected a header"),
        (TABLE.splitlines()[0] + "\n", "no images"),
        (TABLE.replace("roses", "daisy"), "two classes are named 'daisy'"),
        (TABLE[:-5], "row 3: expected 5 columns, got 4"),
        (TABLE.replace("b.jpg,roses", "b.jpg,tulips"), "row 2: 'tulips' is not a class"),
        (TABLE.replace("0.1,", "x,"), "row 3: expected probabilities .*'x'"),
        (TABLE.replace("0.1,", "0.4,"), "c.jpg: expected probabilities in .* sum 1.3"),
        (TABLE.replace("0.1,0.9", "nan,nan"), "c.jpg: expected probabilities"),
        (TABLE.replace("0.1,0.9", "0.9,0.1"), "row 3: .* 'roses', but 'daisy' is more"),
        (TABLE + 'd.jpg,"roses', "is not a CSV file"),
    ],
)
def test_broken_file_is_refused_with_its_name_and_the_row(tmp_path, table, message):
    path = tmp_path / "broken.csv"
    path.write_text(table, encoding="latin-1", newline="")
    with pytest.raises(BadInput, match=f"broken.csv: .*{message}") as caught:
        read_csv(path)
    assert "\n" not in str(caught.value)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"none.csv: cannot be read \(No such file.*eval_flowers.py"):
        read_csv(tmp_path / "none.csv")
