import base64
import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_run import CLASSES, make_dataset
from tiny_serving import images_of_all_formats, pixels, predict_in_this_process, write_tiny_run
from tolerance import float32_tolerance

from datasets.shards import write_shards
from datasets.splits import get_split
from eval_flowers import build_evaluator
from evaluation.evaluator import Evaluator
from export_flowers import export
from serving import export_check
from serving.exported import ExportedModel
from slim_on_tf2 import tf
from system.errors import BadInput
from training.run_record import read_run

MOBILENET_TOLERANCE = float32_tolerance(28)

# Talks to a SavedModel through its signatures, with TensorFlow alone.
CLIENT = """
import base64, json, os, sys
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
import numpy as np, tensorflow as tf

request = json.load(sys.stdin)
model = tf.saved_model.load(request["path"])

def ask(signature, **photos):
    outputs = model.signatures[signature](**photos)
    return {name: tensor.numpy().tolist() for name, tensor in outputs.items()}

def rows(instances):
    # What TensorFlow Serving makes of a request in JSON: a batch of the named input, and of the
    # outputs a dict for each photo.
    encoded = [base64.b64decode(row["image_bytes"]["b64"]) for row in instances]
    outputs = ask("serving_default", image_bytes=tf.constant(encoded))
    text = lambda x: x.decode() if isinstance(x, bytes) else [*map(text, x)] if isinstance(
        x, list) else x
    return [{name: text(v[i]) for name, v in outputs.items()} for i in range(len(encoded))]

answers = {"rows": rows(request["instances"])}
answers["alone"] = rows(request["instances"][:1])
answers["images"] = ask("images", images=tf.constant(request["images"]))["probabilities"]
files = [getattr(module, "__file__", None) or "" for module in [*sys.modules.values()]]
answers["modules"] = [  # the virtual environment may lie in the project's folder
    f for f in files if f.startswith(request["project"]) and not f.startswith(sys.prefix)]
answers["variables"] = len(model.variables)
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A dataset of tiny photos of three classes; they lie beside it."""
    return make_dataset(tmp_path_factory.mktemp("flowers"))


@pytest.fixture(scope="module")
def log_dir(data):
    """A run of a network with batch norm and moving averages."""
    network = {
        "model_name": "mobilenet_v1_025",
        "image_size": 32,
        "preprocessing_name": "inception",
    }
    write_tiny_run(data / "log", dataset_dir=str(data), labels=list(CLASSES), **network)
    return data / "log"


@pytest.fixture(scope="module")
def lenet_dir(data):
    """A run of a network that is quickly exported."""
    write_tiny_run(data / "lenet", dataset_dir=str(data), labels=list(CLASSES))
    return data / "lenet"


@pytest.fixture
def no_fresh_process(monkeypatch):
    """Saves the time that importing TensorFlow takes."""
    predict_in_this_process(monkeypatch)


def ask_with_tensorflow_alone(path, photos, cwd):
    request = {
        "path": str(path),
        "project": str(Path(__file__).resolve().parent.parent),
        "instances": [{"image_bytes": {"b64": base64.b64encode(x).decode()}} for x in photos],
        "images": pixels(photos[-1]).tolist(),
    }
    client = subprocess.run(
        [sys.executable, "-I", "-c", CLIENT],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        cwd=cwd,
    )
    assert client.returncode == 0, client.stderr
    return json.loads(client.stdout.splitlines()[-1])


