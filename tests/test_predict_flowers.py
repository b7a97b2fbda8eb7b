import contextlib
import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scripts
from PIL import Image
from test_end_to_end import ROOT
from tiny_photos import tiny_photo
from tiny_run import CLASSES, make_dataset
from tiny_serving import tiny_run
from tolerance import float32_tolerance

import eval_flowers
import predict_flowers
from serving import prediction_report, serving_graph
from slim_on_tf2 import tf
from system.errors import BadInput
from system.signals import stop_on_signal
from training.run_checkpoints import BestCheckpoint
from training.run_record import write_run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of random weights, evaluated; and its photos."""
    folder = tmp_path_factory.mktemp("made")
    run = tiny_run(labels=list(CLASSES), dataset_dir=str(make_dataset(folder)))
    log = folder / "log"
    log.mkdir()
    write_run(log, run)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(0)
        serving_graph.build(run)
        step = tf.train.get_or_create_global_step()
        session.run(tf.global_variables_initializer())
        BestCheckpoint(log).save_if_best(
            tf.train.Saver().save(session, str(log / "model.ckpt"), step),
            0,
            {"accuracy": 0.5, "loss": 1.0},
        )
    scripts.run(eval_flowers, [f"--log_dir={log}"])
    return folder


@pytest.fixture
def predict(made, tmp_path, monkeypatch, capsys):
    """Runs the script in the photos' folder: its status, the last line's JSON, and all lines."""
    monkeypatch.chdir(made / "photos")

    def run(*argv):
        capsys.readouterr()
        status = scripts.run(predict_flowers, [f"--log_dir={made / 'log'}", *argv])
        lines = capsys.readouterr().out.splitlines()
        return status, json.loads(lines[-1]), lines

    return run


def read_csv(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_predictions_equal_the_evaluation(predict, made, tmp_path):
    evaluated = read_csv(made / "log" / "eval" / "predictions.csv")
    files = [row["filename"] for row in evaluated]
    table = tmp_path / "table.csv"
    status, result, lines = predict(*files, "--batch_size=4", f"--output={table}")
    assert status == 0
    assert result.pop("images_per_second") > 0
    assert result == {"images": 6, "errors": 0, "output": str(table)}
    predicted = read_csv(table)
    assert [row["filename"] for row in predicted] == files
    for ours, theirs in zip(predicted, evaluated):
        assert ours["label_1"] == theirs["prediction"]
        names = [ours[f"label_{place}"] for place in (1, 2, 3)]
        assert sorted(names) == sorted(CLASSES)
        for place, name in enumerate(names, start=1):
            probability = float(ours[f"probability_{place}"])
            assert probability == pytest.approx(float(theirs[name]), abs=float32_tolerance(28))
        (line,) = (line for line in lines if line.startswith(ours["filename"]))
        assert line.split()[1] == ours["label_1"]
        assert f"{100 * float(ours['probability_1']):.1f} %" in line


def test_broken_image_is_an_error_row(predict, tmp_path):
    for folder in CLASSES:
        shutil.copytree(folder, tmp_path / "photos" / folder)
    (tmp_path / "photos" / "daisy" / "3b.jpg").write_text("<html>")
    photo = (tmp_path / "photos" / "daisy" / "0.jpg").read_bytes()
    (tmp_path / "photos" / "roses" / "cut.jpg").write_bytes(photo[:-200])
    for form in ("png", "bmp", "gif", "webp", "tiff"):
        tiny_photo(5).save(tmp_path / "photos" / f"a.{form}")
    table = tmp_path / "table.jsonl"
    status, result, lines = predict(
        tmp_path / "photos", f"--output={table}", "--top_k=1", "--batch_size=5"
    )
    assert status == 1
    assert (result["images"], result["errors"]) == (31, 2)
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    assert len(rows) == 31
    errors = {row["filename"].rpartition("/")[2]: row["error"] for row in rows if row["error"]}
    assert errors["3b.jpg"] == "an HTML page, not a photo"
    assert errors["cut.jpg"].startswith("broken: ")
    assert all(len(row["labels"]) == (row["error"] is None) for row in rows)
    assert any(line.endswith("3b.jpg  an HTML page, not a photo") for line in lines)


def test_missing_file_is_an_error_row(predict, tmp_path):
    table = tmp_path / "table.csv"
    status, result, lines = predict("lost.jpg", "roses/0.jpg", f"--output={table}")
    assert (status, result["images"], result["errors"]) == (1, 2, 1)
    assert [row["error"] for row in read_csv(table)] == ["no such file or folder", ""]
    assert "lost.jpg     no such file or folder" in lines


def test_image_from_stdin(predict, made, monkeypatch):
    photo = io.BytesIO((made / "photos" / "roses" / "0.jpg").read_bytes())
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=photo))
    status, _, lines = predict("-")
    of_file = predict("roses/0.jpg")[2]
    assert status == 0
    assert lines[1].removeprefix("-  ") == of_file[1].removeprefix("roses/0.jpg  ")


@pytest.mark.parametrize("explain", [False, True])
def test_plot_shows_the_first_images(predict, tmp_path, monkeypatch, explain):
    monkeypatch.setattr(prediction_report, "IMAGES_SHOWN", 3)
    shown = []
    draw = prediction_report.plot_predictions
    monkeypatch.setattr(
        prediction_report, "plot_predictions", lambda *given: shown.append(given) or draw(*given)
    )
    plot = tmp_path / "plot.png"
    predict("daisy", f"--plot={plot}", "--batch_size=2", *["--explain"] * explain)
    assert Image.open(plot).size[0] > 300
    ((predictions, pictures, count, _),) = shown
    assert [prediction.filename for prediction in predictions] == [
        f"daisy/{i}.jpg" for i in range(3)
    ]
    assert count == 8
    shapes = {picture.shape for picture in pictures}
    assert shapes == ({(28, 56, 3)} if explain else {(16, 24, 3)})
    if not explain:
        pixels = np.asarray(Image.open("daisy/1.jpg"), int)
        np.testing.assert_array_equal(pictures[1], pixels)


class Days:
    """A `threading.Event` whose waiting lets things happen in a folder; set when all has."""

    def __init__(self, *events):
        self.events = list(events)

    def wait(self, seconds):
        if self.events:
            self.events.pop(0)()
        return bool(self)

    def __bool__(self):
        return not self.events


def test_watched_folder_keeps_a_complete_table(predict, tmp_path, monkeypatch):
    inbox, table = tmp_path / "inbox", tmp_path / "table.json"
    inbox.mkdir()
    tables = []

    def photos_in_table():
        rows = json.loads(table.read_text()) if table.exists() else []
        return "".join(Path(row["filename"]).stem for row in rows)

    def arrive(*names):
        def happen():
            tables.append(photos_in_table())
            for name in names:
                shutil.copy("daisy/0.jpg", inbox / name)

        return happen

    days = Days(arrive("b.jpg"), arrive("a.jpg"), arrive(), arrive("c.jpg"), arrive(), arrive())
    monkeypatch.setattr(predict_flowers, "stop_on_signal", lambda: contextlib.nullcontext(days))
    status, result, _ = predict(f"--watch_folder={inbox}", f"--output={table}")
    assert tables == ["", "", "b", "ba", "ba", "bac"]
    assert photos_in_table() == "bac"
    assert (status, result["images"], result["errors"]) == (0, 3, 0)


@pytest.fixture
def interruptible():
    """Ctrl-C as Python has it, also where the tests run in the background, deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_second_interrupt_stops_at_once(interruptible, number):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with stop_on_signal() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert stop.wait(60)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], "expected images .* or --watch_folder"),
        (["daisy", "--watch_folder=daisy"], "one of the two"),
        (["daisy", "--explain"], "--explain draws heat maps into a plot; give --plot too"),
        (["daisy", "--output=table.xlsx"], r"table.xlsx: .*\.csv, \.json, \.jsonl"),
        (["daisy", "--plot=plot.jpg"], "^plot.jpg: expected a file name ending in .png"),
        (["daisy", "--output=daisy/0.jpg/t.csv"], "daisy/0.jpg/t.csv: cannot be written"),
        (["daisy", "--plot=daisy/0.jpg/t.png"], "daisy/0.jpg/t.png: cannot be written"),
        (["daisy", "--export_dir=e"], "--log_dir cannot be combined with --export_dir"),
        (["daisy", "--checkpoint=nowhere.ckpt"], "--checkpoint nowhere.ckpt does not exist"),
        (["nowhere.jpg"], "'nowhere.jpg': no such file or folder"),
        (["--watch_folder=nowhere"], "--watch_folder nowhere is not a folder"),
        (["--watch_folder=.", f"--output={__file__}"], "already exists"),
    ],
)
def test_wrong_flags_are_named_before_the_model_is_loaded(predict, monkeypatch, argv, expected):
    monkeypatch.setattr(predict_flowers, "open_model", None)
    with pytest.raises(BadInput, match=expected) as error:
        predict(*argv)
    assert "\n" not in str(error.value)


