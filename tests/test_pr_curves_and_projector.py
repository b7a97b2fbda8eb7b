"""TensorBoard's dashboards, read over HTTP from TensorBoard's own server in this process."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from tensorboard import default
from tensorboard.backend import application
from tensorboard.backend.event_processing import data_ingester
from tensorboard.program import TensorBoard
from werkzeug.test import Client

from evaluation import pr_curves_and_projector as pages
from evaluation.predictions import Predictions
from slim_on_tf2 import tf
from system.errors import BadInput
from training.hparams import write_session_end, write_session_start

PREDICTIONS = Predictions(
    filenames=["daisy/1.jpg", "roses/tab\there.jpg", "roses/3.jpg", "roses/\udcff.jpg"],
    labels=np.array([0, 1, 1, 1]),
    probabilities=np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0, 1.0000001]], np.float32),
    class_names=["daisy", "roses & <b>"],
)
STATUSES = [f"STATUS_{name}" for name in ("UNKNOWN", "SUCCESS", "FAILURE", "RUNNING")]


class Board:
    """The server of `tensorboard --logdir`."""

    def __init__(self, logdir):
        program = TensorBoard(plugins=default.get_plugins())
        program.configure(
            logdir=str(logdir), reload_interval=0, reload_task="blocking", load_fast="false"
        )
        ingester = data_ingester.LocalDataIngester(program.flags)
        ingester.start()
        app = application.TensorBoardWSGIApp(
            program.flags,
            program.plugin_loaders,
            ingester.data_provider,
            deprecated_multiplexer=ingester.deprecated_multiplexer,
        )
        self._client = Client(app)

    def get(self, route, **query):
        return self._checked(self._client.get(f"/data/plugin/{route}", query_string=query))

    def post(self, route, **body):
        return self._checked(self._client.post(f"/data/plugin/{route}", json=body))

    def _checked(self, response):
        assert response.status_code == 200, response.text
        return json.loads(response.data) if response.is_json else response.data


def session_groups(logdir):
    found = Board(logdir).post(
        "hparams/session_groups",
        allowedStatuses=STATUSES,
        colParams=[],
        startIndex=0,
        sliceSize=10,
    )
    return {group["name"]: group for group in found["sessionGroups"]}


def write_accuracy(folder, accuracy, step):
    with tf.summary.FileWriter(str(folder)) as writer:
        value = tf.Summary.Value(tag="accuracy", simple_value=accuracy)
        writer.add_summary(tf.Summary(value=[value]), step)


def random_images(count, height=30, width=20):
    return np.random.default_rng(0).integers(256, size=(count, height, width, 3), dtype=np.uint8)


def test_pr_curve_of_each_class_has_the_counted_precision_and_recall(tmp_path):
    pages.write_pr_curves(tmp_path / "run" / "eval", PREDICTIONS, step=7)
    board = Board(tmp_path)
    tags = board.get("pr_curves/tags")["run/eval"]
    assert sorted(tag["displayName"] for tag in tags.values()) == ["daisy", "roses & <b>"]
    tag = next(tag for tag in tags if tags[tag]["displayName"] == "roses & <b>")
    [curve] = board.get("pr_curves/pr_curves", tag=tag, run="run/eval")["run/eval"]
    assert curve["step"] == 7
    points = {
        round(threshold, 3): (precision, recall)
        for threshold, precision, recall in zip(
            curve["thresholds"], curve["precision"], curve["recall"]
        )
    }
    # The probability of roses is 0.4, 0.8 and 1.0 for the roses, 0.1 for the daisy.
    assert points[0.0] == pytest.approx((3 / 4, 1))
    assert points[0.25] == pytest.approx((1, 1))
    assert points[0.5] == pytest.approx((1, 2 / 3))
    assert points[0.9] == pytest.approx((1, 1 / 3))


def test_pr_curves_of_two_checkpoints_are_two_steps(tmp_path):
    pages.write_pr_curves(tmp_path / "eval", PREDICTIONS, step=7)
    (written,) = (tmp_path / "eval").iterdir()
    written.rename(written.with_name("events.out.tfevents.0000000001.earlier"))
    pages.write_pr_curves(tmp_path / "eval", PREDICTIONS, step=9)
    board = Board(tmp_path)
    tag = next(iter(board.get("pr_curves/tags")["eval"]))
    curves = board.get("pr_curves/pr_curves", tag=tag, run="eval")["eval"]
    assert [curve["step"] for curve in curves] == [7, 9]


def test_pr_curves_do_not_overwrite_an_event_file_of_the_same_second(tmp_path):
    write_accuracy(tmp_path / "eval", 0.5, step=7)
    pages.write_pr_curves(tmp_path / "eval", PREDICTIONS, step=7)
    board = Board(tmp_path)
    assert "accuracy" in board.get("scalars/tags")["eval"]
    assert "eval" in board.get("pr_curves/tags")


def write_projector(folder, indices=(0, 1, 3), images=None):
    features = np.random.default_rng(1).normal(size=(len(indices), 6)).astype(np.float32)
    images = random_images(len(indices)) if images is None else images
    pages.write_projector(folder, PREDICTIONS, np.array(indices), features, images)
    return features


def test_projector_serves_features_metadata_and_thumbnails(tmp_path):
    folder = tmp_path / "run" / "eval"
    pages.write_pr_curves(folder, PREDICTIONS, step=7)  # because a run needs an event file
    features = write_projector(folder)
    board = Board(tmp_path)
    assert board.get("projector/runs") == ["run/eval"]
    (embedding,) = board.get("projector/info", run="run/eval")["embeddings"]
    assert (embedding["tensorName"], embedding["tensorShape"]) == ("penultimate", [3, 6])
    query = {"run": "run/eval", "name": "penultimate"}
    served = np.frombuffer(board.get("projector/tensor", **query), np.float32).reshape(3, 6)
    np.testing.assert_allclose(served, features, rtol=1e-5)
    rows = board.get("projector/metadata", **query).decode().splitlines()
    assert [row.split("\t") for row in rows] == [
        ["filename", "label", "prediction", "confidence", "result"],
        ["daisy/1.jpg", "daisy", "daisy", "0.9000", "correct"],
        ["roses/tab here.jpg", "roses & <b>", "daisy", "0.6000", "wrong"],
        ["roses/?.jpg", "roses & <b>", "roses & <b>", "1.0000", "correct"],
    ]
    assert embedding["sprite"]["singleImageDim"] == [64, 64]
    with Image.open(io.BytesIO(board.get("projector/sprite_image", **query))) as sprite:
        assert sprite.size == (128, 128)


def test_projector_of_a_run_with_checkpoints_shows_the_features(run_dir):
    pages.write_pr_curves(run_dir / "eval", PREDICTIONS, step=7)
    write_projector(run_dir / "eval")
    info = Board(run_dir).get("projector/info", run="eval")
    assert info["embeddings"][0]["tensorName"] == "penultimate"


def test_thumbnails_are_arranged_in_the_sprite_row_by_row(tmp_path):
    colors = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    write_projector(tmp_path, images=[np.full((10, 30, 3), color) for color in colors])
    with Image.open(tmp_path / "projector" / "sprite.png") as sprite:
        centers = [sprite.getpixel(place) for place in ((32, 32), (96, 32), (32, 96), (96, 96))]
    assert centers == [(255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)]


def test_thumbnails_shrink_to_keep_the_sprite_within_its_limit(monkeypatch, tmp_path):
    monkeypatch.setattr(pages, "SPRITE_SIDE", 100)
    write_projector(tmp_path, indices=[0] * 10)
    with Image.open(tmp_path / "projector" / "sprite.png") as sprite:
        assert sprite.size == (100, 100)  # four columns of 25 pixels
    assert "single_image_dim: 25" in (tmp_path / "projector_config.pbtxt").read_text()


def test_failed_write_leaves_no_projector_and_no_partial_file(tmp_path):
    pages.write_pr_curves(tmp_path / "eval", PREDICTIONS, step=7)
    write_projector(tmp_path / "eval")
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        write_projector(tmp_path / "eval", images=random_images(2))
    assert Board(tmp_path).get("projector/runs") == []
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]


def test_number_of_features_has_to_be_the_number_of_images(tmp_path):
    with pytest.raises(ValueError, match="expected features of 2 images, got 3"):
        pages.write_projector(tmp_path, PREDICTIONS, [0, 1], np.zeros((3, 6)), random_images(2))


def test_path_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "eval").touch()
    with pytest.raises(BadInput, match="projector_config.pbtxt: cannot be written"):
        write_projector(tmp_path / "eval")


def start(log_dir, **flags):
    writer = tf.summary.FileWriterCache.get(str(log_dir))
    write_session_start(writer, {"log_dir": str(log_dir), "summary_steps": 10} | flags)


def test_hparams_table_shows_flags_status_and_validation_accuracy_of_each_run(tmp_path):
    start(tmp_path / "a", learning_rate=0.5, optimizer="adam", decay=None, frozen=True)
    start(tmp_path / "b", learning_rate=0.25, optimizer="adam", decay=0.9, frozen=False)
    start(tmp_path / "c", learning_rate=0.25, optimizer="adam", decay=None, frozen=False)
    write_session_end(tmp_path / "a", succeeded=True)
    write_session_end(tmp_path / "b", succeeded=False)
    for name, accuracy in (("a", 0.75), ("b", 0.5)):
        write_accuracy(tmp_path / name / "validation", accuracy, step=3)
    groups = session_groups(tmp_path)
    assert {name: group["hparams"] for name, group in groups.items()} == {
        "a": {"learning_rate": 0.5, "optimizer": "adam", "decay": "default", "frozen": True},
        "b": {"learning_rate": 0.25, "optimizer": "adam", "decay": 0.9, "frozen": False},
        "c": {"learning_rate": 0.25, "optimizer": "adam", "decay": "default", "frozen": False},
    }
    statuses = {name: group["sessions"][0]["status"] for name, group in groups.items()}
    assert statuses == {"a": "STATUS_SUCCESS", "b": "STATUS_FAILURE", "c": "STATUS_UNKNOWN"}
    metrics = {name: group.get("metricValues", []) for name, group in groups.items()}
    assert metrics["a"][0]["name"] == {"group": "validation", "tag": "accuracy"}
    assert [metrics[name][0]["value"] for name in "ab"] == [0.75, 0.5]


def test_hparams_that_differ_between_runs_come_first(tmp_path):
    start(tmp_path / "a", alpha=1, optimizer="adam", decay=None)
    start(tmp_path / "b", alpha=1, optimizer="sgd", decay=0.9)
    infos = Board(tmp_path).post("hparams/experiment")["hparamInfos"]
    assert [(info["name"], info.get("differs", False)) for info in infos] == [
        ("decay", True),
        ("optimizer", True),
        ("alpha", False),
    ]


def test_resumed_run_keeps_its_hparams_and_has_one_status(tmp_path):
    start(tmp_path / "run", learning_rate=0.5)
    start(tmp_path / "run", learning_rate=0.25)
    write_session_end(tmp_path / "run", succeeded=True)
    (group,) = session_groups(tmp_path).values()
    assert group["hparams"] == {"learning_rate": 0.5}
    assert [session["status"] for session in group["sessions"]] == ["STATUS_SUCCESS"]
