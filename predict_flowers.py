"""Predicts the classes of images with a trained or a published network.

    python predict_flowers.py rose.jpg garden/ 'more/*.png'    # the best checkpoint of runs/flowers
    python predict_flowers.py --output names.csv --plot names.png garden/
    python predict_flowers.py --plot why.png --explain rose.jpg   # with Grad-CAM heat maps
    python predict_flowers.py --export_dir exports/flowers garden/
    python predict_flowers.py --model_name mobilenet_v1 garden/   # ImageNet's classes, no training
    curl https://example.org/rose.jpg | python predict_flowers.py -
    python predict_flowers.py --watch_folder inbox --output names.jsonl   # until Ctrl-C

Reads every format that convert_flowers.py reads. A folder stands for all images in it and in its
subfolders; - reads an image from stdin, or a list of file names, one per line. The exit status is
1 if an image could not be predicted or a name matches nothing, and 2 if no name matches anything
or a flag is wrong.
"""

from pathlib import Path

from datasets.photo_files import find_photo_files
from evaluation.published_network import OPTIONS, add_flags, choose_network
from serving.prediction_table import check_output_path
from system.errors import BadInput
from system.flags import Parser, one_of, parse_early, path, run_main, whole_number
from system.precision_names import AUTO, PRECISIONS
from training.run_checkpoints import find_checkpoint
from training.run_record import read_run

LOG_DIR, CHECKPOINT = "runs/flowers", "best"
SECONDS_BETWEEN_LOOKS = 1.0


def parse_flags(argv=None):
    """Returns the flags, checked, and the files that they name as `files`."""
    parser = Parser(__doc__)
    flag, switch = parser.flag, parser.switch
    parser.positional("photos", "IMAGE", "files, folders, patterns, or - for stdin")
    flag("log_dir", "DIR", path, None, f"run folder (default {LOG_DIR})")
    flag("checkpoint", "WHICH", str, None, f"best, latest, or a path (default {CHECKPOINT})")
    switch("moving_averages", "use these instead of the raw weights")
    flag("export_dir", "DIR", path, None, "folder of an export, instead of a run")
    add_flags(parser)
    flag("top_k", "N", whole_number(1), 3, "classes for each image")
    flag("output", "FILE", path, None, "table of all predictions: .csv, .json or .jsonl")
    flag("plot", "PNG", path, None, "the first 25 images with their classes")
    switch("explain", "Grad-CAM heat maps in the plot")
    flag("batch_size", "N", whole_number(1), 32, "images per step; does not change predictions")
    formats = one_of(PRECISIONS)
    flag("mixed_precision", "HOW", formats, None, "16-bit products (default as in training)")
    flag("watch_folder", "DIR", path, None, "predict its images, and new ones until Ctrl-C")
    flags = parser.parse_args(argv)
    check_together(flags)
    flags.files = find_photo_files(flags.photos) if flags.photos else None
    return flags


def check_together(flags):
    """Refuses flags that exclude each other; fills in run or `network`; raises BadInput."""
    if bool(flags.photos) == bool(flags.watch_folder):
        raise BadInput(
            "expected images (files, folders, patterns, or - for stdin) or --watch_folder, one of "
            "the two; --help shows examples"
        )
    if flags.watch_folder and not Path(flags.watch_folder).is_dir():
        raise BadInput(f"--watch_folder {flags.watch_folder} is not a folder; create it first")
    if flags.watch_folder and flags.output and Path(flags.output).exists():
        raise BadInput(
            f"--output {flags.output} already exists and would be overwritten; give another name, "
            "or remove it"
        )
    if flags.output:
        check_output_path(flags.output)
    if flags.plot:
        check_output_path(flags.plot, (".png",))
    if flags.explain and not flags.plot:
        raise BadInput("--explain draws heat maps into a plot; give --plot too")
    of_a_run = ("log_dir", "checkpoint", "moving_averages", "export_dir")
    flags.network = choose_network(
        flags.model_name,
        {name: getattr(flags, name) for name in OPTIONS},
        [name for name in of_a_run if getattr(flags, name)],
    )
    if flags.export_dir:
        for name in ("log_dir", "checkpoint", "moving_averages", "explain", "mixed_precision"):
            if getattr(flags, name):
                raise BadInput(f"--{name} cannot be combined with --export_dir, which has no run")
    elif not flags.network:
        flags.log_dir = flags.log_dir or LOG_DIR
        flags.checkpoint = flags.checkpoint or CHECKPOINT
        read_run(flags.log_dir)
        find_checkpoint(flags.log_dir, flags.checkpoint)


if __name__ == "__main__":  # a wrong flag is answered before TensorFlow loads, which takes seconds
    FLAGS = parse_early(parse_flags)

