"""The validation report: one HTML page that holds its pictures and needs no network.

`report.html.jinja` is the page and `report.css` its looks; here is what is put into it. Whatever
comes from outside (names of files, classes and flags) is escaped by Jinja. The page's policy lets
a browser load nothing but what the page holds, and run nothing at all.
"""

import base64
import hashlib
import io
from pathlib import Path

import jinja2
import numpy as np
from PIL import Image

from bad_input import BadInput
from files import written_aside
from reporting.plots import least_sure, surest_mistakes
from reporting.style import counted, percent

PHOTOS_SHOWN = 18  # in each of the two grids
PROBABILITIES_SHOWN = 3  # of a photo
THUMBNAIL_SIDE = 200  # pixels; more would make the page heavy
CSS_PIXELS = 0.6  # a pixel of a plot, so that a plot's text is a little smaller than the page's
NOTHING = "—"

# What each plot shows, for those who see the page and for those who hear it: by the file's stem.
PLOTS = {
    "learning_curves": (
        "Learning curves",
        "Accuracy and loss over the steps, in training and on the validation split.",
    ),
    "confusion_matrix": (
        "Confusion matrix",
        "How many photos of each true class (rows) were taken for which class (columns).",
    ),
    "calibration": (
        "Calibration",
        "Accuracy over confidence beside the diagonal on which the two are equal, and the number "
        "of photos in each bin of confidence.",
    ),
    "per_class": (
        "Scores per class",
        "Precision, recall and F1 of each class; the table of classes holds the same figures.",
    ),
}


def photos_shown(predictions):
    """The photos that the page of `predictions` shows.

    Returns:
      int64 [shown], different indices into `predictions`, in ascending order.
    """
    return np.union1d(
        surest_mistakes(predictions, PHOTOS_SHOWN), least_sure(predictions, PHOTOS_SHOWN)
    )


def write_report(path, figures, predictions, photos, plots, settings, versions, title):
    """Writes the report of an evaluation.

    Args:
      path: the HTML file to write; it is replaced only when the new one is whole.
      figures: a dict as from `metrics.measure`, with `checkpoint`, `global_step` and `split`; and,
        where they are known, `network` (str), `image_size` (pixels), `parameters`,
        `checkpoint_bytes`, `photos_per_second` and `evaluated_at` (str, a date and time).
      predictions: the `Predictions` that `figures` were measured on.
      photos: a mapping: index into `predictions` -> uint8 [height, width, 3], for each of
        `photos_shown(predictions)`; larger ones are shrunk to 200 pixels a side.
      plots: paths of PNGs, in the order in which they are shown.
      settings: a mapping: flag of the training -> its value.
      versions: a mapping: package -> its version.
      title: what was evaluated, in a few words.

    Returns:
      The path.

    Raises:
      BadInput: a plot is no picture, or the page cannot be written.
    """
    folder = Path(__file__).parent
    css = (folder / "report.css").read_text(encoding="utf-8")
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = pages.get_template("report.html.jinja").render(
        title=title,
        css=css,
        css_digest=base64.b64encode(hashlib.sha256(css.encode()).digest()).decode(),
        headline=_headline(figures, predictions),
        facts=_facts(figures),
        classes=_classes(figures),
        plots=[_plot(Path(plot)) for plot in plots],
        grids=_grids(predictions, photos),
        tables=[
            ("settings", "Settings of the training", "flag", _spelled(settings)),
            ("versions", "Versions", "package", _spelled(versions)),
        ],
    )
    with written_aside(path) as aside:
        # The names of files may hold bytes that are no text; they become question marks.
        aside.write_bytes(page.encode("utf-8", "replace"))
    return Path(path)


def _headline(figures, predictions):
    low, high = figures["accuracy_interval"]
    photos = counted(figures["num_examples"], "photo")
    return {
        "accuracy": percent(figures["accuracy"], 1),
        "interval": f"{percent(low, 1)} to {percent(high, 1)}",
        "right": f"{int(predictions.correct.sum()):,} of {photos} right",
        # In thousandths, for the drawing
        "low": round(1000 * low, 1),
        "width": round(1000 * (high - low), 1),
        "at": round(1000 * figures["accuracy"], 1),
    }


