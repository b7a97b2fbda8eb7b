"""Says what photos show, by a trained network.

    python predict_flowers.py rose.jpg garden/ 'more/*.png'    # the best checkpoint of runs/flowers
    python predict_flowers.py --output names.csv --plot names.png garden/
    python predict_flowers.py --plot why.png --explain rose.jpg   # and where the network saw it
    python predict_flowers.py --export_dir exports/flowers garden/
    curl https://example.org/rose.jpg | python predict_flowers.py -
    python predict_flowers.py --watch_folder inbox --output names.jsonl   # until Ctrl-C

Reads whatever convert_flowers.py reads. Of a folder, all photos in it and in its folders; from
stdin (-), a photo, or names, one a line. The exit status is 1 where a photo could not be predicted,
or a name matches nothing; where none matches anything, or a flag is wrong, it is 2.
"""

import contextlib
import json
import signal
import sys
import threading
import time
from pathlib import Path

from tqdm import tqdm

from bad_input import BadInput
from datasets.photo_files import arriving_photos, find_photo_files
from datasets.photos import thumbnail
from flags import Parser, path, run, whole_number
from reporting.prediction_table import PredictionTable, check_place, describe
from training import run_checkpoints
from training.run_record import read_run

LOG_DIR, CHECKPOINT = "runs/flowers", "best"
PHOTOS_SHOWN = 25
SIDE_SHOWN = 256  # pixels
WIDEST_NAME = 60  # letters; a longer one is printed whole, out of line with the others
SECONDS_BETWEEN_LOOKS = 1.0


def parse_flags(argv=None):
    """The flags, each checked, and all of them together."""
    parser = Parser(__doc__)
    flag, switch = parser.flag, parser.switch
    parser.positional("photos", "PHOTO", "files, folders, patterns, or - for stdin")
    flag("log_dir", "DIR", path, None, f"what train_flowers.py wrote (default {LOG_DIR})")
    flag("checkpoint", "WHICH", str, None, f"best, latest, or a path (default {CHECKPOINT})")
    switch("moving_averages", "in the place of the weights")
    flag("export_dir", "DIR", path, None, "what export_flowers.py wrote, in the place of a run")
    flag("top_k", "N", whole_number(1), 3, "names for each photo")
    flag("output", "FILE", path, None, "a table of all: .csv, .json or .jsonl")
    flag("plot", "PNG", path, None, f"the first {PHOTOS_SHOWN} photos with their names")
    switch("explain", "in the plot, beside each photo, where the network saw the name")
    flag("batch_size", "N", whole_number(1), 32, "photos at once; no influence on the names")
    flag("watch_folder", "DIR", path, None, "predict its photos, and new ones until Ctrl-C")
    flags = parser.parse_args(argv)
    _check_together(flags)
    return flags


def _check_together(flags):
    if bool(flags.photos) == bool(flags.watch_folder):
        raise BadInput(
            "expected photos (files, folders, patterns, or - for stdin) or --watch_folder, one of "
            "the two; --help shows examples"
        )
    if flags.watch_folder and not Path(flags.watch_folder).is_dir():
        raise BadInput(f"--watch_folder {flags.watch_folder}: no such folder; make it first")
    if flags.watch_folder and flags.output and Path(flags.output).exists():
        raise BadInput(
            f"--output {flags.output} exists, from an earlier watch perhaps, and would be lost; "
            "give another name, or remove it"
        )
    if flags.output:
        check_place(flags.output)
    if flags.plot:
        check_place(flags.plot, (".png",))
    if flags.explain and not flags.plot:
        raise BadInput("--explain shows heat maps in a plot: give --plot too")
    if flags.export_dir:
        for name in ("log_dir", "checkpoint", "moving_averages", "explain"):
            if getattr(flags, name):
                raise BadInput(
                    f"--{name} is of a run, --export_dir has none: leave out one of them"
                )
    else:
        flags.log_dir = flags.log_dir or LOG_DIR
        flags.checkpoint = flags.checkpoint or CHECKPOINT
        read_run(flags.log_dir)
        run_checkpoints.find(flags.log_dir, flags.checkpoint)


