"""Small grayscale images in memory, such as digits, which are stored losslessly as PNG."""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True, eq=False)
class GrayscaleImage:
    """An image without a file, for `stratify` and `write_dataset`.

    Attributes:
      file: its name in the record: `train/00005.png`.
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
        """The SHA-256 of the size and the pixels, in hexadecimal."""
        size = f"{self.width}x{self.height}:".encode()
        return hashlib.sha256(size + self.pixels.tobytes()).hexdigest()

    file_digest = pixel_digest  # there is no file


def encode_png(image):
    """Returns the image as the bytes of a PNG with one channel of 8 bits."""
    buffer = io.BytesIO()
    Image.fromarray(image.pixels).save(buffer, "PNG")
    return buffer.getvalue()
