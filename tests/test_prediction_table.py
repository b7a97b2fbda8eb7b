import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from serving.prediction_table import Prediction, PredictionTable, check_output_path, describe
from system.errors import BadInput

ROOT = Path(__file__).parent.parent

THIRD = float(np.float32(1 / 3))
ODD_NAME = 'a, "b"\nc \x1b[31m \udce4.jpg'  # with a byte that is not UTF-8
PREDICTIONS = [
    Prediction("daisy/0.jpg", ["daisy", "Mädesüß, weiß"], [float(np.float32(0.9)), 0.1]),
    Prediction(ODD_NAME, ["tulips", "daisy"], [THIRD, 2.0**-40]),
    Prediction("page.jpg", error="an HTML page, not a photo"),
]


@pytest.fixture
def write(tmp_path):
    def write_table(name, predictions=PREDICTIONS):
        table = PredictionTable(tmp_path / "out" / name, top_k=2)
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


def read_json(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else list(map(json.loads, text.splitlines()))


def test_csv_has_one_row_per_image(write):
    rows = read_csv(write("table.csv"))
    columns = ["filename", "label_1", "probability_1", "label_2", "probability_2", "error"]
    assert list(rows[0]) == columns
    assert list(rows[0].values()) == ["daisy/0.jpg", "daisy", "0.9", "Mädesüß, weiß", "0.1", ""]
    assert list(rows[2].values()) == ["page.jpg", "", "", "", "", "an HTML page, not a photo"]
    assert rows[1]["filename"] == ODD_NAME
    assert np.float32(rows[1]["probability_1"]) == THIRD
    assert float(rows[1]["probability_2"]) == pytest.approx(2.0**-40)


@pytest.mark.parametrize("name", ["table.json", "table.JSONL"])
def test_json_has_one_object_per_image(write, name):
    rows = read_json(write(name))
    assert [row["filename"] for row in rows] == ["daisy/0.jpg", ODD_NAME, "page.jpg"]
    assert rows[0]["labels"] == ["daisy", "Mädesüß, weiß"]
    assert rows[0]["probabilities"] == [0.9, 0.1]
    assert rows[0]["error"] is None
    assert np.float32(rows[1]["probabilities"][0]) == THIRD
    assert rows[2] == {
        "filename": "page.jpg",
        "labels": [],
        "probabilities": [],
        "error": "an HTML page, not a photo",
    }


@pytest.mark.parametrize(("name", "read"), [("table.csv", read_csv), ("table.json", read_json)])
def test_table_without_predictions_is_valid(write, name, read):
    assert read(write(name, [])) == []


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl"])
def test_published_table_is_complete_and_can_be_extended(tmp_path, suffix):
    path = tmp_path / f"table.{suffix}"
    path.write_text("an old table")
    table = PredictionTable(path, top_k=2)
    table.add(PREDICTIONS[0])
    assert path.read_text() == "an old table"
    sizes = []
    for prediction in PREDICTIONS[1:]:
        table.publish()
        sizes.append(len(read_csv(path) if suffix == "csv" else read_json(path)))
        table.add(prediction)
    assert sizes == [1, 2]
    table.publish()
    again = PredictionTable(tmp_path / f"again.{suffix}", top_k=2)
    for prediction in PREDICTIONS:
        again.add(prediction)
    again.publish()
    assert path.read_bytes() == again.path.read_bytes()


def test_unpublished_predictions_leave_nothing(tmp_path):
    table = PredictionTable(tmp_path / "table.csv", top_k=2)
    table.add(PREDICTIONS[0])
    assert list(tmp_path.iterdir()) == []
    table.close()
    assert list(tmp_path.iterdir()) == []


def test_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"table.xlsx: .*\.csv, \.json, \.jsonl"):
        PredictionTable(tmp_path / "table.xlsx", top_k=1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("file/table.csv", "file/table.csv: cannot be written .Not a directory."),
        ("file/new/table.csv", "file/new/table.csv: cannot be written .Not a directory."),
        ("folder.csv", "folder.csv is a folder"),
    ],
)
def test_path_that_cannot_be_written_is_reported(tmp_path, name, expected):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "folder.csv").mkdir()
    for refuse in (check_output_path, lambda path: PredictionTable(path, top_k=1)):
        with pytest.raises(BadInput, match=expected):
            refuse(tmp_path / name)


def test_checking_a_path_writes_nothing(tmp_path, monkeypatch):
    (tmp_path / "table.csv").write_text("an old table")
    monkeypatch.chdir(tmp_path)
    for name in ("table.csv", "new.CSV", "new/folders/table.csv", tmp_path / "new" / "table.csv"):
        check_output_path(name)
    assert [path.name for path in tmp_path.rglob("*")] == ["table.csv"]
    assert (tmp_path / "table.csv").read_text() == "an old table"
    with pytest.raises(BadInput, match="plot.jpg: expected a file name ending in .png"):
        check_output_path("plot.jpg", (".png",))


@pytest.mark.parametrize("at", ["add", "publish"])
def test_full_disk_is_reported_in_one_line(tmp_path, at):
    """Simulates a full disk by limiting the size of files."""
    code = f"""
import contextlib, resource, sys
from system.flags import run_main
from serving.prediction_table import Prediction, PredictionTable

def main():
    with contextlib.closing(PredictionTable({str(tmp_path / "table.csv")!r}, 1)) as table:
        for i in range({10_000 if at == "add" else 30}):
            table.add(Prediction(f"{{i}}.jpg", ["daisy"], [1.0]))
        sys.stderr.write("publish: ")
        table.publish()

resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
run_main(main)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    printed = "publish: " if at == "publish" else ""
    assert done.stderr.startswith(f"{printed}-c: {tmp_path}/table.csv: cannot be written")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_description_names_the_file_and_its_classes_or_error():
    assert describe(PREDICTIONS[0], width=12) == (
        "daisy/0.jpg   daisy 90.0 %, Mädesüß, weiß 10.0 %"
    )
    assert describe(PREDICTIONS[2]) == "page.jpg  an HTML page, not a photo"


def test_file_name_with_escape_sequences_is_quoted():
    assert describe(PREDICTIONS[1]).startswith(
        r"""'a, "b"\nc \x1b[31m \udce4.jpg'  tulips 33.3 %"""
    )
