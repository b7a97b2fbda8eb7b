"""A grid of named images as a PNG, for a look at the input of a network."""

import io

from evaluation.framed_images import framed_images
from evaluation.plot_style import TEXT_SIZE, fit, style


def image_grid(images, names, title, subtitle):
    """Draws images, each below its name.

    Args:
      images: uint8 [n, height, width, 3 or 1], n at least 1.
      names: n strings.
      title: the title of the figure.
      subtitle: one line below it.

    Returns:
      The bytes of a PNG.
    """
    with style():
        figure, frames, width = framed_images(images, title, subtitle)
        for axes, name in zip(frames, names):
            axes.set_title(fit(name, width), size=TEXT_SIZE)
        png = io.BytesIO()
        figure.savefig(png, format="png")
    return png.getvalue()
