"""Photos of which nobody knows the truth, with what a network says they show."""

from reporting.framed_photos import caption, framed_photos
from reporting.style import INK, counted, percent, save, style


def plot_photos(predictions, photos, num_photos, path):
    """Shows photos with the most probable name, how probable it is, the second, and the file.

    Args:
      predictions: n `prediction_table.Prediction`s without error, n at least 1.
      photos: n arrays uint8 [h, w, 3] whose sizes may differ.
      num_photos: how many photos there were in all.
      path: the PNG to write; it is replaced only when the new one is whole.

    Returns:
      The path.

    Raises:
      BadInput: the file cannot be written.
    """
    subtitle = counted(num_photos, "photo")
    if len(photos) < num_photos:
        subtitle += f", {len(photos):,} shown"
    with style():
        figure, frames, width = framed_photos(photos, "Predictions", subtitle)
        for axes, prediction in zip(frames, predictions):
            headline = (prediction.labels[0], percent(prediction.probabilities[0]))
            caption(axes, width, headline, (prediction.filename, ""), INK)
        return save(figure, path)
