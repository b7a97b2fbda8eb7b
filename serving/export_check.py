"""Runs an export in a new process, which has nothing but the export's files.

    predictions = predict_in_new_process("saved_model", "exports/flowers/1", dataset, 348, None)

starts `python -m serving.export_check REQUEST`, where REQUEST is a JSON file. That process predicts
one image at a time on the CPU, prints a line for each, and writes all predictions to a file. The
first images are also predicted from their pixels, to check the signature `images`.
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from datasets.description import read_labels
from datasets.examples import read_examples
from preprocessing.decoding import decode
from serving import tflite
from serving.exported import IMAGES, ExportedModel, FrozenGraph
from slim_on_tf2 import tf
from system.device import describe_device
from system.errors import BadInput

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = "saved_model"  # beside TensorFlow Lite models, the SavedModel to compare them with
DECODED_IMAGES = 8  # images that are also fed as pixels
FIELDS = ("labels", "probabilities", "seconds")


@dataclass(frozen=True)
class ModelPredictions:
    """The predictions of one exported model for n images.

    Attributes:
      labels: str [n], the most probable class.
      probabilities: float32 [n, classes].
      seconds: float64 [n], the time for each image.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    seconds: np.ndarray


def model_paths(form, folder):
    """Returns the paths of an export's models by name; `tflite` includes `REFERENCE`."""
    if form != "tflite":
        return {form: Path(folder)}
    return {REFERENCE: Path(folder, REFERENCE), **tflite.model_paths(folder)}


def predict_in_new_process(form, folder, dataset, num_images, needed_size):
    """Predicts the first images of a split with an export, in a new process.

    Args:
      form: "saved_model", "frozen_graph" or "tflite"; for the last, `folder`/`REFERENCE` holds a
        SavedModel of the same network, which preprocesses the images and is measured too.
      folder: the folder of the export's files.
      dataset: a `slim.dataset.Dataset` from `get_split`.
      num_images: number of images.
      needed_size: height and width in pixels of an image that the preprocessing does not enlarge;
        None if it does not resize.

    Returns:
      A dict of `ModelPredictions` by model name. For "tflite" the names are `REFERENCE` and
      `tflite.PRECISIONS`, and the time is that of the network alone. For the others they are
      `form`, whose time includes decoding and preprocessing, and `IMAGES`: the predictions from the
      pixels of the first `DECODED_IMAGES` images, decoded by TensorFlow at the fraction of their
      size that the graph decodes.

    Raises:
      BadInput: the export cannot be opened or run, with the reason.
    """
    with tempfile.TemporaryDirectory() as temporary:
        request = {
            "form": form,
            "folder": str(Path(folder).resolve()),
            "shards": [str(Path(shard).resolve()) for shard in dataset.data_sources],
            "num_images": num_images,
            "needed_size": needed_size,
            "output": str(Path(temporary, "predictions.npz")),
        }
        errors = Path(temporary, "errors")
        if _run_process(request, Path(temporary, "request.json"), errors) != 0:
            reason = errors.read_text(errors="replace").strip().rpartition("\n")[2]
            raise BadInput(f"{folder}: cannot be loaded in a new process: {reason}")
        with np.load(request["output"]) as arrays:
            names = dict.fromkeys(key.rpartition(".")[0] for key in arrays)
            return {
                name: ModelPredictions(**{field: arrays[f"{name}.{field}"] for field in FIELDS})
                for name in names
            }


def _run_process(request, path, errors):
    """Runs the new process with a progress bar and returns its exit status."""
    path.write_text(json.dumps(request))
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(path)],
            cwd=ROOT,
            # A GPU may round to fewer bits, and its memory may be taken by a training.
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
    with process:
        try:
            bar = {"total": request["num_images"], "unit": " images", "disable": None}
            for _ in tqdm(process.stdout, "comparing", **bar):
                pass
            return process.wait()
        finally:
            process.kill()


def main():
    """Runs in the new process: serves the request that the command line names."""
    request = json.loads(Path(sys.argv[1]).read_text())
    describe_device()  # initializes the devices, which would count as time of the first image
    prepare, models, labels = _open(
        request["form"], Path(request["folder"]), request["needed_size"]
    )
    examples = itertools.chain.from_iterable(
        read_examples(shard, len(labels)) for shard in request["shards"]
    )
    rows = {name: [] for name in models}
    for index, example in enumerate(itertools.islice(examples, request["num_images"])):
        encoded = example.features.feature["image/encoded"].bytes_list.value[0]
        for name, prepared in prepare(index, encoded).items():
            start = time.perf_counter()
            label, probabilities = models[name](prepared)
            rows[name].append((label, probabilities, time.perf_counter() - start))
        print(flush=True)
    arrays = {}
    for name, values in rows.items():
        for field, column in zip(FIELDS, zip(*values)):
            arrays[f"{name}.{field}"] = np.array(column)
    np.savez(request["output"], **arrays)


def _open(form, folder, needed_size):
    """Returns `prepare`, the models by name, and the labels.

    prepare(index, encoded image) returns a dict: for each model that predicts this image, its
    input. A model is a function from its input to a label and float32 [classes].
    """
    if form == "tflite":
        return _open_tflite(folder)
    return _open_graph(form, folder, needed_size)


def _open_graph(form, folder, needed_size):
    model = (ExportedModel if form == "saved_model" else FrozenGraph)(folder)
    to_image = _image_decoder(needed_size)

    def prepare(index, encoded):
        inputs = {form: [encoded]}
        return inputs | {IMAGES: to_image(encoded)} if index < DECODED_IMAGES else inputs

    models = {form: _first_output(model.predict), IMAGES: _first_output(model.predict_images)}
    return prepare, models, model.labels


def _open_tflite(folder):
    paths, labels = model_paths("tflite", folder), read_labels(folder)
    reference = ExportedModel(paths.pop(REFERENCE))
    functions = {REFERENCE: reference.probabilities_of_inputs}
    for precision, path in paths.items():
        functions[precision] = tflite.Interpreter(path).probabilities
    models = {name: _most_probable(function, labels) for name, function in functions.items()}

    def prepare(index, encoded):
        return dict.fromkeys(models, reference.network_inputs([encoded]))

    return prepare, models, labels


def _image_decoder(needed_size):
    """Returns a function from an encoded image to float32 [1, height, width, 3] in [0, 1]."""
    with tf.Graph().as_default() as graph:
        encoded = tf.placeholder(tf.string, [])
        image = tf.image.convert_image_dtype(decode(encoded, None, needed_size), tf.float32)
    session = tf.Session(graph=graph)
    return lambda image_bytes: session.run(image, {encoded: image_bytes})[np.newaxis]


def _first_output(predict):
    def predict_one(batch):
        outputs = predict(batch)
        return outputs["label"][0].decode(), outputs["probabilities"][0]

    return predict_one


def _most_probable(predict, labels):
    def predict_one(batch):
        (probabilities,) = predict(batch)
        return labels[np.argmax(probabilities)], probabilities

    return predict_one


if __name__ == "__main__":
    main()
