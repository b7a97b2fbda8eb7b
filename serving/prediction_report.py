"""What predict_flowers.py shows of its predictions: lines, a table, a plot, a summary."""

import json
import sys
import time

from tqdm import tqdm

from datasets.photos import thumbnail
from serving.prediction_plot import plot_predictions
from serving.prediction_table import PredictionTable, describe

IMAGES_SHOWN = 25
SIDE_SHOWN = 256  # pixels
WIDEST_NAME = 60  # characters; a longer file name is printed in full and breaks the alignment


class PredictionReport:
    """Prints predictions as they come, gathers a table, and draws a plot at the end."""

    def __init__(self, model, files, top_k, output=None, plot=None, explain=False):
        """Starts the table and the progress bar.

        Args:
          model: a model of `prediction.open_model`.
          files: the `PhotoFile`s to come; None if they are not known yet.
          top_k: number of classes for each image.
          output: the table to write; None for none.
          plot: the PNG to write; None for none.
          explain: whether the plot shows Grad-CAM heat maps beside the images.
        """
        self._model, self._output, self._plot, self._explain = model, output, plot, explain
        self._seconds = 0.0
        self._images = self._errors = 0
        self._shown = []  # pairs of a prediction and an image
        self._width = min(max((len(file.name) for file in files or ()), default=0), WIDEST_NAME)
        self._table = PredictionTable(output, min(top_k, len(model.labels))) if output else None
        total = len(files) if files else None
        self._bar = tqdm(total=total, desc="predicting", unit=" images", disable=None)

    def close(self):
        """Closes the bar, and discards what is not published."""
        self._bar.close()
        if self._table:
            self._table.close()

    def add_all(self, batches):
        """Adds each batch of `predict_batches`, and yields after each."""
        started = time.perf_counter()
        for batch in batches:
            self._add(batch)
            self._seconds += time.perf_counter() - started
            yield
            started = time.perf_counter()

    def _add(self, batch):
        tqdm.write("\n".join(describe(prediction, self._width) for prediction, _ in batch))
        sys.stdout.flush()
        for prediction, _ in batch:
            self._errors += prediction.error is not None
            if self._table:
                self._table.add(prediction)
        self._images += len(batch)
        self._bar.update(len(batch))
        if self._plot:
            self._keep_for_plot(batch)

    def _keep_for_plot(self, batch):
        left = IMAGES_SHOWN - len(self._shown)
        chosen = [(prediction, jpeg) for prediction, jpeg in batch if jpeg][:left]
        if chosen and self._explain:
            images = self._model.explain([jpeg for _, jpeg in chosen])
        else:
            images = [thumbnail(jpeg, SIDE_SHOWN) for _, jpeg in chosen]
        self._shown += zip((prediction for prediction, _ in chosen), images)

    def publish(self):
        """Writes the table of all predictions so far, if one is wanted."""
        if self._table:
            self._table.publish()

    def finish(self):
        """Writes table and plot, and prints a summary, whose last line is JSON.

        Returns:
          The exit status: 0, or 1 if an image could not be predicted.
        """
        self.publish()
        self._bar.close()
        speed = self._images / self._seconds if self._images else 0.0
        print(f"Images: {self._images:,}; errors: {self._errors:,}; {speed:.1f} images/s")
        if self._plot and self._shown:
            plot_predictions(*zip(*self._shown), self._images, self._plot)
            print(f"Written: {self._plot}")
        elif self._plot:
            print("--plot: there is no image to show")
        if self._table:
            print(f"Written: {self._output}")
        summary = {"images": self._images, "errors": self._errors}
        summary |= {"images_per_second": round(speed, 1), "output": self._output}
        print(json.dumps(summary))
        return 1 if self._errors else 0
