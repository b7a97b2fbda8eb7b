"""A network with its published checkpoint, without training: names, predictions, evaluation."""

import contextlib
import csv
import json
import shutil
import subprocess
import sys
import tarfile

import golden_nets
import numpy as np
import pytest
import scripts
from PIL import Image
from test_end_to_end import ROOT
from test_predict_flowers import Days
from tiny_photos import tiny_photo
from tolerance import float32_tolerance

import eval_flowers
import predict_flowers
from checkpointing.download import archive_file
from checkpointing.restorer import Restorer
from datasets.shards import write_shards
from evaluation.predictions import Predictions
from evaluation.published_network import find_published
from nets.imagenet_classes import class_names, find_classes
from nets.nets_factory import get_network_fn
from nets.networks import NETWORKS
from predict_flowers import predict
from preprocessing.preprocessing_factory import get_preprocessing
from serving.prediction import open_model
from slim_on_tf2 import slim, tf
from system.errors import BadInput

NAME, SIZE, PHOTOS = "mobilenet_v1_025", 32, 12
FLAGS = [f"--model_name={NAME}", f"--image_size={SIZE}"]
TOLERANCE = float32_tolerance(28)


LOGITS = "MobilenetV1/Logits/Conv2d_1c_1x1"


def build_network(photos, num_classes=1001):
    """Builds the network on files in the default graph; returns float32 [photos, num_classes]."""
    preprocess = get_preprocessing("inception", is_training=False)
    encoded = [tf.constant(photo.read_bytes()) for photo in photos]
    images = tf.stack([preprocess(each, SIZE, SIZE) for each in encoded])
    logits, _ = get_network_fn(NAME, num_classes)(images)
    return logits


def save_network(path, photos, num_classes=1001, averages=False):
    """Saves weights whose logits differ between `photos`; returns the path of the checkpoint."""
    with tf.Graph().as_default(), tf.Session() as session:
        logits = build_network(photos, num_classes)
        variables = {variable.op.name: variable for variable in slim.get_model_variables()}
        weights, biases = variables[f"{LOGITS}/weights"], variables[f"{LOGITS}/biases"]
        average = tf.get_variable(f"{weights.op.name}/ExponentialMovingAverage", weights.shape)
        golden_nets.fill(session)
        # Makes the logits of a class 0 on average, and 1 or so for single photos.
        session.run(biases.assign(tf.zeros_like(biases)))
        scale = 1 / session.run(logits).std(axis=0).mean()
        session.run(weights.assign(scale * weights))
        session.run(biases.assign(-session.run(logits).mean(axis=0)))
        session.run(average.initializer)
        session.run(average.assign(-weights))
        saved = variables | ({average.op.name: average} if averages else {})
        return tf.train.Saver(saved).save(session, str(path), write_meta_graph=False)


def logits_by_hand(checkpoint, photos):
    """Float32 [photos, 1001]: the logits of a network that is built here."""
    with tf.Graph().as_default(), tf.Session() as session:
        logits = build_network(photos)
        tf.train.Saver(slim.get_model_variables()).restore(session, checkpoint)
        return session.run(logits)


def softmax(logits):
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A checkpoint with 1,001 classes and photos; some photos are in the folder of their class."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "plain").mkdir()
    photos = [folder / "plain" / f"{i:02}.jpg" for i in range(PHOTOS)]
    for seed, photo in enumerate(photos):
        tiny_photo(seed, width=40, height=32).save(photo, quality=95)
    checkpoint = save_network(folder / "golden.ckpt", photos)
    ranked = np.argsort(-logits_by_hand(checkpoint, photos), axis=1)
    wordnet_ids = [line.split()[0] for line in (ROOT / "nets/imagenet_classes.txt").open()]
    # The prediction for one photo, and a high rank for two others.
    common, others = ranked[0, 0], [ranked[1, 1], ranked[2, 2]]
    assert len({0, common, *others}) == 4
    labels = [
        wordnet_ids[common - 1],
        f"{wordnet_ids[others[0] - 1]} whatever",
        class_names(NAME)[others[1]],
    ]
    for i, photo in enumerate(photos):
        target = folder / "photos" / labels[i % 3] / photo.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, target)
    truths = {photo.name: [common, *others][i % 3] for i, photo in enumerate(photos)}
    write_shards(folder / "photos", folder / "data", validation_fraction=0.5, progress=False)
    return {"folder": folder, "checkpoint": checkpoint, "photos": photos, "truths": truths}


