"""Small grey pictures that lie in memory, such as digits; stored without loss, as PNG."""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True, eq=False)
class GreyPicture:
    """A picture without a file, for `stratify` and `write_dataset`.

    Attributes:
      file: what its record calls it: `train/00005.png`.
      label: the name of its class.
      pixels: uint8 [height, width].
    """

    file: str
    label: str
    pixels: np.ndarray

    @property
    def height(self):
        """In pixels."""
        return self.pixels.shape[0]

    @property
    def width(self):
        """In pixels."""
        return self.pixels.shape[1]

    @property
    def pixel_digest(self):
        """The sha256 of size and pixels, in hexadecimal."""
        size = f"{self.width}x{self.height}:".encode()
        return hashlib.sha256(size + self.pixels.tobytes()).hexdigest()

    file_digest = pixel_digest  # its pixels are all there is


def encode_png(picture):
    """Returns the bytes of a PNG of the picture, with one channel of eight bits."""
    buffer = io.BytesIO()
    Image.fromarray(picture.pixels).save(buffer, "PNG")
    return buffer.getvalue()
