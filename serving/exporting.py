"""The export of a run: its network with its weights, for those who want answers and no training.

What is exported is compared with the evaluation before it appears under its number.
"""

import json
import shutil
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bad_input import BadInput
from datasets.description import write_labels
from datasets.examples import encoded_at
from flags import checked_value, one_of, path, truth, whole_number
from serving import export_check, export_files, tflite, versions
from serving.exported import ANSWERS, EXTRA_ASSETS, IMAGE_BYTES, IMAGES, NETWORK_INPUTS, SIGNATURE
from slim_on_tf2 import tf
from training import run_checkpoints, serving_graph
from training.evaluation import find_split
from training.evaluator import Evaluator
from training.restorer import Restorer
from training.run_record import read_run

# Float32 gives other last digits where sums are made in another order: batch norm folded into
# convolutions, other batches, other threads. Of mobilenet and inception that was 2e-7 to 3e-6. A
# photo that is decoded or resized in another way is another matter: with Pillow's JPEG decoder, or
# another bilinear kernel, some photo of 348 changed by 7e-2, with red and blue swapped by 0.9.
TOLERANCE = 1e-3
ROUNDED = ("float16", "int8")  # models that are meant to differ
REPRESENTATIVE = 128  # photos of the training split, to show int8 the ranges
BATCH_SIZE = 32

DESCRIPTION_FILE = "export.json"
# What a client sends, by the signature's input.
PHOTOS = {
    IMAGE_BYTES: "files in JPEG, PNG, GIF or BMP, decoded as in training; of a photo that EXIF "
    "turns, a transparent one, or a BMP with a palette, make an upright RGB JPEG first, as "
    "predict_flowers.py does",
    IMAGES: "float32 in [0, 1]; red, green, blue",
}
# What to feed and fetch, by format.
TENSORS = {
    "saved_model": {
        "photos": PHOTOS,
        "signatures": {SIGNATURE: [IMAGE_BYTES], IMAGES: [IMAGES]},
        "outputs": list(ANSWERS),
    },
    "frozen_graph": {
        "photos": PHOTOS,
        "inputs": [f"{IMAGE_BYTES}:0", f"{IMAGES}:0", NETWORK_INPUTS],
        "outputs": [f"{name}:0" for name in ANSWERS],
    },
    "tflite": {"inputs": ["input"], "outputs": ["probabilities"]},
}
# What the preprocessings make of a photo in evaluation, for those who write it anew on a device.
PREPARATIONS = {
    "inception": "the middle 7/8 of either side, resized bilinearly; red, green, blue in [-1, 1]",
    "vgg": "the smaller side resized to 256/224 of the network's, bilinearly, and the middle of "
    "that; of 255, less the mean red 123.68, green 116.78, blue 103.94, or grey 117.37",
    "lenet": "the middle at its own scale, padded with black; of 255, less 128, by 128",
    "cifarnet": "the middle at its own scale, padded with black; less its mean, by its deviation",
    "none": "the whole photo, resized bilinearly; red, green, blue in [0, 1]",
}


