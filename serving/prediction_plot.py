"""A plot of images with their predicted classes, for images without labels."""

from evaluation.framed_images import caption, framed_images
from evaluation.plot_style import BLACK, counted, percent, save, style


def plot_predictions(predictions, images, num_images, path):
    """Plots images, each below its most probable class, the probability and the file name.

    Args:
      predictions: n `prediction_table.Prediction`s without errors, n >= 1.
      images: n arrays uint8 [h, w, 3], possibly of different sizes.
      num_images: the number of all predicted images, shown or not.
      path: the PNG to write, atomically.

    Returns:
      The path.

    Raises:
      BadInput: the file cannot be written.
    """
    subtitle = counted(num_images, "image")
    if len(images) < num_images:
        subtitle += f", {len(images):,} shown"
    with style():
        figure, frames, width = framed_images(images, "Predictions", subtitle)
        for axes, prediction in zip(frames, predictions):
            headline = (prediction.labels[0], percent(prediction.probabilities[0]))
            caption(axes, width, headline, (prediction.filename, ""), BLACK)
        return save(figure, path)
