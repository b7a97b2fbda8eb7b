"""A network with random weights, ready to be exported, for tests that train nothing."""

import io
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from tiny_photos import tiny_photo

from serving import export_check
from slim_on_tf2 import tf
from training import serving_graph
from training.run_record import Run, write_run

LABELS = ["daisy", "Mädesüß", "tulips"]


def tiny_run(**settings):
    """The record of a run of lenet on pictures of 28 pixels."""
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
    """The bytes of a tiny photo as "JPEG", "PNG", "GIF" or "BMP"."""
    buffer = io.BytesIO()
    photo = tiny_photo(seed, **options)
    (photo.quantize(16) if form == "GIF" else photo).save(buffer, form)
    return buffer.getvalue()


def photos_of_all_kinds():
    """Encoded photos, each of another format and size."""
    sizes = {"JPEG": (40, 30), "PNG": (28, 28), "GIF": (13, 90), "BMP": (1, 1)}
    return [
        encoded(form, seed, width=width, height=height)
        for seed, (form, (width, height)) in enumerate(sizes.items())
    ]


def pixels(photo):
    """Float32 [1, height, width, 3] in [0, 1], as Pillow decodes a photo."""
    image = Image.open(io.BytesIO(photo)).convert("RGB")
    return np.asarray(image, np.float32)[np.newaxis] / 255


def freeze_tiny(**settings):
    """A frozen graph of random weights, and its probabilities of `photos_of_all_kinds`."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(0)
        serving = serving_graph.build(tiny_run(**settings))
        session.run(tf.global_variables_initializer())
        feed = {serving.image_bytes: photos_of_all_kinds()}
        expected = session.run(serving.answers["probabilities"], feed)
        return serving_graph.freeze(serving, session), expected


def write_tiny_run(log_dir, **settings):
    """Writes the folder of a run whose best checkpoint holds random weights, and their averages."""
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


def answer_in_this_process(monkeypatch):
    """Does here what a fresh process does, which takes as long as importing TensorFlow."""

    def ask(request, path, errors):
        path.write_text(json.dumps(request))
        monkeypatch.setattr(sys, "argv", ["export_check", str(path)])
        export_check.main()
        return 0

    monkeypatch.setattr(export_check, "_ask", ask)
