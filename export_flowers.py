"""Exports a trained network: for TensorFlow Serving, for phones and boards, as a frozen graph.

    python export_flowers.py                                # runs/flowers -> exports/flowers/1
    python export_flowers.py --log_dir runs/birds           # -> exports/birds/1
    python export_flowers.py --format tflite                # -> exports/flowers/tflite/1
    python export_flowers.py --format frozen_graph          # -> exports/flowers/frozen_graph/1

A SavedModel takes encoded images of any size (signature serving_default, input image_bytes) or
float32 images in [0, 1] (signature images, input images), and returns label, probability, classes
and probabilities. Files are decoded as in training: convert an image with EXIF orientation, with
transparency, or a BMP with a palette to an upright RGB JPEG first, as predict_flowers.py does.
TensorFlow Lite files (float32, float16, int8) hold the network alone.
An export has to predict as eval_flowers.py does, in a new process; export.json, beside its
files, holds what was measured. An existing version is never overwritten.
"""

from pathlib import Path

from serving import versions
from system.flags import Parser, one_of, parse_early, path, run_main, whole_number
from training.run_checkpoints import find_weights
from training.run_record import read_run


def parse_flags(argv=None):
    """Returns the flags, each checked by itself and all of them together."""
    parser = Parser(__doc__)
    flag, switch = parser.flag, parser.switch
    flag("log_dir", "DIR", path, "runs/flowers", "run folder, written by train_flowers.py")
    flag("export_dir", "DIR", path, None, "folder of the versions (default exports/ and the run's)")
    flag("format", "NAME", one_of(versions.FORMATS), "saved_model", ", ".join(versions.FORMATS))
    flag("version", "N", versions.number, None, "version number (default the next free one)")
    flag("checkpoint", "WHICH", str, "best", "best, latest, or a path")
    switch("moving_averages", "export these instead of the raw weights")
    flag("split", "NAME", str, "validation", "split to compare on")
    flag("dataset_dir", "DIR", path, None, "its TFRecords (default those of the training)")
    flag("num_photos", "N", whole_number(1), None, "images to compare on (default all)")
    flags = parser.parse_args(argv)
    read_run(flags.log_dir)
    # In a folder of another run this version would be taken for the latest one of that run.
    flags.export_dir = flags.export_dir or str(Path("exports", Path(flags.log_dir).resolve().name))
    find_weights(flags.log_dir, flags.checkpoint)
    folder = versions.versions_dir(flags.export_dir, flags.format)
    versions.check_version_is_free(folder, flags.version)
    return flags


if __name__ == "__main__":  # a wrong flag is answered before TensorFlow loads, which takes seconds
    FLAGS = parse_early(parse_flags)

import json
import shutil

import numpy as np

from checkpointing.restorer import Restorer
from datasets.examples import encoded_at
from eval_flowers import build_evaluator
from evaluation.splits import get_run_split
from preprocessing.preprocessing_factory import needed_size
from serving import export_check, export_files, serving_graph, tflite
from serving.export_comparison import BATCH_SIZE, compare_predictions, expected_predictions
from serving.export_description import write_description
from slim_on_tf2 import tf
from system.device import describe_device
from system.flags import boolean, checked_value
from system.precision_names import OFF
from training.run_precision import with_precision