def read_csv(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", [name for name, row in NETWORKS.items() if row.checkpoint])
def test_every_published_class_has_a_name_of_its_own(name):
    names = class_names(name)
    assert len(set(names)) == len(names) == NETWORKS[name].published_classes


def test_names_follow_the_order_of_the_labels():
    with_background, without = class_names("mobilenet_v1"), class_names("vgg_16")
    assert with_background == ["background", *without]
    assert (without[0], without[1], without[999]) == ("tench", "goldfish", "toilet tissue")
    assert (without[134], without[517]) == ("crane (n02012849)", "crane (n03126707)")


def test_labels_are_names_or_wordnet_ids():
    labels = ["tench", "n01443537", "n01484850 great white shark", "n01491361_x", "background"]
    assert find_classes(labels, "mobilenet_v1") == [1, 2, 3, 4, 0]
    assert find_classes(labels[:4], "resnet_v1_50") == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["tench", "daisies"], r"got 'daisies' \(closest: daisy"),
        (["crane"], r"'crane' \(closest: crane \(n02012849\), crane \(n03126707\)\)"),
        (["great_white_shark"], r"\(closest: great white shark"),
        (["n00000000"], "'n00000000'"),
        (["n014407640"], "'n014407640'"),
        (["background"], "'background'"),
        (["0x0", "0x1", "0x2", "0x3", "0x4"], "got '0x0', '0x1', '0x2', and 2 more; nets/imagenet"),
    ],
)
def test_label_of_no_class_or_two_is_refused(labels, expected):
    with pytest.raises(BadInput, match=expected):
        find_classes(labels, "vgg_16")


def test_predictions_equal_the_logits_of_the_network(made, tmp_path, capsys):
    table = tmp_path / "table.csv"
    flags = [*FLAGS, f"--checkpoint_path={made['checkpoint']}", "--top_k=2", "--batch_size=5"]
    status = scripts.run(
        predict_flowers, [*flags, f"--output={table}", str(made["folder"] / "plain")]
    )
    lines = capsys.readouterr().out.splitlines()
    assert status == 0
    assert lines[1].startswith(f"Network: {NAME} at {SIZE} px, 1,001 classes, checkpoint ")
    assert json.loads(lines[-1])["images"] == PHOTOS
    probabilities = softmax(logits_by_hand(made["checkpoint"], made["photos"]))
    names = class_names(NAME)
    rows = read_csv(table)
    assert len(rows) == PHOTOS
    for row, expected in zip(rows, probabilities):
        first, second = np.argsort(-expected)[:2]
        assert (row["label_1"], row["label_2"]) == (names[first], names[second])
        assert float(row["probability_1"]) == pytest.approx(expected[first], abs=100 * TOLERANCE)
    assert "label_3" not in rows[0]


def test_call_from_python_equals_the_script(made, tmp_path):
    table = tmp_path / "table.json"
    path = f"--checkpoint_path={made['checkpoint']}"
    scripts.run(predict_flowers, [*FLAGS, path, f"--output={table}", *made["photos"]])
    found = predict(
        None,
        made["photos"],
        model_name=NAME,
        checkpoint_path=made["checkpoint"],
        image_size=SIZE,
    )
    rows = json.loads(table.read_text())
    assert [row["labels"] for row in rows] == [row.labels for row in found]
    np.testing.assert_array_equal(
        np.float32([row["probabilities"] for row in rows]),
        np.float32([row.probabilities for row in found]),
    )


def test_default_checkpoint_is_the_published_one(made, tmp_path, capsys):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    with tarfile.open(mirror / archive_file(NETWORKS[NAME].checkpoint), "w:gz") as tar:
        for file in sorted(made["folder"].glob("golden.ckpt.*")):
            tar.add(file, file.name)
    where = {"checkpoints_dir": tmp_path / "checkpoints", "checkpoints_mirror": mirror}
    assert not where["checkpoints_dir"].exists()
    found = predict(None, made["photos"][0], model_name=NAME, image_size=SIZE, **where)
    assert f"Unpacking {mirror}" in capsys.readouterr().out
    given = find_published(NAME, made["checkpoint"], image_size=SIZE)
    with contextlib.closing(open_model(network=given)) as model:
        (expected,) = model.probabilities([made["photos"][0].read_bytes()])
    assert found[0].probabilities[0] == expected.max()


