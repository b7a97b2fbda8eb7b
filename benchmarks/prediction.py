"""Times the prediction of a folder of photos: a run, its exports, Keras, and the reading alone.

    python -m benchmarks.prediction                                # random photos of 500 x 375
    python -m benchmarks.prediction --photo_size 4032x3024 --photos 24

Trains a network for one step, exports it, and then lets the contestants take turns, each on all
photos with all cores: `run` and `export` are what predict_flowers.py does with --log_dir and
--export_dir; `tflite` is the float32 model of the export, one image after the other, on inputs that
the export decodes; `keras` decodes with `image_dataset_from_directory`, and then calls `predict` of
the same network in keras.applications. The last two decode without predicting: `reading` is the
part of `run` before the network, and `pillow` decodes each file at the least of 1/2, 1/4 and 1/8 of
its size that the network needs, its draft mode. Prints images/s, min / median / max over the
rounds, and the ratio of the median to that of `keras`, or of `pillow` for the reading.
"""

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.photos import size, write_random_photos
from benchmarks.speeds import take_turns, write_speeds
from benchmarks.startup import draw_dataset
from datasets.parallel import in_parallel
from datasets.photo_files import find_photo_files
from keras_conversion.layers import APPLICATIONS
from nets.networks import find_network
from system.flags import Parser, path, run_main, whole_number

ROOT = Path(__file__).resolve().parent.parent
CLASSES = 5  # of the drawn flowers
BATCH_SIZE = 32  # the default of predict_flowers.py
# Contestant -> the one that its speed is compared with.
REFERENCES = {"run": "keras", "export": "keras", "tflite": "keras", "keras": "keras"}
REFERENCES |= {"reading": "pillow", "pillow": "pillow"}


def train_and_export(folder, model_name):
    """Trains for a step from random weights, and exports; returns the folders of both."""
    dataset = draw_dataset(folder)
    log_dir, export_dir = folder / "run", folder / "exports"
    for command in (
        f"train_flowers.py --dataset_dir {dataset} --log_dir {log_dir} --model_name {model_name} "
        "--checkpoint_path none --max_number_of_steps 1 --batch_size 4",
        f"export_flowers.py --log_dir {log_dir} --export_dir {export_dir}",
        f"export_flowers.py --log_dir {log_dir} --export_dir {export_dir} --format tflite",
    ):
        subprocess.run(
            [sys.executable, *command.split()], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
        )
    return log_dir, export_dir


def open_contestants(folder, model_name, photos_dir):
    """Returns contestant -> a function that reads or predicts all photos; or why it cannot."""
    from serving.prediction import open_model
    from serving.tflite import Interpreter, model_paths
    from serving.versions import versions_dir

    log_dir, export_dir = train_and_export(folder, model_name)
    files = find_photo_files([photos_dir])
    run, export = open_model(log_dir), open_model(export_dir=export_dir)
    lite = Interpreter(model_paths(versions_dir(export_dir, "tflite") / "1")["float32"])
    return {
        "run": lambda: predict(run, files),
        "export": lambda: predict(export, files),
        "tflite": lambda: predict(Lite(export, lite), files),
        "keras": keras_predictor(model_name, photos_dir),
        "reading": lambda: predict(Reading(run), files),
        "pillow": lambda: draft_decode(files, run.needed_size),
    }


def predict(model, files):
    """Predicts the photos as predict_flowers.py does."""
    from serving.prediction import predict_batches

    for batch in predict_batches(model, files, 1, BATCH_SIZE):
        for prediction, _ in batch:
            if prediction.error:
                raise SystemExit(f"{prediction.filename}: {prediction.error}")


class Reading:
    """A model that ends before the network: the probabilities are zero."""

    def __init__(self, run):
        """Takes the labels and the preprocessing of a `RunModel`."""
        self.labels, self.needed_size, self._run = run.labels, run.needed_size, run

    def probabilities(self, encoded):
        """Preprocesses the images, and returns zeros, float32 [images, classes]."""
        inputs = self._run.inputs(encoded)
        return np.zeros([len(inputs), len(self.labels)], np.float32)


