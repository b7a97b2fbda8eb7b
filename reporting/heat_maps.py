"""Heat maps laid over the photos that they are of, and beside these for a page of photos."""

import matplotlib
import numpy as np
from PIL import Image

COLOURS = matplotlib.colormaps["viridis"]  # perceptually uniform, from violet to yellow
OPACITY = 0.55


def overlay(photos, heat_maps):
    """Lays over each photo its heat map in translucent colours, violet at 0 and yellow at 1.

    The photo turns grey below it, so that all colour is heat and no yellow petal looks hot.

    Args:
      photos: uint8 [n, height, width, 3], or of one channel of grey.
      heat_maps: float [n, h, w] in [0, 1], of any size; each is spread over its whole photo,
        bilinear between the centres of its cells.

    Returns:
      uint8 [n, height, width, 3].

    Raises:
      ValueError: there is not one heat map a photo.
    """
    if len(photos) != len(heat_maps):
        raise ValueError(f"expected {len(photos)} heat maps, got {len(heat_maps)}")
    pictures = [_overlay_one(photo, heat_map) for photo, heat_map in zip(photos, heat_maps)]
    return np.reshape(pictures, (*np.shape(photos)[:3], 3)).astype(np.uint8)


def side_by_side(photos, overlays):
    """Puts each photo to the left of its overlay.

    Args:
      photos: uint8 [n, height, width, 3], or of one channel of grey.
      overlays: uint8 [n, height, width, 3].

    Returns:
      uint8 [n, height, 2 * width, 3].
    """
    return np.concatenate([np.broadcast_to(photos, np.shape(overlays)), overlays], axis=2)


def _overlay_one(photo, heat_map):
    photo = Image.fromarray(np.broadcast_to(photo, (*np.shape(photo)[:2], 3)))
    heat = Image.fromarray(np.asarray(heat_map, np.float32))
    heat = np.asarray(heat.resize(photo.size, Image.Resampling.BILINEAR))
    grey = np.asarray(photo.convert("L"))[..., np.newaxis]
    return np.rint(OPACITY * 255 * COLOURS(heat)[..., :3] + (1 - OPACITY) * grey)