def test_export_dir_excludes_the_flags_of_a_run():
    assert predict_flowers.parse_flags(["--export_dir=e", __file__]).log_dir is None
    for flag in ("--checkpoint=best", "--moving_averages", "--explain"):
        with pytest.raises(BadInput, match=f"{flag.partition('=')[0]} cannot be combined"):
            predict_flowers.parse_flags(["--export_dir=e", "--plot=p.png", flag, __file__])


def test_wrong_input_is_answered_before_tensorflow_is_imported(made):
    code = f"""
import runpy, sys
sys.argv = ["predict_flowers.py", "--log_dir={made / "log"}", "nowhere.jpg"]
try:
    runpy.run_path("predict_flowers.py", run_name="__main__")
finally:
    assert "tensorflow" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr.startswith("predict_flowers.py: 'nowhere.jpg': ")


REPORT_THAT_KILLS_ITSELF = """
import os, signal, sys
from pathlib import Path
from types import SimpleNamespace

from serving.prediction_report import PredictionReport
from serving.prediction_table import Prediction, PredictionTable

folder, moment = sys.argv[1:]

def kill_before(owner, name, is_the_moment):
    function = getattr(owner, name)

    def killed(*args):
        if is_the_moment(*args):
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args)

    setattr(owner, name, killed)