REPRESENTATIVE = 128  # images of the training split that show int8 the ranges of values


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
    """Exports a run as a new version, if it predicts as the evaluation does.

    Args:
      log_dir: the run's folder.
      export_dir: the folder of the versions; see `versions.FORMATS`.
      format: "saved_model", "tflite" or "frozen_graph".
      checkpoint: "best", "latest", or a path.
      moving_averages: whether to export these instead of the raw weights.
      version: an int of at least 1; by default the next free one.
      split: the split to compare on; tflite also reads the split `train`.
      dataset_dir: its TFRecords; by default those of the training.
      num_photos: how many of its images to compare on, from the first; by default all.

    Returns:
      The contents of export.json: `format`, `checkpoint`, `global_step`, `moving_averages`,
      `split`, `num_photos`, `accuracy` of the evaluation on these images, and `models`, see
      `export_comparison.compare_predictions`; and `version` and `path`, the folder of the version.

    Raises:
      BadInput: an argument, the run, the checkpoint, the split or the folder is at fault; the
        version exists; or the export predicts differently.
    """
    format = checked_value("format", one_of(versions.FORMATS), str(format))
    version = checked_value("version", versions.number, version)
    num_photos = checked_value("num_photos", whole_number(1), num_photos)
    moving_averages = checked_value("moving_averages", boolean, str(moving_averages))
    export_dir = checked_value("export_dir", path, export_dir or "")
    log_dir = checked_value("log_dir", path, log_dir or "")
    dataset_dir = checked_value("dataset_dir", path, dataset_dir)
    run = read_run(log_dir)
    which = checked_value("checkpoint", path, str(checkpoint))
    checkpoint, moving_averages = find_weights(log_dir, which, moving_averages)
    dataset = get_run_split(run, str(split), dataset_dir)
    images = representative_images(run, dataset_dir) if format == "tflite" else []
    folder = versions.versions_dir(export_dir, format)
    versions.check_version_is_free(folder, version)
    with versions.staged_version(folder) as staged:
        # Freeze the network with its weights, and write it in the format.
        weights = "the moving averages of " if moving_averages else ""
        print(f"Writing {weights}{checkpoint} as {format}", flush=True)
        frozen, inputs, step = freeze(run, checkpoint, moving_averages, images)
        write_format(format, folder, staged, frozen, inputs, run.labels)

        # Compare its predictions in a new process with those of the evaluation.
        count = min(num_photos or dataset.num_samples, dataset.num_samples)
        needed = needed_size(run.preprocessing_name, run.image_size, run.image_size)
        print(f"Comparing with the evaluation on {count} images of {split}", flush=True)
        in_float32 = with_precision(run, OFF)  # as an export computes
        evaluator = build_evaluator(in_float32, dataset, BATCH_SIZE, moving_averages)
        labels, expected = expected_predictions(evaluator, checkpoint, count)
        found = {
            "format": format,
            "checkpoint": checkpoint,
            "global_step": step,
            "moving_averages": moving_averages,
            "split": dataset.split_name,
            "num_photos": count,
            "accuracy": float(np.mean(expected.argmax(axis=1) == labels)),
            "models": compare_predictions(format, staged, dataset, labels, expected, needed),
        }

        # Publish it under its version number.
        with versions.report_write_errors(folder):
            if format == "tflite":
                shutil.rmtree(staged / export_check.REFERENCE)
            write_description(staged, found, run)
        published = versions.publish(staged, folder, version)
    return found | {"version": int(published.name), "path": str(published)}


def representative_images(run, dataset_dir):
    """Returns encoded images of the training split, evenly spaced."""
    dataset = get_run_split(run, "train", dataset_dir)
    step = max(1, dataset.num_samples // REPRESENTATIVE)
    return encoded_at(dataset, range(0, dataset.num_samples, step)[:REPRESENTATIVE])


def freeze(run, checkpoint, moving_averages, images):
    """Returns the network as a `GraphDef`, `images` as it sees them, and the checkpoint's step."""
    # The GPU is left to the evaluation; only a few images are prepared here.
    config = tf.ConfigProto(device_count={"GPU": 0})
    with tf.Graph().as_default() as graph:
        serving = serving_graph.build(run)
        restorer = Restorer(moving_averages)
        with tf.Session(graph=graph, config=config) as session:
            restorer.restore(session, checkpoint)
            inputs = session.run(serving.inputs, {serving.image_bytes: images}) if images else None
            step = int(session.run(tf.train.get_global_step()))
            return serving_graph.freeze(serving, session), inputs, step


def write_format(format, folder, staged, frozen, inputs, labels):
    """Writes a frozen network to `staged`; errors name `folder`, where the versions are."""
    lite_models = {}
    if format == "tflite":
        lite_models = {name: tflite.convert(frozen, name, inputs) for name in tflite.PRECISIONS}
    with versions.report_write_errors(folder):
        if format == "saved_model":
            export_files.write_saved_model(staged, frozen, labels)
        elif format == "frozen_graph":
            export_files.write_frozen_graph(staged, frozen, labels)
        else:
            tflite.write_models(staged, lite_models, labels)
            export_files.write_saved_model(staged / export_check.REFERENCE, frozen, labels)


def print_table(found):
    """Prints the models beside the evaluation."""
    titles = ("model", "MB", "accuracy", "same class", "largest difference", "ms per image")
    rows = [("evaluation", "", f"{found['accuracy']:.4f}", "", "", "")]
    for model in found["models"]:
        rows.append(
            (
                model["name"],
                f"{model['megabytes']:.2f}",
                f"{model['accuracy']:.4f}",
                f"{model['same_answers']} of {found['num_photos']}",
                f"{model['largest_difference']:.2g}",
                f"{model['milliseconds']:.1f}",
            )
        )
    widths = [max(map(len, column)) for column in zip(titles, *rows)]
    for row in (titles, *rows):
        print("  ".join(map(str.rjust, row, widths)))


def main(flags):
    """Exports, and prints what was measured; the last line is JSON."""
    print(describe_device(), flush=True)
    found = export(**vars(flags))
    print_table(found)
    timed = "network alone" if flags.format == "tflite" else "from the encoded bytes"
    print(f"Image by image on the CPU, {timed}; differences of probabilities.")
    print(f"Exported to {found['path']}")
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    run_main(lambda: main(FLAGS))