def test_averages_in_a_published_checkpoint_are_used(made, tmp_path):
    weights = {}
    for averages in (False, True):
        checkpoint = save_network(tmp_path / str(averages), made["photos"], averages=averages)
        with tf.Graph().as_default(), tf.Session() as session:
            get_network_fn(NAME, 1001)(tf.zeros([1, SIZE, SIZE, 3]))
            Restorer(moving_averages=None).restore(session, checkpoint)
            weights[averages] = session.run(slim.get_variables_by_name("weights")[-1])
            assert session.run(tf.train.get_global_step()) == 0  # the checkpoint has none
    np.testing.assert_array_equal(weights[True], -weights[False])


def test_heat_maps_are_drawn_into_the_plot(made, tmp_path):
    # At 64 pixels, because the last feature map of 32 pixels is 1 x 1.
    flags = [FLAGS[0], "--image_size=64", f"--checkpoint_path={made['checkpoint']}"]
    sizes = []
    for explain in ([], ["--explain"]):
        plot = tmp_path / "plot.png"
        scripts.run(predict_flowers, [*flags, f"--plot={plot}", *explain, *made["photos"][:2]])
        sizes.append(Image.open(plot).size)
    assert sizes[0] != sizes[1]


def test_watched_folder_is_predicted(made, tmp_path, monkeypatch):
    days = Days(lambda: None, lambda: None)
    monkeypatch.setattr(predict_flowers, "stop_on_signal", lambda: contextlib.nullcontext(days))
    table = tmp_path / "table.json"
    flags = [*FLAGS, f"--checkpoint_path={made['checkpoint']}", f"--output={table}"]
    scripts.run(predict_flowers, [*flags, f"--watch_folder={made['folder'] / 'plain'}"])
    assert len(json.loads(table.read_text())) == PHOTOS


def test_image_size_is_that_of_the_checkpoint_or_the_network():
    assert find_published(NAME).run.image_size == 224
    assert find_published(NAME, "mobilenet_v1_0.25_128").run.image_size == 128
    assert find_published(NAME, "mobilenet_v1_0.25_128", image_size=96).run.image_size == 96


def evaluate(made, images, eval_dir, *flags):
    """Runs eval_flowers.py on a folder; returns metrics.json and the rows of predictions.csv."""
    words = [f"--dataset_dir={images}", f"--eval_dir={eval_dir}", "--batch_size=4", *flags]
    path = f"--checkpoint_path={made['checkpoint']}"
    scripts.run(eval_flowers, [*FLAGS, path, *words])
    metrics = json.loads((eval_dir / "metrics.json").read_text())
    return metrics, read_csv(eval_dir / "predictions.csv")


def test_evaluation_equals_a_count_over_all_logits(made, tmp_path):
    metrics, rows = evaluate(made, made["folder"] / "photos", tmp_path)
    names = class_names(NAME)
    assert metrics["num_examples"] == len(rows) == PHOTOS
    assert metrics["split"] == "photos"
    logits = logits_by_hand(made["checkpoint"], made["photos"])
    truths = np.array([made["truths"][photo.name] for photo in made["photos"]])
    by_file = {row["filename"].rpartition("/")[2]: row for row in rows}
    for photo, expected, truth in zip(made["photos"], logits, truths):
        row = by_file[photo.name]
        assert (row["label"], row["prediction"]) == (names[truth], names[expected.argmax()])
    accuracy = np.mean(logits.argmax(axis=1) == truths)
    assert metrics["accuracy"] == pytest.approx(accuracy)
    assert metrics["streaming_accuracy"] == pytest.approx(accuracy)
    ranks = (logits > logits[np.arange(PHOTOS), truths][:, np.newaxis]).sum(axis=1)
    assert metrics["top_k"]["5"] == pytest.approx(np.mean(ranks < 5))
    assert 0 < accuracy < np.mean(ranks < 5) < 1
    losses = -np.log(softmax(logits)[np.arange(PHOTOS), truths])
    assert metrics["loss"] == pytest.approx(losses.mean(), rel=100 * TOLERANCE)