class Lite:
    """A TensorFlow Lite model, behind the preprocessing of an export."""

    def __init__(self, export, interpreter):
        """Takes an `ExportedModel` and a `tflite.Interpreter`."""
        self.labels, self.needed_size = export.labels, export.needed_size
        self._export, self._interpreter = export, interpreter

    def probabilities(self, encoded):
        """Returns float32 [images, classes]."""
        inputs = self._export.network_inputs(encoded)
        return np.concatenate([self._interpreter.probabilities(each[None]) for each in inputs])


def keras_predictor(model_name, photos_dir):
    """Returns a function that predicts a folder with Keras, or why it cannot."""
    if model_name not in APPLICATIONS:
        return "keras.applications lacks it"
    from keras_conversion.files import build_application, eager_keras
    from slim_on_tf2 import tf

    side = find_network(model_name).image_size
    with eager_keras(), tf.device(None):  # on the GPU, if there is one
        model = build_application(model_name, CLASSES)

    def predict_folder():
        with eager_keras() as keras, tf.device(None):
            photos = keras.utils.image_dataset_from_directory(
                photos_dir,
                labels=None,
                batch_size=BATCH_SIZE,
                image_size=(side, side),
                shuffle=False,
                verbose=False,
            )
            images = np.concatenate([batch.numpy() for batch in photos])
            tf.enable_tensor_equality()  # which `predict` needs, and slim_on_tf2 turns off
            model.predict(images, batch_size=BATCH_SIZE, verbose=0)
            tf.disable_tensor_equality()

    return predict_folder


def draft_decode(files, needed_size):
    """Decodes JPEGs with Pillow, in threads, at the fraction of their size that is enough."""

    def decode(file):
        with Image.open(file.name) as image:
            image.draft("RGB", needed_size and needed_size[::-1])
            image.load()

    for _ in in_parallel(decode, files):
        pass


def images_per_second(run, photos):
    """Calls `run`, which reads or predicts `photos` images; returns images/s."""
    started = time.perf_counter()
    run()
    return photos / (time.perf_counter() - started)


def measure(contestants, photos, rounds):
    """Lets the contestants take turns; returns contestant -> images/s of each, or the reason."""
    return take_turns(
        {
            name: each if isinstance(each, str) else partial(images_per_second, each, photos)
            for name, each in contestants.items()
        },
        rounds,
    )


def format_row(name, speeds):
    """Returns the line of a contestant; `speeds` are those of all."""
    if isinstance(speeds[name], str):
        return f"{name:10}{speeds[name]}"
    low, median, high = (f(speeds[name]) for f in (min, statistics.median, max))
    reference, ratio = REFERENCES[name], "-"
    if not isinstance(speeds[reference], str):
        ratio = f"{median / statistics.median(speeds[reference]):.2f} of {reference}"
    return f"{name:10}{low:9.1f} /{median:8.1f} /{high:8.1f}{ratio:>18}"


def main(argv=None):
    """Prints the table."""
    parser = Parser(__doc__)
    parser.flag("model_name", "NAME", str, "mobilenet_v1", "network")
    parser.flag("photo_size", "WxH", size, (500, 375), "of the random photos (default 500x375)")
    parser.flag("photos", "N", whole_number(1), 128, "random photos")
    parser.flag("rounds", "N", whole_number(1), 5, "turns of each contestant")
    parser.flag("json", "FILE", path, None, "also write the speeds to this file")
    flags = parser.parse_args(argv)
    find_network(flags.model_name)
    from system.device import describe_device

    device = f"{describe_device()}; {platform.machine()}; {os.cpu_count()} cores"
    print(f"{device}; {flags.model_name}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_random_photos(folder / "random", flags.photos, *flags.photo_size)
        contestants = open_contestants(folder, flags.model_name, folder / "random")
        speeds = measure(contestants, flags.photos, flags.rounds)
    print(f"{'':10}{'images/s: min / median / max':>29}")
    for name in speeds:
        print(format_row(name, speeds))
    if flags.json:
        write_speeds(flags.json, device, speeds)
    return 0


if __name__ == "__main__":
    run_main(main)