def export(
    log_dir,
    export_dir,
    format="saved_model",
    checkpoint="best",
    moving_averages=False,
    version=None,
    split="validation",
    dataset_dir=None,
    num_photos=None,
):
    """Exports a run as a new version, once it gives the evaluation's answers in a fresh process.

    Args:
      log_dir: the run's folder.
      export_dir: where the versions go; see `versions.FORMATS`.
      format: "saved_model", "tflite" or "frozen_graph".
      checkpoint: "best", "latest", or a path.
      moving_averages: whether to export these in the place of the weights.
      version: a whole number of at least 1; by default the next free one.
      split: the photos to compare on; tflite also reads the split `train`.
      dataset_dir: their TFRecords; by default those of the training.
      num_photos: how many to compare on, from the first; by default all of the split.

    Returns:
      What export.json says: `format`, `checkpoint`, `global_step`, `moving_averages`, `split`,
      `num_photos`, `accuracy` of the evaluation on these, and `models`, a list of dicts: `name`,
      `megabytes`, `accuracy`, `same_answers` (photos), `largest_difference` (of probabilities),
      `milliseconds` (a photo, the median). Then `version`, and `path`, its folder.

    Raises:
      BadInput: an argument, the run, the checkpoint, the split or the folder is at fault; the
        version exists; or the export differs from the evaluation by more than `TOLERANCE`.
    """
    format = checked_value("format", one_of(versions.FORMATS), str(format))
    version = checked_value("version", whole_number(1), version)
    num_photos = checked_value("num_photos", whole_number(1), num_photos)
    moving_averages = checked_value("moving_averages", truth, str(moving_averages))
    export_dir = checked_value("export_dir", path, export_dir or "")
    log_dir = checked_value("log_dir", path, log_dir or "")
    run = read_run(log_dir)
    checkpoint = run_checkpoints.find(log_dir, checked_value("checkpoint", path, str(checkpoint)))
    dataset_dir = checked_value("dataset_dir", path, dataset_dir)
    dataset = find_split(run, str(split), dataset_dir)
    photos = _representative(find_split(run, "train", dataset_dir)) if format == "tflite" else []
    folder = versions.folder_of(export_dir, format)
    versions.refuse_existing(folder, version)
    with versions.written_aside(folder) as aside:
        print(f"Writing {checkpoint} as {format}", flush=True)
        frozen, inputs, step = _freeze(run, checkpoint, moving_averages, photos)
        lite_models = _converted(frozen, inputs) if format == "tflite" else {}
        with versions.writing_to(folder):
            _write(format, aside, frozen, lite_models, run.labels)
        found = {
            "format": format,
            "checkpoint": checkpoint,
            "global_step": step,
            "moving_averages": moving_averages,
            "split": dataset.split_name,
            **_measured(format, aside, run, checkpoint, moving_averages, dataset, num_photos),
        }
        with versions.writing_to(folder):
            if format == "tflite":
                shutil.rmtree(aside / export_check.REFERENCE)
            _describe(aside, found, run)
        published = versions.publish(aside, folder, version)
    return found | {"version": int(published.name), "path": str(published)}