def _facts(figures):
    """The figures below the headline: pairs of a name and a value as text."""
    loss = figures["loss"]
    facts = [("Loss", "not finite" if loss is None else f"{loss:.4f}")]
    facts += [(f"Top {k}", percent(share, 1)) for k, share in figures["top_k"].items() if k != "1"]
    facts += [
        ("Expected calibration error", percent(figures["expected_calibration_error"], 1)),
        ("Photos", f"{figures['num_examples']:,}"),
        ("Split", figures["split"]),
        ("Step", f"{figures['global_step']:,}"),
    ]
    spelling = {
        "network": ("Network", str),
        "image_size": ("Image size", "{} pixels".format),
        "parameters": ("Parameters", "{:,}".format),
        "checkpoint_bytes": ("Size of the checkpoint", lambda size: f"{size / 1e6:.1f} MB"),
        "photos_per_second": ("Speed", "{:.1f} photos/s".format),
        "evaluated_at": ("Evaluated", str),
    }
    facts += [
        (name, spell(figures[key]))
        for key, (name, spell) in spelling.items()
        if figures.get(key) is not None
    ]
    return [*facts, ("Checkpoint", figures["checkpoint"])]


def _classes(figures):
    """The rows of the table of classes: name, number of photos, precision, recall and F1."""
    return [
        (
            name,
            f"{scores['count']:,}",
            *(
                NOTHING if scores[score] is None else percent(scores[score], 1)
                for score in ("precision", "recall", "f1")
            ),
        )
        for name, scores in figures["per_class"].items()
    ]


def _plot(path):
    """What the template needs of a plot, with its size on the page in CSS pixels."""
    caption, description = PLOTS.get(path.stem, (path.stem.replace("_", " "), "A plot of the run."))
    try:
        png = path.read_bytes()
        with Image.open(io.BytesIO(png)) as picture:
            width, height = picture.size
    except OSError as error:
        raise BadInput(
            f"{path}: expected the PNG of a plot ({error}); eval_flowers.py draws it anew"
        ) from error
    return {
        "source": _data_uri("image/png", png),
        "caption": caption,
        "description": description,
        "width": round(width * CSS_PIXELS),
        "height": round(height * CSS_PIXELS),
    }


def _grids(predictions, photos):
    """The two grids of photos, each with the sentence that introduces it."""
    mistakes = int((~predictions.correct).sum())
    surest = surest_mistakes(predictions, PHOTOS_SHOWN)
    unsure = least_sure(predictions, PHOTOS_SHOWN)
    mistaken = f"{counted(mistakes, 'mistake')}, {len(surest)} shown, the surest first."
    return [
        {
            "id": "mistakes",
            "heading": "The surest mistakes",
            "sentence": mistaken if mistakes else "Every photo is predicted right.",
            "cards": [_card(predictions, index, photos[index]) for index in surest.tolist()],
        },
        {
            "id": "least-sure",
            "heading": "The least sure",
            "sentence": f"{counted(len(unsure), 'photo')} with the least confidence, right or "
            "wrong, the least sure first.",
            "cards": [_card(predictions, index, photos[index]) for index in unsure.tolist()],
        },
    ]


def _card(predictions, index, photo):
    """What the template needs of a photo: its thumbnail, its names, its probabilities."""
    names, truth = predictions.class_names, predictions.labels[index]
    probabilities = predictions.probabilities[index]
    ranked = np.argsort(-probabilities, kind="stable")
    listed = ranked[:PROBABILITIES_SHOWN].tolist()
    if truth not in listed:
        listed.append(truth)
    thumbnail = Image.fromarray(photo)
    thumbnail.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    jpeg = io.BytesIO()
    thumbnail.save(jpeg, "jpeg", quality=85)
    return {
        "source": _data_uri("image/jpeg", jpeg.getvalue()),
        "width": thumbnail.width,
        "height": thumbnail.height,
        "filename": predictions.filenames[index],
        "right": bool(predictions.correct[index]),
        "prediction": names[ranked[0]],
        "truth": names[truth],
        "probabilities": [
            {
                "name": names[label],
                "share": round(float(probabilities[label]), 4),
                "percent": percent(probabilities[label], 1),
                "true": bool(label == truth),
            }
            for label in listed
        ],
    }


def _spelled(table):
    """A mapping's items as text; what was not given is a dash."""
    return [(name, NOTHING if value is None else str(value)) for name, value in table.items()]


def _data_uri(kind, content):
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