def test_saved_model_predicts_like_the_evaluation_without_the_project(data, log_dir, tmp_path):
    found = export(log_dir, tmp_path)
    assert found["path"] == str(tmp_path / "1")
    assert found["num_photos"] == found["models"][0]["same_answers"] == 6
    assert found["models"][0]["largest_difference"] < MOBILENET_TOLERANCE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1"]
    run, dataset = read_run(log_dir), get_split("validation", data)
    evaluated = (
        build_evaluator(run, dataset, batch_size=6).evaluate(found["checkpoint"]).predictions
    )
    photos = [(data.parent / "photos" / name).read_bytes() for name in evaluated.filenames]
    answers = ask_with_tensorflow_alone(found["path"], photos + images_of_all_formats(), tmp_path)
    assert answers["modules"] == []
    assert answers["variables"] == 0
    assert len(answers["rows"]) == 10
    for row, probabilities in zip(answers["rows"], evaluated.probabilities):
        assert row["classes"] == list(CLASSES)
        assert row["label"] == CLASSES[np.argmax(probabilities)]
        np.testing.assert_allclose(row["probabilities"], probabilities, atol=MOBILENET_TOLERANCE)
        assert row["probability"] == pytest.approx(max(probabilities), abs=MOBILENET_TOLERANCE)
    last = answers["rows"][-1]["probabilities"]  # a BMP, which loses nothing
    np.testing.assert_allclose(answers["images"], [last], atol=MOBILENET_TOLERANCE)
    alone = answers["alone"][0]["probabilities"]
    np.testing.assert_allclose(alone, answers["rows"][0]["probabilities"], atol=MOBILENET_TOLERANCE)
    labels = tmp_path / "1" / "assets.extra" / "labels.txt"
    assert labels.read_text() == "0:daisy\n1:roses\n2:tulips\n"
    described = json.loads(labels.with_name("export.json").read_text())
    assert described["models"] == found["models"]
    assert described["seen_by_the_network"]["side"] == 32


@pytest.mark.filterwarnings(r"ignore:\s*Warning. tf.lite.Interpreter is deprecated")
def test_tflite_of_a_grayscale_network_is_compared_with_the_saved_model(
    data, tmp_path, no_fresh_process
):
    write_tiny_run(
        tmp_path / "log", dataset_dir=str(data), labels=list(CLASSES), use_grayscale=True
    )
    found = export(tmp_path / "log", tmp_path, format="tflite", num_photos="4")
    folder = tmp_path / "tflite" / "1"
    assert found["path"] == str(folder)
    names = [model["name"] for model in found["models"]]
    assert names == ["saved_model", "float32", "float16", "int8"]
    differences = [model["largest_difference"] for model in found["models"]]
    assert max(differences[:2]) < float32_tolerance(4) and max(differences) < 0.1
    sizes = [model["megabytes"] for model in found["models"]]
    assert sizes == sorted(sizes, reverse=True)
    files = {"float32.tflite", "float16.tflite", "int8.tflite", "labels.txt", "export.json"}
    assert {path.name for path in folder.iterdir()} == files
    described = json.loads((folder / "export.json").read_text())
    assert described["num_photos"] == 4
    assert described["seen_by_the_network"]["channels"] == 1
    interpreter = tf.lite.Interpreter(str(folder / "int8.tflite"))
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (taken["name"], taken["dtype"]) == (*described["inputs"], np.float32)
    assert taken["shape"].tolist() == [1, 28, 28, 1]
    assert given["shape"].tolist() == [1, 3]


def test_moving_averages_replace_the_weights_in_an_export(
    log_dir, tmp_path, no_fresh_process, monkeypatch
):
    monkeypatch.setattr(export_check, "DECODED_IMAGES", 2)
    found = export(log_dir, tmp_path, "frozen_graph", moving_averages=True, version=7)
    assert found["moving_averages"]
    folder = tmp_path / "frozen_graph" / "7"
    frozen = tf.GraphDef.FromString((folder / "frozen_graph.pb").read_bytes())
    constants = {node.name: node for node in frozen.node}
    name = "MobilenetV1/Conv2d_0/weights"
    checkpoint = tf.train.load_checkpoint(found["checkpoint"])
    np.testing.assert_array_equal(
        tf.make_ndarray(constants[name].attr["value"].tensor),
        checkpoint.get_tensor(f"{name}/ExponentialMovingAverage"),
    )
    described = json.loads((folder / "export.json").read_text())
    for tensor in described["inputs"] + described["outputs"]:
        assert tensor.removesuffix(":0") in constants
    for version in (7, "7"):
        with pytest.raises(BadInput, match="7 exists, and versions are never overwritten"):
            export(log_dir, tmp_path, "frozen_graph", version=version)