class Report:
    """Tells of predictions as they come: on the terminal, in a table, and in a plot at the end."""

    def __init__(self, flags, model, files):
        """Begins the table and the progress bar.

        Args:
          flags: of `parse_flags`.
          model: of `open_model`.
          files: the `PhotoFile`s to come where they are known beforehand, else None.
        """
        self.seconds = 0.0
        self._flags, self._model = flags, model
        self._photos = self._errors = 0
        self._shown = []  # pairs of a prediction and a small picture
        self._width = min(max((len(file.name) for file in files or ()), default=0), WIDEST_NAME)
        self._table = None
        if flags.output:
            self._table = PredictionTable(flags.output, min(flags.top_k, len(model.labels)))
        total = len(files) if files else None
        self._bar = tqdm(total=total, desc="predicting", unit=" photos", disable=None)

    def close(self):
        """Ends; what is not published is forgotten."""
        self._bar.close()
        if self._table:
            self._table.close()

    def add(self, batch):
        """Prints, counts and keeps a batch of `predict_batches`."""
        tqdm.write("\n".join(describe(prediction, self._width) for prediction, _ in batch))
        sys.stdout.flush()
        for prediction, _ in batch:
            self._errors += prediction.error is not None
            if self._table:
                self._table.add(prediction)
        self._photos += len(batch)
        self._bar.update(len(batch))
        if self._flags.plot:
            self._show(batch)

    def _show(self, batch):
        room = PHOTOS_SHOWN - len(self._shown)
        chosen = [(prediction, photo) for prediction, photo in batch if photo][:room]
        if chosen and self._flags.explain:
            pictures = self._model.explain([photo.jpeg for _, photo in chosen])
        else:
            pictures = [thumbnail(photo.jpeg, SIDE_SHOWN) for _, photo in chosen]
        self._shown += zip((prediction for prediction, _ in chosen), pictures)

    def publish(self):
        """Writes the table of all so far, where one is wanted."""
        if self._table:
            self._table.publish()

    def finish(self):
        """Writes table and plot, says what came out, in a last line of JSON too.

        Returns:
          The exit status: 0, or 1 where a photo could not be predicted.
        """
        self.publish()
        self._bar.close()
        speed = self._photos / self.seconds if self._photos else 0.0
        print(f"Photos: {self._photos:,}; without a name: {self._errors:,}; {speed:.1f} photos/s")
        if self._flags.plot:
            self._plot()
        if self._table:
            print(f"Written: {self._flags.output}")
        figures = {"photos": self._photos, "errors": self._errors}
        figures |= {"photos_per_second": round(speed, 1), "output": self._flags.output}
        print(json.dumps(figures))
        return 1 if self._errors else 0

    def _plot(self):
        from reporting.prediction_plot import plot_photos

        if not self._shown:
            print("--plot: there is no photo to show")
            return
        plot_photos(*zip(*self._shown), self._photos, self._flags.plot)
        print(f"Written: {self._flags.plot}")


@contextlib.contextmanager
def stopped_by_signal():
    """Yields a `threading.Event` that Ctrl-C and SIGTERM set; a second Ctrl-C leaves at once."""
    stop = threading.Event()

    def receive(number, frame):
        stop.set()
        signal.signal(signal.SIGINT, before[signal.SIGINT])

    before = {number: signal.signal(number, receive) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def predict_once(files, predict, report):
    """Predicts `files`, a list of `PhotoFile`s."""
    started = time.perf_counter()
    for batch in predict(files):
        report.add(batch)
    report.seconds += time.perf_counter() - started


def watch(folder, predict, report):
    """Predicts the photos of a folder and those to come until a signal; the table is kept whole."""
    print(f"Watching {folder} until Ctrl-C", flush=True)
    with stopped_by_signal() as stop:
        for files in arriving_photos(folder, lambda: not stop.wait(SECONDS_BETWEEN_LOOKS)):
            started = time.perf_counter()
            for batch in predict(files):
                report.add(batch)
                report.publish()
                if stop.is_set():
                    break
            report.seconds += time.perf_counter() - started


def main(argv=None):
    """Checks the flags, finds the photos, predicts them; returns the exit status."""
    flags = parse_flags(argv)
    files = find_photo_files(flags.photos) if flags.photos else None
    # From here on TensorFlow is imported, which takes six seconds.
    from serving.prediction import open_model, predict_batches
    from training.device import describe_device

    print(describe_device(), flush=True)
    model = open_model(flags.log_dir, flags.checkpoint, flags.moving_averages, flags.export_dir)

    def predict(files):
        return predict_batches(model, files, flags.top_k, flags.batch_size)

    with contextlib.closing(model), contextlib.closing(Report(flags, model, files)) as report:
        if flags.watch_folder:
            watch(flags.watch_folder, predict, report)
        else:
            predict_once(files, predict, report)
        return report.finish()


if __name__ == "__main__":
    run(main)