if moment == "row":
    kill_before(PredictionTable, "add", lambda table, row: row.filename == "1.jpg")
else:
    kill_before(Path, "replace", lambda aside, path: Path(path).name == moment)
model = SimpleNamespace(labels=["daisy"])
report = PredictionReport(model, None, 3, f"{folder}/table.csv", f"{folder}/plot.png")
jpeg = Path(folder, "photos", "0.jpg").read_bytes()
batches = [[(Prediction(f"{i}.jpg", ["daisy"], [1.0]), jpeg)] for i in range(3)]
list(report.add_all(batches))
report.finish()
"""


@pytest.mark.parametrize(
    ("moment", "table_is_new"), [("row", False), ("table.csv", False), ("plot.png", True)]
)
def test_kill_leaves_no_partial_file(tmp_path, moment, table_is_new):
    """Killed while rows come, and just before the table and the plot take their places.

    Only what has no name yet or is hidden can be half written.
    """
    (tmp_path / "photos").mkdir()
    tiny_photo(0).save(tmp_path / "photos" / "0.jpg")
    for name in ("table.csv", "plot.png"):
        (tmp_path / name).write_text("of before")
    command = [sys.executable, "-c", REPORT_THAT_KILLS_ITSELF, str(tmp_path), moment]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    visible = sorted(path.name for path in tmp_path.glob("[!.]*"))
    assert visible == ["photos", "plot.png", "table.csv"]
    assert (tmp_path / "plot.png").read_text() == "of before"
    if table_is_new:
        rows = read_csv(tmp_path / "table.csv")
        assert [row["filename"] for row in rows] == ["0.jpg", "1.jpg", "2.jpg"]
    else:
        assert (tmp_path / "table.csv").read_text() == "of before"