def test_export_that_predicts_differently_is_refused(lenet_dir, tmp_path, monkeypatch):
    def shifted(form, folder, dataset, count, needed_size):
        ExportedModel(folder).close()
        probabilities = np.roll(np.eye(3, dtype=np.float32)[[0] * count], 1, axis=1)
        return {
            form: export_check.ModelPredictions(
                np.array(["roses"] * count), probabilities, np.ones(6)
            )
        }

    monkeypatch.setattr(export_check, "predict_in_new_process", shifted)
    with pytest.raises(BadInput, match="differs from the evaluation .* nothing was exported"):
        export(lenet_dir, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_images_signature_that_predicts_differently_is_refused(
    lenet_dir, tmp_path, no_fresh_process, monkeypatch
):
    define = tf.saved_model.predict_signature_def

    def define_otherwise(inputs, outputs):
        if "images" in inputs:
            outputs = outputs | {"probabilities": 1 - outputs["probabilities"]}
        return define(inputs, outputs)

    monkeypatch.setattr(tf.saved_model, "predict_signature_def", define_otherwise)
    with pytest.raises(BadInput, match="^images: a probability differs from the evaluation by"):
        export(lenet_dir, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_unexpected_error_is_raised_and_leaves_nothing(lenet_dir, tmp_path, monkeypatch):
    def fail(*arguments):
        raise TimeoutError("the photos are on a disk that does not answer")

    monkeypatch.setattr("export_flowers.expected_predictions", fail)
    with pytest.raises(TimeoutError, match="the photos are on a disk"):
        export(lenet_dir, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_diverged_network_is_not_exported(lenet_dir, tmp_path, monkeypatch):
    def evaluate(evaluator, checkpoint, interrupted, on_batch):
        on_batch({"labels": np.zeros(6, int), "probabilities": np.full([6, 3], np.nan)})

    monkeypatch.setattr(Evaluator, "evaluate", evaluate)
    with pytest.raises(BadInput, match="model.ckpt-0 gives no probabilities: it has diverged"):
        export(lenet_dir, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_failure_of_the_new_process_is_explained(lenet_dir, tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho a traceback >&2\necho the reason >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(BadInput, match="cannot be loaded in a new process: the reason$"):
        export(lenet_dir, tmp_path / "exports")
    assert list((tmp_path / "exports").iterdir()) == []


def test_full_disk_is_one_line(lenet_dir, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(
            BadInput, match="cannot be written .*writable .*with enough free space"
        ) as error:
            export(lenet_dir, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"format": "onnx"}, "format: expected one of saved_model, tflite, frozen_graph, got"),
        ({"format": ["tflite"]}, "format: expected one of saved_model, tflite, frozen_graph, got"),
        ({"version": 0}, "version: expected a whole number of at least 1, got '0'"),
        ({"version": "abc"}, "version: expected a whole number of at least 1, got 'abc'"),
        ({"num_photos": -1}, "num_photos: expected a whole number of at least 1, got '-1'"),
        ({"moving_averages": "no"}, "moving_averages: expected True or False, got 'no'"),
        ({"log_dir": None}, "log_dir: expected a path"),
        ({"export_dir": None}, "export_dir: expected a path"),
        ({"dataset_dir": "nowhere"}, "nowhere.* is not a folder; give --dataset_dir"),
        ({"split": "holdout"}, "holdout"),
        ({"checkpoint": "nowhere.ckpt"}, "--checkpoint nowhere.ckpt does not exist"),
    ],
)
def test_wrong_argument_is_named(log_dir, tmp_path, arguments, expected):
    with pytest.raises(BadInput, match=expected):
        export(**{"log_dir": log_dir, "export_dir": tmp_path / "exports"} | arguments)
    assert not (tmp_path / "exports").exists()


def test_run_without_a_best_checkpoint_is_named(log_dir, tmp_path):
    shutil.copy(log_dir / "run.json", tmp_path)
    with pytest.raises(BadInput, match="no best checkpoint yet"):
        export(tmp_path, tmp_path / "exports")


def test_export_of_large_photos_agrees_with_the_evaluation(tmp_path, monkeypatch):
    """Both decode at a quarter of the size; single pixels of this noise would tell them apart."""
    rng = np.random.default_rng(0)
    for label in ("daisy", "roses"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for index in range(3):
            noise = rng.integers(0, 256, (120, 150, 3)).astype(np.uint8)
            Image.fromarray(noise).save(tmp_path / "photos" / label / f"{index}.jpg", quality=95)
    write_shards(tmp_path / "photos", tmp_path / "data", validation_fraction=0.5, progress=False)
    run = {"labels": ["daisy", "roses"], "dataset_dir": str(tmp_path / "data")}
    write_tiny_run(tmp_path / "log", **run)
    predict_in_this_process(monkeypatch)
    found = export(tmp_path / "log", tmp_path / "exports")
    assert found["models"][0]["largest_difference"] < float32_tolerance(4)
