"""A page of photos with a name above each, for a look at what the network is shown."""

import io
import math

import numpy as np

from reporting.style import TEXT_SIZE, fit, new_figure, style

SIDE = 1.5  # inches


def photo_grid(photos, names, title, subtitle):
    """Draws photos in a grid that is about as wide as high.

    Args:
      photos: uint8 [n, height, width, 3], or of one channel of grey, n at least 1.
      names: n strings.
      title: what is shown, in a few words.
      subtitle: one line about it.

    Returns:
      The bytes of a PNG.
    """
    # As three equal channels, because matplotlib would paint a single one in false colours.
    photos = np.broadcast_to(photos, (*np.shape(photos)[:3], 3))
    wide = relative_width(photos)
    columns = math.ceil(math.sqrt(len(photos) / wide))
    rows = math.ceil(len(photos) / columns)
    with style():
        body = new_figure(columns * wide * SIDE, 0.8 + rows * (SIDE + 0.25), title, subtitle)
        grid = body.subplots(rows, columns, squeeze=False).flatten()
        for axes in grid:
            axes.set_axis_off()
        for axes, photo, name in zip(grid, photos, names):
            axes.imshow(photo)
            axes.set_title(fit(name, wide * SIDE - 0.3), size=TEXT_SIZE)
        png = io.BytesIO()
        body.figure.savefig(png, format="png")
    return png.getvalue()


def relative_width(photos):
    """How many times as wide as high the cells of a grid are that suit all `photos`.

    Args:
      photos: a sequence of arrays [h, w, ...].

    Returns:
      1, or more where every photo is wider than high, as a photo beside its heat map is; at most 2.
    """
    ratios = (np.shape(photo)[1] / np.shape(photo)[0] for photo in photos)
    return min(max(1.0, min(ratios, default=1.0)), 2.0)
