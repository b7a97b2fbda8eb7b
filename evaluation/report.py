"""The report of an evaluation: a single HTML file that needs no network.

The template is `report.html.jinja`, its style sheet `report.css`. Jinja escapes filenames, class
names and flags. The page's Content-Security-Policy forbids scripts and external resources.
"""

import base64
import hashlib
import io
from pathlib import Path

import jinja2
import numpy as np
from PIL import Image

from evaluation.plot_style import counted, percent
from evaluation.plots import least_confident, most_confident_mistakes
from system.errors import BadInput
from system.files import atomic_write

IMAGES_SHOWN = 18  # in each of the two grids
PROBABILITIES_SHOWN = 3  # of each image
THUMBNAIL_SIDE = 200  # pixels; keeps the file small
PLOT_SCALE = 0.6  # CSS pixels per pixel of a plot: makes its text slightly smaller than the page's
MISSING = "—"

# Caption and description (also the text alternative) of each plot, by the stem of its filename.
PLOTS = {
    "learning_curves": (
        "Learning curves",
        "Accuracy and loss of training and validation over the steps.",
    ),
    "confusion_matrix": (
        "Confusion matrix",
        "How many images of each true class (rows) were predicted as each class (columns).",
    ),
    "calibration": (
        "Calibration",
        "Accuracy as a function of confidence; on the diagonal the two are equal. Below, the "
        "number of images by confidence.",
    ),
    "per_class": (
        "Scores per class",
        "Precision, recall and F1 of each class, as in the table of classes.",
    ),
}


def images_shown(predictions):
    """The images that the report shows: int64 [shown], distinct indices in ascending order."""
    return np.union1d(
        most_confident_mistakes(predictions, IMAGES_SHOWN),
        least_confident(predictions, IMAGES_SHOWN),
    )


def write_report(path, metrics, predictions, images, plots, flags, versions, title):
    """Writes the report of an evaluation.

    Args:
      path: the HTML file to write, replaced atomically.
      metrics: the dict of `metrics.compute_metrics`, with `checkpoint`, `global_step` and `split`.
        Optional: `network`, `image_size` (pixels), `parameters`, `checkpoint_bytes`,
        `images_per_second` and `evaluated_at` (a date and time as text).
      predictions: the `Predictions` that `metrics` were computed from.
      images: index into `predictions` -> uint8 [height, width, 3], for each of
        `images_shown(predictions)`.
      plots: paths of PNGs, in the order of the page.
      flags: flag of the training -> its value.
      versions: package -> its version.
      title: the title of the page.

    Returns:
      The path.

    Raises:
      BadInput: a plot is not an image, or the page cannot be written.
    """
    folder = Path(__file__).parent
    css = (folder / "report.css").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.jinja").render(
        title=title,
        css=css,
        css_digest=base64.b64encode(hashlib.sha256(css.encode()).digest()).decode(),
        headline=_headline(metrics, predictions),
        metrics=_metrics(metrics),
        classes=_classes(metrics),
        plots=[_plot(Path(plot)) for plot in plots],
        grids=_grids(predictions, images),
        tables=[
            ("flags", "Training flags", "flag", _rows(flags)),
            ("versions", "Versions", "package", _rows(versions)),
        ],
    )
    with atomic_write(path) as temporary:
        # Filenames may contain bytes that are not UTF-8; they become question marks.
        temporary.write_bytes(page.encode("utf-8", "replace"))
    return Path(path)


def _headline(metrics, predictions):
    low, high = metrics["accuracy_interval"]
    total = counted(metrics["num_examples"], "image")
    return {
        "accuracy": percent(metrics["accuracy"], 1),
        "interval": f"{percent(low, 1)} to {percent(high, 1)}",
        "correct": f"{int(predictions.correct.sum()):,} of {total} correct",
        # x coordinates in an SVG that is 1000 wide
        "low": round(1000 * low, 1),
        "width": round(1000 * (high - low), 1),
        "at": round(1000 * metrics["accuracy"], 1),
    }


def _split(metrics):
    if metrics.get("is_of_training_dataset") is False:
        return f"{metrics['split']}, of another dataset than the training"
    return metrics["split"]


