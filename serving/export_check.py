"""What an export answers in a fresh process, which has it from nothing but the export's files.

    answers = answer_afresh("saved_model", "exports/flowers/1", dataset, num_photos=348)

starts `python -m serving.export_check REQUEST`, a file in JSON. That process answers the photos
one by one, on the CPU: a line a photo, and at the end a file with the answers. Some it answers a
second time, as pictures, for the signature `images`.
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

from bad_input import BadInput
from datasets.description import read_labels
from datasets.examples import read_examples
from serving import tflite
from serving.exported import IMAGES, ExportedModel, FrozenGraph
from slim_on_tf2 import tf
from training.device import describe_device

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = "saved_model"  # in the folder of another format: the model to measure it beside
PICTURES = 8  # so many photos show whether `images` is the same network behind another entrance


@dataclass(frozen=True)
class Answers:
    """What one model of an export said of n photos.

    Attributes:
      labels: str [n], the most probable class.
      probabilities: float32 [n, classes].
      seconds: float64 [n], the time that each took.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    seconds: np.ndarray


def models_of(form, folder):
    """The models of an export: path by name; `REFERENCE` is beside those of TensorFlow Lite."""
    if form != "tflite":
        return {form: Path(folder)}
    return {REFERENCE: Path(folder, REFERENCE), **tflite.models_in(folder)}


def answer_afresh(form, folder, dataset, num_photos):
    """Has an export answer the first photos of a split in a fresh process.

    Args:
      form: "saved_model", "frozen_graph" or "tflite"; the last with a SavedModel of the same
        network in `folder`/`REFERENCE`, which prepares the photos and is measured too.
      folder: where its files are.
      dataset: a `slim.dataset.Dataset` from `get_split`.
      num_photos: how many of it.

    Returns:
      `Answers` by the name of the model: `form`, or `REFERENCE` and `tflite.PRECISIONS`. The time
      is that of the network alone for the latter, else it begins with the encoded photo. With
      `form`, under `IMAGES`: what it said of the first `PICTURES` photos, decoded by TensorFlow.

    Raises:
      BadInput: the export cannot be opened or asked; says why.
    """
    with tempfile.TemporaryDirectory() as scratch:
        request = {
            "form": form,
            "folder": str(Path(folder).resolve()),
            "shards": [str(Path(shard).resolve()) for shard in dataset.data_sources],
            "num_photos": num_photos,
            "output": str(Path(scratch, "answers.npz")),
        }
        errors = Path(scratch, "errors")
        if _ask(request, Path(scratch, "request.json"), errors) != 0:
            reason = errors.read_text(errors="replace").strip().rpartition("\n")[2]
            raise BadInput(f"{folder} cannot be used in a fresh process: {reason}")
        with np.load(request["output"]) as arrays:
            return _unpacked(arrays)


def _ask(request, path, errors):
    """Runs the fresh process to its end, with a progress bar; returns its exit status."""
    path.write_text(json.dumps(request))
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(path)],
            cwd=ROOT,
            # A graphics card may round to fewer bits, and the training may have its memory.
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
    with process:
        try:
            photos = {"total": request["num_photos"], "unit": " photos", "disable": None}
            for _ in tqdm(process.stdout, "comparing", **photos):
                pass
            return process.wait()
        finally:
            process.kill()


def _unpacked(arrays):
    fields = [key.rpartition(".") for key in arrays]
    return {
        name: Answers(**{field: arrays[f"{name}.{field}"] for n, _, field in fields if n == name})
        for name in dict.fromkeys(name for name, _, _ in fields)
    }


def main():
    """Answers the request that the command line names: this is the fresh process."""
    request = json.loads(Path(sys.argv[1]).read_text())
    describe_device()  # TensorFlow looks for devices here, and not in the first photo's time
    prepare, models, labels = _open(request["form"], Path(request["folder"]))
    examples = itertools.chain.from_iterable(
        read_examples(shard, len(labels)) for shard in request["shards"]
    )
    said = {name: [] for name in models}
    for place, example in enumerate(itertools.islice(examples, request["num_photos"])):
        photo = example.features.feature["image/encoded"].bytes_list.value[0]
        for name, prepared in prepare(place, photo).items():
            start = time.perf_counter()
            answer = models[name](prepared)
            said[name].append((*answer, time.perf_counter() - start))
        print(flush=True)
    arrays = {}
    for name, answers in said.items():
        for field, values in zip(("labels", "probabilities", "seconds"), zip(*answers)):
            arrays[f"{name}.{field}"] = np.array(values)
    np.savez(request["output"], **arrays)


def _open(form, folder):
    """How to prepare photos, models by name, and the classes.

    A photo, with its place in the split, is prepared as a dict: by the names of the models that are
    to answer it, what they are given. A model is a function of that, which returns a label and
    float32 [classes].
    """
    return _open_tflite(folder) if form == "tflite" else _open_whole(form, folder)


def _open_whole(form, folder):
    model = (ExportedModel if form == "saved_model" else FrozenGraph)(folder)
    decode = _make_decoder()

    def prepare(place, photo):
        encoded = {form: [photo]}
        return encoded | {IMAGES: decode(photo)} if place < PICTURES else encoded

    models = {form: _of_photos(model.answers), IMAGES: _of_photos(model.answers_of_images)}
    return prepare, models, model.labels


def _open_tflite(folder):
    paths, labels = models_of("tflite", folder), read_labels(folder)
    whole = ExportedModel(paths.pop(REFERENCE))
    models = {REFERENCE: _of_inputs(whole.probabilities_of_inputs, labels)}
    for precision, path in paths.items():
        models[precision] = _of_inputs(tflite.Interpreter(path).probabilities, labels)
    return lambda _, photo: dict.fromkeys(models, whole.network_inputs([photo])), models, labels


def _make_decoder():
    """Returns a function from an encoded photo to float32 [1, height, width, 3] in [0, 1]."""
    with tf.Graph().as_default() as graph:
        encoded = tf.placeholder(tf.string, [])
        picture = tf.image.decode_image(encoded, 3, tf.float32, expand_animations=False)
    session = tf.Session(graph=graph)
    return lambda photo: session.run(picture, {encoded: photo})[np.newaxis]


def _of_photos(answers_of):
    def answer(photos):
        answers = answers_of(photos)
        return answers["label"][0].decode(), answers["probabilities"][0]

    return answer


def _of_inputs(probabilities_of, labels):
    def answer(inputs):
        (probabilities,) = probabilities_of(inputs)
        return labels[np.argmax(probabilities)], probabilities

    return answer


if __name__ == "__main__":
    main()
