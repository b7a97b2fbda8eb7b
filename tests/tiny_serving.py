"""Untrained networks and their runs, for tests of prediction and export."""

import io
import json
import sys
from pathlib import Path

import golden_nets
import numpy as np
from PIL import Image
from tiny_photos import tiny_photo

from serving import export_check, serving_graph
from slim_on_tf2 import tf
from training.run_record import Run, write_run

LABELS = ["daisy", "Mädesüß", "tulips"]


def tiny_run(**settings):
    """The record of a run of lenet on images of 28 x 28 pixels."""
    record = {
        "model_name": "lenet",
        "image_size": 28,
        "preprocessing_name": "none",
        "use_grayscale": False,
        "labels": LABELS,
        "dataset_name": "flowers",
        "dataset_dir": "nowhere",
        "optimizer": "adam",
        "trainable_scopes": None,
        "batch_size": 2,
        "num_examples": 2,
        "flags": {},
        "versions": {},
    }
    return Run(**record | settings)


def encoded(form, seed, **options):
    """The bytes of a tiny image as "JPEG", "PNG", "GIF" or "BMP"."""
    buffer = io.BytesIO()
    image = tiny_photo(seed, **options)
    (image.quantize(16) if form == "GIF" else image).save(buffer, form)
    return buffer.getvalue()


def images_of_all_formats():
    """Encoded images, each of another format and size; the last, a BMP, is lossless."""
    sizes = {"JPEG": (40, 30), "PNG": (28, 28), "GIF": (13, 90), "BMP": (1, 1)}
    return [
        encoded(form, seed, width=width, height=height)
        for seed, (form, (width, height)) in enumerate(sizes.items())
    ]


def pixels(image_bytes):
    """Float32 [1, height, width, 3] in [0, 1], decoded by Pillow."""
    image = Image.open(io.BytesIO(image_bytes)).convert("RGB")
    return np.asarray(image, np.float32)[np.newaxis] / 255


def freeze_tiny(**settings):
    """A frozen graph with golden weights, and its probabilities of `images_of_all_formats`."""
    with tf.Graph().as_default(), tf.Session() as session:
        serving = serving_graph.build(tiny_run(**settings))
        golden_nets.fill(session)
        feed = {serving.image_bytes: images_of_all_formats()}
        expected = session.run(serving.outputs["probabilities"], feed)
        return serving_graph.freeze(serving, session), expected


def write_tiny_run(log_dir, **settings):
    """Writes the folder of a run whose best checkpoint holds random weights and moving averages."""
    run = tiny_run(**settings)
    best = Path(log_dir, "best")
    best.mkdir(parents=True)
    write_run(log_dir, run)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(0)
        serving_graph.build(run)
        averages = tf.train.ExponentialMovingAverage(0.9)
        averages.apply(tf.trainable_variables())
        halved = [averages.average(x).assign(x / 2) for x in tf.trainable_variables()]
        tf.train.get_or_create_global_step()
        session.run(tf.global_variables_initializer())
        session.run(halved)
        tf.train.Saver().save(session, str(best / "model.ckpt-0"), write_meta_graph=False)
    record = {"step": 0, "accuracy": 0.5, "loss": 1.0, "checkpoint": "model.ckpt-0"}
    (best / "best.json").write_text(json.dumps(record))


def predict_in_this_process(monkeypatch):
    """Replaces the new process of `export_check`, which takes seconds to import TensorFlow."""

    def run_process(request, path, errors):
        path.write_text(json.dumps(request))
        monkeypatch.setattr(sys, "argv", ["export_check", str(path)])
        export_check.main()
        return 0

    monkeypatch.setattr(export_check, "_run_process", run_process)