def test_evaluation_of_records_counts_the_same_images(made, tmp_path):
    _, all_rows = evaluate(made, made["folder"] / "photos", tmp_path / "photos")
    metrics, rows = evaluate(made, made["folder"] / "data", tmp_path / "records")
    assert metrics["split"] == "validation"
    assert len(rows) == PHOTOS // 2
    by_file = {row["filename"]: row for row in all_rows}
    for row in rows:
        same = by_file[row["filename"]]
        assert (row["label"], row["prediction"]) == (same["label"], same["prediction"])
    train, _ = evaluate(made, made["folder"] / "data", tmp_path / "train", "--split=train")
    assert train["num_examples"] + metrics["num_examples"] == PHOTOS


def test_scores_are_of_the_classes_that_occur(made, tmp_path):
    metrics, rows = evaluate(made, made["folder"] / "photos", tmp_path)
    occurring = {row["label"] for row in rows} | {row["prediction"] for row in rows}
    assert set(metrics["per_class"]) == occurring
    order = [name for name in class_names(NAME) if name in occurring]
    assert list(metrics["per_class"]) == order
    pairs = [(row["label"], row["prediction"]) for row in rows]
    expected = [[pairs.count((label, other)) for other in order] for label in order]
    assert metrics["confusion_matrix"] == expected
    assert len(rows[0]) == 3 + 1001
    assert (tmp_path / "report.html").is_file()
    assert not (tmp_path / "learning_curves.png").exists()


def test_unusable_photos_are_skipped_and_named(made, tmp_path, capsys):
    photos = tmp_path / "photos"
    shutil.copytree(made["folder"] / "photos", photos)
    folder = sorted(photos.iterdir())[0]
    (folder / "page.jpg").write_text("<html>")
    tiny_photo(0).save(photos / "stray.jpg")
    metrics, _ = evaluate(made, photos, tmp_path / "eval")
    assert metrics["num_examples"] == PHOTOS
    lines = capsys.readouterr().out.splitlines()
    assert f"Skipped {folder.name}/page.jpg: an HTML page, not a photo" in lines
    assert "Skipped stray.jpg: not in a class folder" in lines


def test_folder_without_a_usable_photo_is_refused(made, tmp_path):
    (tmp_path / "tench").mkdir()
    (tmp_path / "tench" / "page.jpg").write_text("<html>")
    with pytest.raises(BadInput, match="has no usable photo .*page.jpg: an HTML page"):
        evaluate(made, tmp_path, tmp_path / "eval")


def test_occurring_classes_keep_decisions_and_confidence():
    probabilities = np.array([[0.4, 0.3, 0.2, 0.1], [0.3, 0.1, 0.1, 0.5], [0.6, 0.2, 0.1, 0.1]])
    full = Predictions(["a", "b", "c"], np.array([2, 3, 0]), probabilities, list("wxyz"))
    part = full.of_occurring_classes()
    assert part.class_names == ["w", "y", "z"]
    for ours, theirs in ((part, full), (full, part)):
        names = [ours.class_names[label] for label in ours.labels]
        assert names == [theirs.class_names[label] for label in theirs.labels]
    assert [part.class_names[label] for label in part.predicted] == ["w", "z", "w"]
    np.testing.assert_array_equal(part.correct, full.correct)
    np.testing.assert_array_equal(part.confidence, full.confidence)
    with pytest.raises(BadInput, match="sum 1.8"):
        Predictions(["a"], np.array([0]), np.array([[0.9, 0.9]]), ["w", "x"], is_partial=True)


def test_checkpoint_with_other_classes_is_refused(made, tmp_path):
    checkpoint = save_network(tmp_path / "five.ckpt", made["photos"], num_classes=5)
    expected = r"five.ckpt is not of the network of --model_name .* 5\], not .* 1001\].*--log_dir"
    with pytest.raises(BadInput, match=expected) as error:
        predict(None, made["photos"], model_name=NAME, checkpoint_path=checkpoint)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--model_name=mobilenet"], "there is no network 'mobilenet'; did you mean mobilenet_v"),
        (["--model_name=vgg_a"], "no checkpoint of vgg_a was published; give --log_dir"),
        ([*FLAGS, "--image_size=0"], None),
        (["--model_name=vgg_16", "--image_size=32"], "vgg_16 needs at least 224 pixels"),
        ([*FLAGS, "--checkpoint_path=none"], "--checkpoint_path none has no weights"),
        ([*FLAGS, "--checkpoint_path=nowhere"], "no file named nowhere"),
        ([*FLAGS, "--checkpoint_path=weights.h5"], "weights.h5"),
        ([*FLAGS, "--checkpoint_path=vgg_16_2016_08_28"], "is of vgg_16, not of mobilenet_v1_025"),
        ([*FLAGS, "--log_dir=runs/x"], "--log_dir cannot be combined with --model_name"),
        ([*FLAGS, "--checkpoint=latest"], "--checkpoint cannot be combined with --model_name"),
        ([*FLAGS, "--moving_averages"], "--moving_averages cannot be combined with --model_name"),
        (["--checkpoint_path=imagenet"], "--checkpoint_path requires --model_name"),
        (["--image_size=32"], "--image_size requires --model_name"),
    ],
)
@pytest.mark.parametrize("script", [predict_flowers, eval_flowers])
def test_wrong_flag_is_named(made, script, words, expected):
    given = [made["photos"][0]]
    if script is eval_flowers:
        given = [f"--dataset_dir={made['folder'] / 'photos'}"]
    with pytest.raises(SystemExit if expected is None else BadInput, match=expected) as error:
        script.parse_flags([*map(str, given), *words])
    assert "\n" not in str(error.value)


