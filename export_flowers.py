"""Exports a trained network for its use: TensorFlow Serving, phones and boards, older programs.

    python export_flowers.py                                # runs/flowers -> exports/flowers/1
    python export_flowers.py --log_dir runs/birds           # -> exports/birds/1
    python export_flowers.py --format tflite                # -> exports/flowers/tflite/1
    python export_flowers.py --format frozen_graph          # -> exports/flowers/frozen_graph/1

A SavedModel takes encoded photos of any size (signature serving_default, input image_bytes) or
float32 pictures in [0, 1] (signature images, input images), and returns label, probability,
classes and probabilities. Files are decoded as in training: of a photo that EXIF turns, a
transparent one, or a BMP with a palette, make an upright RGB JPEG first, as predict_flowers.py
does. TensorFlow Lite files (float32, float16, int8) hold the network alone.
What is exported has to give the answers of eval_flowers.py, in a fresh process; export.json, with
the files, says what was measured. A version that exists is never overwritten.
"""

import json
from pathlib import Path

from flags import Parser, one_of, path, run, whole_number
from serving import versions
from training import run_checkpoints
from training.run_record import read_run


def parse_flags(argv=None):
    """The flags, each checked."""
    parser = Parser(__doc__)
    flag, switch = parser.flag, parser.switch
    flag("log_dir", "DIR", path, "runs/flowers", "what train_flowers.py wrote")
    flag("export_dir", "DIR", path, None, "of the versions (default exports/ and the run's name)")
    flag("format", "NAME", one_of(versions.FORMATS), "saved_model", ", ".join(versions.FORMATS))
    flag("version", "N", whole_number(1), None, "its number (default the next free one)")
    flag("checkpoint", "WHICH", str, "best", "best, latest, or a path")
    switch("moving_averages", "export these in the place of the weights")
    flag("split", "NAME", str, "validation", "photos to compare on")
    flag("dataset_dir", "DIR", path, None, "their TFRecords (default those of the training)")
    flag("num_photos", "N", whole_number(1), None, "how many to compare on (default all)")
    return parser.parse_args(argv)


def table(found):
    """The lines that show the models beside the evaluation."""
    titles = ("model", "MB", "accuracy", "same answers", "largest difference", "ms a photo")
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
    return ["  ".join(map(str.rjust, row, widths)) for row in (titles, *rows)]


def main(argv=None):
    """Checks the flags, exports, and prints what was measured; the last line is JSON."""
    flags = parse_flags(argv)
    read_run(flags.log_dir)
    # Of another run a version beside these would be taken for the newest of them.
    flags.export_dir = flags.export_dir or str(Path("exports", Path(flags.log_dir).resolve().name))
    run_checkpoints.find(flags.log_dir, flags.checkpoint)
    versions.refuse_existing(versions.folder_of(flags.export_dir, flags.format), flags.version)
    # From here on TensorFlow is imported, which takes six seconds.
    from serving.exporting import export
    from training.device import describe_device

    print(describe_device(), flush=True)
    found = export(**vars(flags))
    print(*table(found), sep="\n")
    timed = "network alone" if flags.format == "tflite" else "from its encoded bytes"
    print(f"Photos one by one on the CPU, {timed}; differences of probabilities.")
    print(f"Exported to {found['path']}")
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    run(main)
