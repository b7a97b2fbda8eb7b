"""A grid of images in frames of equal shape, with captions; drawn within `plot_style.style()`."""

import math

import numpy as np

from evaluation.plot_style import GRAY, TEXT_SIZE, fit, new_figure, text_width

# In inches
MIN_GRID_WIDTH = 4.6
FRAME_HEIGHT = 1.9

MAX_COLUMNS = 5


def framed_images(images, title, subtitle):
    """Makes a figure that shows each image uncropped.

    Args:
      images: n uint8 arrays [h, w, 3 or 1] whose sizes may differ, n at least 1.
      title: the title of the figure.
      subtitle: one line below it.

    Returns:
      The figure, a list of the n images' axes, and the width of a frame in inches.
    """
    aspect = frame_aspect(images)
    columns = max(1, min(MAX_COLUMNS, math.ceil(math.sqrt(len(images) / aspect))))
    rows = math.ceil(len(images) / columns)
    width = max(aspect * FRAME_HEIGHT, MIN_GRID_WIDTH / columns - 0.4)
    height = width / aspect
    body = new_figure(columns * (width + 0.3), 0.8 + rows * (height + 0.55), title, subtitle)
    grid = body.subplots(rows, columns, squeeze=False).flatten()
    for axes in grid:
        axes.set_axis_off()
    for axes, image in zip(grid, images):
        _draw_in_frame(axes, image, aspect)
    return body.figure, list(grid[: len(images)]), width


def frame_aspect(images):
    """Width / height of the frames: the least of any image, but at least 1 and at most 2.

    So frames are square unless all images are wider than high, as images beside their heat maps.
    """
    return min(max(1.0, min(np.shape(image)[1] / np.shape(image)[0] for image in images)), 2.0)


def _draw_in_frame(axes, image, aspect):
    height, width = np.shape(image)[:2]
    half = max(height, width / aspect) / 2
    # As three channels, because imshow would apply a colormap to one.
    axes.imshow(np.broadcast_to(image, (height, width, 3)))
    axes.set(
        xlim=(width / 2 - half * aspect - 0.5, width / 2 + half * aspect - 0.5),
        ylim=(height / 2 + half - 0.5, height / 2 - half - 0.5),
        xticks=[],
        yticks=[],
    )
    axes.set_axis_on()
    axes.grid(False)
    axes.spines[:].set(visible=True, color=GRAY)


def caption(axes, width, headline, line, color):
    """Writes two lines above an image.

    Args:
      axes: the axes of the image.
      width: of the frame, in inches.
      headline: (left, right), in bold; the left text is shortened to fit.
      line: (left, right), in gray, below the headline; likewise.
      color: of the headline.
    """
    font = {"size": TEXT_SIZE, "weight": "bold"}
    left, right = _fit_pair(*headline, width, **font)
    axes.set_title(left, loc="left", pad=16, color=color, **font)
    axes.set_title(right, loc="right", pad=16, color=color, **font)

    left, right = _fit_pair(*line, width, size=TEXT_SIZE - 1)
    options = {"size": TEXT_SIZE - 1, "color": GRAY}
    options |= {"xycoords": "axes fraction", "textcoords": "offset points"}
    # The headline reserves the space; in the layout a long line would shrink the image.
    options |= {"in_layout": False}
    axes.annotate(left, (0, 1), (0, 5), ha="left", **options)
    axes.annotate(right, (1, 1), (0, 5), ha="right", **options)


def _fit_pair(left, right, width, **font):
    available = width - text_width(f"  {right}", **font) if right else width
    return fit(left, available, **font), right