def test_keras_weights_are_refused(made, tmp_path):
    (tmp_path / "weights.h5").write_bytes(b"")
    with pytest.raises(BadInput, match="weights.h5 is a Keras file, which only train_flowers.py"):
        find_published(NAME, tmp_path / "weights.h5")


def test_export_excludes_a_published_network(made):
    with pytest.raises(BadInput, match="--export_dir cannot be combined with --model_name"):
        predict_flowers.parse_flags([*FLAGS, "--export_dir=e", str(made["photos"][0])])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"log_dir": "runs/x"}, "^log_dir cannot be combined with model_name"),
        ({"export_dir": "e"}, "^export_dir cannot be combined with model_name"),
        ({"checkpoint": "latest"}, "^checkpoint cannot be combined with model_name"),
        ({"moving_averages": True}, "^moving_averages cannot be combined with model_name"),
        ({"image_size": 0}, "^image_size: expected a whole number of at least 1"),
        ({"model_name": None, "log_dir": "x", "image_size": 32}, "^image_size requires model_name"),
    ],
)
def test_wrong_argument_of_a_call_is_named(made, arguments, expected):
    with pytest.raises(BadInput, match=expected):
        predict(**{"log_dir": None, "photos": made["photos"], "model_name": NAME} | arguments)


def test_unknown_argument_of_a_call_is_a_type_error(made):
    with pytest.raises(TypeError, match="unexpected keyword argument 'image_sise'"):
        predict(None, made["photos"], model_name=NAME, image_sise=32)


@pytest.mark.parametrize(
    ("images", "flags", "expected"),
    [
        (None, [], "--model_name needs --dataset_dir"),
        ("nowhere", [], "--dataset_dir nowhere is not a folder"),
        ("photos", ["--split=test"], "--split test: the photos in .* are not split"),
        ("photos", ["--watch"], "--watch cannot be combined with --model_name"),
        ("photos", ["--compare", "a", "b"], "cannot be combined with --compare"),
    ],
)
def test_wrong_images_are_named_before_evaluation(made, images, flags, expected):
    place = made["folder"] / "photos" if images == "photos" else images
    given = [] if images is None else [f"--dataset_dir={place}"]
    with pytest.raises(BadInput, match=expected):
        eval_flowers.parse_flags([*FLAGS, *given, *flags])


def test_missing_split_is_named_with_those_that_exist(made, tmp_path):
    with pytest.raises(BadInput, match="no split 'test'; it has train, validation"):
        evaluate(made, made["folder"] / "data", tmp_path, "--split=test")


@pytest.mark.parametrize("script", ["predict_flowers", "eval_flowers"])
def test_wrong_input_is_answered_before_tensorflow_is_imported(made, tmp_path, script):
    (tmp_path / "daisies").mkdir()
    shutil.copy(made["photos"][0], tmp_path / "daisies")
    words = ["--model_name=vgg_a", str(made["photos"][0])]
    if script == "eval_flowers":
        words = [*FLAGS, f"--dataset_dir={tmp_path}"]
    code = f"""
import runpy, sys
sys.argv = ["{script}.py", *{words!r}]
try:
    runpy.run_path("{script}.py", run_name="__main__")
finally:
    assert "tensorflow" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    expected = "no checkpoint of vgg_a" if script == "predict_flowers" else "'daisies' (closest"
    assert expected in done.stderr