def _representative(dataset):
    """The encoded photos at `REPRESENTATIVE` places of a split, evenly spaced."""
    apart = max(1, dataset.num_samples // REPRESENTATIVE)
    return encoded_at(dataset, range(0, dataset.num_samples, apart)[:REPRESENTATIVE])


def _freeze(run, checkpoint, moving_averages, photos):
    """The network as a `GraphDef`, encoded photos as it sees them, and the checkpoint's step."""
    # The graphics card is for the evaluation; here nothing is computed but a few photos.
    config = tf.ConfigProto(device_count={"GPU": 0})
    with tf.Graph().as_default() as graph:
        serving = serving_graph.build(run)
        restorer = Restorer(moving_averages)
        with tf.Session(graph=graph, config=config) as session:
            restorer.restore(session, checkpoint)
            inputs = session.run(serving.inputs, {serving.image_bytes: photos}) if photos else None
            step = int(session.run(tf.train.get_global_step()))
            return serving_graph.freeze(serving, session), inputs, step


def _converted(frozen, inputs):
    """TensorFlow Lite's bytes of a frozen network, by precision; `inputs` are what it sees."""
    return {name: tflite.convert(frozen, name, inputs) for name in tflite.PRECISIONS}


def _write(format, folder, frozen, lite_models, labels):
    """Writes a frozen network to `folder`; `lite_models` are those of `_converted`."""
    if format == "saved_model":
        export_files.write_saved_model(folder, frozen, labels)
    elif format == "frozen_graph":
        export_files.write_frozen_graph(folder, frozen, labels)
    else:
        for precision, file in tflite.models_in(folder).items():
            file.write_bytes(lite_models[precision])
        write_labels(folder, labels)
        export_files.write_saved_model(folder / export_check.REFERENCE, frozen, labels)


def _measured(format, folder, run, checkpoint, moving_averages, dataset, num_photos):
    """Compares what is in `folder` with the evaluation, on the first `num_photos` or on all.

    Returns:
      `num_photos`, `accuracy` and `models`, as `export` does.

    Raises:
      BadInput: a model answers otherwise.
    """
    count = min(num_photos or dataset.num_samples, dataset.num_samples)
    print(f"Comparing with the evaluation on {count} photos of {dataset.split_name}", flush=True)
    actual, expected = _evaluate(run, dataset, checkpoint, moving_averages, count)
    answers = export_check.answer_afresh(format, folder, dataset, count)
    for name, said in answers.items():
        _refuse_other_answers(name, _largest_difference(said, expected))
    return {
        "num_photos": count,
        "accuracy": float(np.mean(expected.argmax(axis=1) == actual)),
        "models": [
            _compare(name, place, answers[name], actual, expected, run.labels)
            for name, place in export_check.models_of(format, folder).items()
        ],
    }


def _evaluate(run, dataset, checkpoint, moving_averages, num_photos):
    """What the evaluation finds of the first photos of a split, in full float32 on any device.

    Returns:
      int64 [num_photos], the labels, and float32 [num_photos, classes], the probabilities.
    """
    batches = []
    rounds = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        with tqdm(total=num_photos, desc="evaluating", unit=" photos", disable=None) as bar:

            def add(batch):
                batches.append(batch)
                bar.update(len(batch["labels"]))

            evaluator = Evaluator(run, dataset, BATCH_SIZE, moving_averages)
            evaluator.evaluate(checkpoint, lambda: num_photos <= BATCH_SIZE * len(batches), add)
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(rounds)
    actual, probabilities = (
        np.concatenate([batch[name] for batch in batches])[:num_photos]
        for name in ("labels", "probabilities")
    )
    if not np.isfinite(probabilities).all():
        raise BadInput(f"{checkpoint} gives no probabilities: it diverged; give an earlier one")
    return actual, probabilities


def _compare(name, place, answers, actual, expected, labels):
    """What `export` returns of a model: see there.

    Args:
      name: the model's.
      place: its file or folder.
      answers: its `export_check.Answers` of n photos.
      actual: int64 [n].
      expected: float32 [n, classes], the probabilities of the evaluation.
      labels: the names of the classes.
    """
    names = np.array(labels)
    return {
        "name": name,
        "megabytes": _size(place) / 1e6,
        "accuracy": float(np.mean(answers.labels == names[actual])),
        "same_answers": int(np.sum(answers.labels == names[expected.argmax(axis=1)])),
        "largest_difference": _largest_difference(answers, expected),
        "milliseconds": float(np.median(answers.seconds)) * 1000,
    }


def _largest_difference(answers, expected):
    """Of the probabilities of all photos that were answered, which may be the first ones alone."""
    return float(np.abs(answers.probabilities - expected[: len(answers.probabilities)]).max())


def _size(place):
    """Bytes of a file, or of all files in a folder."""
    files = [place] if place.is_file() else place.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def _refuse_other_answers(name, difference):
    if name not in ROUNDED and not difference <= TOLERANCE:
        raise BadInput(
            f"{name}: differs from the evaluation by up to {difference:.2g} in a probability, more "
            f"than {TOLERANCE:g}: nothing was exported; make sure that checkpoint, photos and "
            "run.json belong together, and report it if they do"
        )


def _describe(folder, found, run):
    """Writes export.json: what was exported, what to feed and fetch, and how it was compared."""
    seen = {
        "side": run.image_size,
        "channels": 1 if run.use_grayscale else 3,
        "dtype": "float32",
        "preprocessing": run.preprocessing_name,
        "photo": PREPARATIONS[run.preprocessing_name],
    }
    description = {
        "model_name": run.model_name,
        **TENSORS[found["format"]],
        "seen_by_the_network": seen,
        **found,
    }
    place = EXTRA_ASSETS if found["format"] == "saved_model" else ""
    text = json.dumps(description, indent=2) + "\n"
    Path(folder, place, DESCRIPTION_FILE).write_text(text)
