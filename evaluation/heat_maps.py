"""Heat maps drawn over the images that they belong to."""

import matplotlib
import numpy as np
from PIL import Image

COLORMAP = matplotlib.colormaps["viridis"]  # perceptually uniform, from violet to yellow
OPACITY = 0.55


def overlay(images, heat_maps):
    """Blends each image, converted to gray, with its heat map, violet for 0 and yellow for 1.

    In gray, because a yellow petal would look like a high value.

    Args:
      images: uint8 [n, height, width, 3 or 1].
      heat_maps: float [n, h, w] in [0, 1], of any size; resized to the images bilinearly.

    Returns:
      uint8 [n, height, width, 3].

    Raises:
      ValueError: the number of heat maps is not n.
    """
    if len(images) != len(heat_maps):
        raise ValueError(f"expected {len(images)} heat maps, got {len(heat_maps)}")
    blended = [_overlay_one(image, heat_map) for image, heat_map in zip(images, heat_maps)]
    return np.reshape(blended, (*np.shape(images)[:3], 3)).astype(np.uint8)


def side_by_side(images, overlays):
    """Puts each image to the left of its overlay.

    Args:
      images: uint8 [n, height, width, 3 or 1].
      overlays: uint8 [n, height, width, 3].

    Returns:
      uint8 [n, height, 2 * width, 3].
    """
    return np.concatenate([np.broadcast_to(images, np.shape(overlays)), overlays], axis=2)


def _overlay_one(image, heat_map):
    image = Image.fromarray(np.broadcast_to(image, (*np.shape(image)[:2], 3)))
    heat = Image.fromarray(np.asarray(heat_map, np.float32))
    heat = np.asarray(heat.resize(image.size, Image.Resampling.BILINEAR))
    gray = np.asarray(image.convert("L"))[..., np.newaxis]
    return np.rint(OPACITY * 255 * COLORMAP(heat)[..., :3] + (1 - OPACITY) * gray)