import contextlib
import os

from datasets.photo_files import arriving_photos
from serving.prediction import open_model, predict_batches
from serving.prediction_report import PredictionReport
from system.device import describe_device
from system.flags import boolean, checked_value
from system.signals import stop_on_signal


def predict(
    log_dir,
    photos,
    top_k=3,
    checkpoint="best",
    moving_averages=False,
    export_dir=None,
    batch_size=32,
    model_name=None,
    mixed_precision=AUTO,
    **published,
):
    """Predicts the classes of images.

    Args:
      log_dir: the run's folder; None with `export_dir` or `model_name`.
      photos: a path or several: files, folders, patterns; see `photo_files.find_photo_files`. A
        path that matches no file gives a prediction with an `error`, if others match.
      top_k: number of classes for each image, at most all.
      checkpoint: of the run: "best", "latest", or a path.
      moving_averages: whether to use these instead of the run's raw weights.
      export_dir: the folder of an export to use instead of a run.
      batch_size: images per step; does not change the predictions.
      mixed_precision: as the flag.
      model_name: a published network to use instead of a run; its classes are ImageNet's.
      **published: for `model_name`: `checkpoint_path`, `checkpoints_dir`, `checkpoints_mirror` and
        `image_size`, as for `published_network.find_published`.

    Returns:
      A list of `Prediction`s, one for each file; a file that is not an image has an `error`.

    Raises:
      BadInput: no path matches a file, an argument is wrong, or the run, the checkpoint or the
        export is at fault.
    """
    log_dir = checked_value("log_dir", path, log_dir)
    export_dir = checked_value("export_dir", path, export_dir)
    checkpoint = checked_value("checkpoint", path, str(checkpoint))
    moving_averages = checked_value("moving_averages", boolean, str(moving_averages))
    top_k = checked_value("top_k", whole_number(1), str(top_k))
    batch_size = checked_value("batch_size", whole_number(1), str(batch_size))
    mixed_precision = checked_value("mixed_precision", one_of(PRECISIONS), mixed_precision)
    if export_dir is None and log_dir is None and model_name is None:
        raise BadInput(
            "log_dir: expected the folder of a run, or export_dir that of an export, or model_name "
            "for a published network"
        )
    values = {"log_dir": log_dir, "checkpoint": checkpoint != "best"}
    values |= {"moving_averages": moving_averages, "export_dir": export_dir}
    given = [name for name, value in values.items() if value]
    network = choose_network(model_name, published, given, prefix="")
    if export_dir is not None and given[0] != "export_dir":
        raise BadInput(f"{given[0]} cannot be combined with export_dir, which has no run")
    files = find_photo_files(path_list(photos))
    model = open_model(log_dir, checkpoint, moving_averages, export_dir, network, mixed_precision)
    with contextlib.closing(model):
        batches = predict_batches(model, files, top_k, batch_size)
        return [prediction for batch in batches for prediction, _ in batch]


def path_list(paths):
    """Returns a path or several as a list of str; raises BadInput for anything else."""
    try:
        if isinstance(paths, str | bytes | os.PathLike):
            return [os.fsdecode(paths)]
        return [os.fsdecode(each) for each in paths]
    except TypeError as error:
        raise BadInput(f"photos: expected a path or a list of paths ({error})") from error


def watch(folder, predict_files, report):
    """Predicts the images of a folder and those that arrive later, until a signal stops it."""
    print(f"Watching {folder} until Ctrl-C", flush=True)
    with stop_on_signal() as stop:
        for files in arriving_photos(folder, lambda: not stop.wait(SECONDS_BETWEEN_LOOKS)):
            for _ in report.add_all(predict_files(files)):
                report.publish()
                if stop:
                    break


def main(flags):
    """Predicts the images that the flags name; returns the exit status."""
    print(describe_device(), flush=True)
    if flags.network:
        print(flags.network.describe(), flush=True)
    model = open_model(
        flags.log_dir,
        flags.checkpoint,
        flags.moving_averages,
        flags.export_dir,
        flags.network,
        flags.mixed_precision or AUTO,
    )
    report = PredictionReport(
        model, flags.files, flags.top_k, flags.output, flags.plot, flags.explain
    )

    def predict_files(files):
        return predict_batches(model, files, flags.top_k, flags.batch_size)

    with contextlib.closing(model), contextlib.closing(report):
        if flags.watch_folder:
            watch(flags.watch_folder, predict_files, report)
        else:
            for _ in report.add_all(predict_files(flags.files)):
                pass
        return report.finish()


if __name__ == "__main__":
    run_main(lambda: main(FLAGS))
