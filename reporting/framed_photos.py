"""Photos in a grid, each in a frame of the same shape with two lines of text above it.

Used within `style()`.
"""

import math

import numpy as np

from reporting.photo_grid import relative_width
from reporting.style import GREY, TEXT_SIZE, fit, new_figure, text_width

# In inches
NARROWEST_GRID = 4.6
PHOTO_SIDE = 1.9

MOST_COLUMNS = 5


def framed_photos(photos, title, subtitle):
    """Makes a figure of photos, each shown whole.

    Args:
      photos: n arrays uint8 [h, w, 3] whose sizes may differ, n at least 1.
      title: what is shown, in a few words.
      subtitle: one line about it.

    Returns:
      The figure, a list of n axes to write on, and the frames' width in inches.
    """
    wide = relative_width(photos)
    columns = max(1, min(MOST_COLUMNS, math.ceil(math.sqrt(len(photos) / wide))))
    rows = math.ceil(len(photos) / columns)
    width = max(wide * PHOTO_SIDE, NARROWEST_GRID / columns - 0.4)
    height = width / wide
    body = new_figure(columns * (width + 0.3), 0.8 + rows * (height + 0.55), title, subtitle)
    grid = body.subplots(rows, columns, squeeze=False).flatten()
    for axes in grid:
        axes.set_axis_off()
    for axes, photo in zip(grid, photos):
        _frame(axes, photo, wide)
    return body.figure, list(grid[: len(photos)]), width


def _frame(axes, photo, wide):
    """Shows a photo of any shape in a frame `wide` times as wide as high."""
    height, width = np.shape(photo)[:2]
    half = max(height, width / wide) / 2
    axes.imshow(photo)
    axes.set(
        xlim=(width / 2 - half * wide - 0.5, width / 2 + half * wide - 0.5),
        ylim=(height / 2 + half - 0.5, height / 2 - half - 0.5),
        xticks=[],
        yticks=[],
    )
    axes.set_axis_on()
    axes.grid(False)
    axes.spines[:].set(visible=True, color=GREY)


def caption(axes, width, headline, line, colour):
    """Writes two lines above a photo in a frame `width` inches wide.

    Args:
      axes: the photo's.
      width: in inches.
      headline: a pair of texts, in bold: to the left, shortened to the room there is, and right.
      line: the same, below it, in grey.
      colour: of the headline.
    """
    look = {"size": TEXT_SIZE, "weight": "bold", "pad": 16, "color": colour}
    left, right = _fitted(*headline, width, size=TEXT_SIZE, weight="bold")
    axes.set_title(left, loc="left", **look)
    axes.set_title(right, loc="right", **look)

    look = {"size": TEXT_SIZE - 1, "color": GREY}
    look |= {"xycoords": "axes fraction", "textcoords": "offset points"}
    # The headline above makes the room; a long line would make the layout shrink the photo.
    look |= {"in_layout": False}
    left, right = _fitted(*line, width, size=TEXT_SIZE - 1)
    axes.annotate(left, (0, 1), (0, 5), ha="left", **look)
    axes.annotate(right, (1, 1), (0, 5), ha="right", **look)


def _fitted(left, right, width, **look):
    room = width - text_width(f"  {right}", **look) if right else width
    return fit(left, room, **look), right