def _metrics(metrics):
    """The metrics below the headline: pairs of name and text."""
    loss = metrics["loss"]
    shown = [("Loss", "not finite" if loss is None else f"{loss:.4f}")]
    shown += [(f"Top {k}", percent(top, 1)) for k, top in metrics["top_k"].items() if k != "1"]
    for name, heading in (("balanced_accuracy", "Balanced accuracy"), ("macro_f1", "Macro F1")):
        shown.append((heading, percent(metrics[name], 1)))
    shown += [
        ("Expected calibration error", percent(metrics["expected_calibration_error"], 1)),
        ("Images", f"{metrics['num_examples']:,}"),
        ("Split", _split(metrics)),
        ("Step", f"{metrics['global_step']:,}"),
    ]
    optional = {
        "network": ("Network", "{}"),
        "image_size": ("Image size", "{} pixels"),
        "parameters": ("Parameters", "{:,}"),
        "checkpoint_bytes": ("Size of the checkpoint", "{:.1f} MB"),
        "images_per_second": ("Speed", "{:.1f} images/s"),
        "evaluated_at": ("Evaluated", "{}"),
    }
    for key, (name, template) in optional.items():
        value = metrics.get(key)
        if value is not None:
            value = value / 1e6 if key == "checkpoint_bytes" else value
            shown.append((name, template.format(value)))
    return [*shown, ("Checkpoint", metrics["checkpoint"])]


def _classes(metrics):
    """The rows of the table of classes: name, number of images, precision, recall and F1."""
    rows = []
    for name, score in metrics["per_class"].items():
        values = (score["precision"], score["recall"], score["f1"])
        texts = [MISSING if value is None else percent(value, 1) for value in values]
        rows.append((name, f"{score['count']:,}", *texts))
    return rows


def _plot(path):
    caption, description = PLOTS.get(path.stem, (path.stem.replace("_", " "), "A plot of the run."))
    try:
        png = path.read_bytes()
        with Image.open(io.BytesIO(png)) as image:
            width, height = image.size
    except OSError as error:
        raise BadInput(
            f"{path}: expected the PNG of a plot ({error}); eval_flowers.py writes this file"
        ) from error
    return {
        "source": _data_uri("image/png", png),
        "caption": caption,
        "description": description,
        "width": round(width * PLOT_SCALE),
        "height": round(height * PLOT_SCALE),
    }


def _grids(predictions, images):
    """The two grids of images."""
    mistakes = int((~predictions.correct).sum())
    confident = most_confident_mistakes(predictions, IMAGES_SHOWN)
    unsure = least_confident(predictions, IMAGES_SHOWN)
    sentence = f"{counted(mistakes, 'mistake')}, {len(confident)} shown, most confident first."
    return [
        {
            "id": "mistakes",
            "heading": "Most confident mistakes",
            "sentence": sentence if mistakes else "All images are predicted correctly.",
            "cards": [_card(predictions, index, images[index]) for index in confident.tolist()],
        },
        {
            "id": "least-confident",
            "heading": "Least confident predictions",
            "sentence": f"{counted(len(unsure), 'image')}, correct or wrong, least confident "
            "first.",
            "cards": [_card(predictions, index, images[index]) for index in unsure.tolist()],
        },
    ]


def _card(predictions, index, image):
    """An image's thumbnail, prediction, label, and most probable classes."""
    names, label = predictions.class_names, predictions.labels[index]
    probabilities = predictions.probabilities[index]
    listed = np.argsort(-probabilities, kind="stable")[:PROBABILITIES_SHOWN].tolist()
    if label not in listed:
        listed.append(label)
    thumbnail = Image.fromarray(image)
    thumbnail.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    jpeg = io.BytesIO()
    thumbnail.save(jpeg, "jpeg", quality=85)
    return {
        "source": _data_uri("image/jpeg", jpeg.getvalue()),
        "width": thumbnail.width,
        "height": thumbnail.height,
        "filename": predictions.filenames[index],
        "is_correct": bool(predictions.correct[index]),
        "prediction": names[listed[0]],
        "label": names[label],
        "probabilities": [
            {
                "name": names[i],
                "share": round(float(probabilities[i]), 4),
                "percent": percent(probabilities[i], 1),
                "is_label": bool(i == label),
            }
            for i in listed
        ],
    }


def _rows(table):
    """The items of a dict as text; None becomes a dash."""
    return [(name, MISSING if value is None else str(value)) for name, value in table.items()]


def _data_uri(mime_type, content):
    return f"data:{mime_type};base64,{base64.b64encode(content).decode()}"
