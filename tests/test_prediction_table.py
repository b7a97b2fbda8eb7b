import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bad_input import BadInput
from reporting.prediction_table import Prediction, PredictionTable, check_place, describe

ROOT = Path(__file__).parent.parent

THIRD = float(np.float32(1 / 3))
ODD_NAME = 'a, "b"\nc \x1b[31m \udce4.jpg'  # the last letter is a byte that is no UTF-8
PREDICTIONS = [
    Prediction("daisy/0.jpg", ["daisy", "Mädesüß, weiß"], [float(np.float32(0.9)), 0.1]),
    Prediction(ODD_NAME, ["tulips", "daisy"], [THIRD, 2.0**-40]),
    Prediction("page.jpg", error="an HTML page, no photo"),
]


@pytest.fixture
def write(tmp_path):
    def write_table(name, predictions=PREDICTIONS):
        table = PredictionTable(tmp_path / "out" / name, num_names=2)
        for prediction in predictions:
            table.add(prediction)
        table.publish()
        table.close()
        assert [file.name for file in (tmp_path / "out").iterdir()] == [name]
        return tmp_path / "out" / name

    return write_table


def read_csv(path):
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


def test_a_csv_has_a_record_a_photo(write):
    rows = read_csv(write("table.csv"))
    columns = ["filename", "label_1", "probability_1", "label_2", "probability_2", "error"]
    assert list(rows[0]) == columns
    assert list(rows[0].values()) == ["daisy/0.jpg", "daisy", "0.9", "Mädesüß, weiß", "0.1", ""]
    assert list(rows[2].values()) == ["page.jpg", "", "", "", "", "an HTML page, no photo"]
    assert rows[1]["filename"] == ODD_NAME
    assert np.float32(rows[1]["probability_1"]) == THIRD
    assert float(rows[1]["probability_2"]) == pytest.approx(2.0**-40)


@pytest.mark.parametrize("name", ["table.json", "table.JSONL"])
def test_json_has_an_object_a_photo(write, name):
    text = write(name).read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()] if "L" in name else json.loads(text)
    assert [row["filename"] for row in rows] == ["daisy/0.jpg", ODD_NAME, "page.jpg"]
    assert rows[0]["labels"] == ["daisy", "Mädesüß, weiß"]
    assert rows[0]["probabilities"] == [0.9, 0.1]
    assert rows[0]["error"] is None
    assert np.float32(rows[1]["probabilities"][0]) == THIRD
    assert rows[2] == {
        "filename": "page.jpg",
        "labels": [],
        "probabilities": [],
        "error": "an HTML page, no photo",
    }


def test_tables_of_nothing_are_tables(write):
    assert read_csv(write("table.csv", [])) == []


def test_json_of_nothing_is_an_empty_list(write):
    assert json.loads(write("table.json", []).read_text()) == []


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl"])
def test_a_table_grows_and_is_whole_each_time_it_is_published(tmp_path, suffix):
    path = tmp_path / f"table.{suffix}"
    path.write_text("of before")
    table = PredictionTable(path, num_names=2)
    table.add(PREDICTIONS[0])
    assert path.read_text() == "of before"
    sizes = []
    for prediction in PREDICTIONS[1:]:
        table.publish()
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        sizes.append(len(json.loads(text)) if suffix == "json" else text.count("jpg"))
        table.add(prediction)
    assert sizes == [1, 2]
    table.publish()
    again = PredictionTable(tmp_path / f"again.{suffix}", num_names=2)
    for prediction in PREDICTIONS:
        again.add(prediction)
    again.publish()
    assert path.read_bytes() == again.path.read_bytes()


def test_what_is_not_published_leaves_nothing(tmp_path):
    table = PredictionTable(tmp_path / "table.csv", num_names=2)
    table.add(PREDICTIONS[0])
    assert list(tmp_path.iterdir()) == []
    table.close()
    assert list(tmp_path.iterdir()) == []


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"table.xlsx: .*\.csv, \.json, \.jsonl"):
        PredictionTable(tmp_path / "table.xlsx", num_names=1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("file/table.csv", "file/table.csv: cannot be written .Not a directory."),
        ("file/new/table.csv", "file/new/table.csv: cannot be written .Not a directory."),
        ("folder.csv", "folder.csv is a folder"),
    ],
)
def test_a_place_that_cannot_be_written_is_told_at_once(tmp_path, name, expected):
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "folder.csv").mkdir()
    for refuse in (check_place, lambda path: PredictionTable(path, num_names=1)):
        with pytest.raises(BadInput, match=expected):
            refuse(tmp_path / name)


def test_a_place_is_checked_and_left_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "table.csv").write_text("of before")
    monkeypatch.chdir(tmp_path)
    for name in ("table.csv", "new.CSV", "new/folders/table.csv", tmp_path / "new" / "table.csv"):
        check_place(name)
    assert [path.name for path in tmp_path.rglob("*")] == ["table.csv"]
    assert (tmp_path / "table.csv").read_text() == "of before"
    with pytest.raises(BadInput, match="plot.jpg: expected a name that ends in .png"):
        check_place("plot.jpg", (".png",))


@pytest.mark.parametrize("at", ["add", "publish"])
def test_a_full_disk_is_one_line(tmp_path, at):
    """A limit on the size of files stands for the disk; the kernel refuses what goes over it."""
    code = f"""
import contextlib, resource, sys
from flags import run
from reporting.prediction_table import Prediction, PredictionTable

def main():
    with contextlib.closing(PredictionTable({str(tmp_path / "table.csv")!r}, 1)) as table:
        for i in range({10_000 if at == "add" else 30}):
            table.add(Prediction(f"{{i}}.jpg", ["daisy"], [1.0]))
        sys.stderr.write("publish: ")
        table.publish()

resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
run(main)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    said = "publish: " if at == "publish" else ""
    assert done.stderr.startswith(f"{said}-c: {tmp_path}/table.csv: cannot be written")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_line_for_people_names_the_file_and_what_it_shows():
    assert describe(PREDICTIONS[0], width=12) == (
        "daisy/0.jpg   daisy 90.0 %, Mädesüß, weiß 10.0 %"
    )
    assert describe(PREDICTIONS[2]) == "page.jpg  an HTML page, no photo"


def test_a_file_name_gives_the_terminal_no_commands():
    assert describe(PREDICTIONS[1]).startswith(
        r"""'a, "b"\nc \x1b[31m \udce4.jpg'  tulips 33.3 %"""
    )
