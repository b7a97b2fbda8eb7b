"""One photo: what Pillow can read becomes an upright RGB JPEG, or is refused with a reason.

A JPEG that is upright RGB already is kept byte for byte, so that no photo loses quality on its way.
Everything else is decoded, turned upright, laid on white where it is transparent, and encoded.
"""

import hashlib
import io
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from bad_input import BadInput

# Pillow's own threshold for a decompression bomb: a quarter of a GiB of RGB pixels.
MAX_PIXELS = 1024**3 // 4 // 3
# libjpeg writes no longer side.
MAX_SIDE = 65_500
# Sixteen bits in each of four channels: no photo of MAX_PIXELS takes more.
MAX_BYTES = 8 * MAX_PIXELS
# Pillow reads many more; some of them start other programs, and none holds photos.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")
# MPO is what phones write: a JPEG with further pictures behind it, which decoders do not look at.
JPEG_FORMATS = ("JPEG", "MPO")
# How a file of one of these begins.
SIGNATURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|BM.{4}\0|GIF8[79]a|RIFF.{4}WEBP|II[*+]\0|MM\0[*+]", re.DOTALL
)
LONGEST_SIGNATURE = 12
# EXIF 2.32, tag 0x0112: how a photo has to be turned or mirrored to stand upright.
ORIENTATION_TAG = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Pillow warns at half of what it refuses; `read_photo` refuses from there on.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class BadPhoto(BadInput):
    """A file that is no usable photo; the text is the reason, without the file's name."""


@dataclass(frozen=True)
class Photo:
    """An upright RGB photo.

    Attributes:
      jpeg: the encoded photo; decoders that ignore EXIF (TensorFlow's does) show it upright.
      height: of the upright photo, in pixels.
      width: of the upright photo, in pixels.
      file_digest: sha256 of the file's bytes, in hexadecimal.
      pixel_digest: sha256 of the size and the upright RGB pixels before any new encoding: equal
        for equal pictures in different files.
    """

    jpeg: bytes
    height: int
    width: int
    file_digest: str
    pixel_digest: str


def read_photo(path):
    """Returns the `Photo` in the file `path`; the content decides, not the name.

    Raises:
      BadPhoto: the file is empty, no photo, truncated, broken, of absurd size or unreadable.
    """
    return make_photo(_read_bytes(Path(path)))


def make_photo(data):
    """Returns the `Photo` in `data`, the bytes of a file.

    Raises:
      BadPhoto: they are none, no photo, truncated, broken or of absurd size.
    """
    if not data:
        raise BadPhoto("empty file")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(*image.size)
            pixels = _to_rgb(image)
            orientation = _orientation(image)
            kept = image.format in JPEG_FORMATS and image.mode == "RGB" and orientation == 1
    except BadPhoto:
        raise
    except Image.DecompressionBombError as error:
        raise BadPhoto(f"absurd size: {error}") from error
    except Image.UnidentifiedImageError as error:
        raise BadPhoto(_what_instead(data)) from error
    except Exception as error:  # what a broken file raises depends on where it is broken
        raise BadPhoto(f"broken: {str(error) or type(error).__name__}") from error
    if orientation != 1:
        pixels = pixels.transpose(UPRIGHT[orientation])
    return Photo(
        jpeg=data if kept else _to_jpeg(pixels),
        height=pixels.height,
        width=pixels.width,
        file_digest=hashlib.sha256(data).hexdigest(),
        pixel_digest=_pixel_digest(pixels),
    )


def begins_like_photo(path):
    """Whether a file begins as the formats do that are read; or cannot be asked."""
    try:
        with Path(path).open("rb") as file:
            return SIGNATURE.match(file.read(LONGEST_SIGNATURE)) is not None
    except OSError:  # `read_photo` will say why
        return True


def begins_like_page(data):
    """Whether bytes begin as an HTML page, which servers send in the place of a missing photo."""
    return data[:256].lstrip().lower().startswith((b"<!doctype html", b"<html"))


def thumbnail(encoded, longest_side):
    """Returns a photo made smaller: uint8 [height, width, 3], of at most `longest_side` pixels.

    Args:
      encoded: the bytes of a photo that Pillow reads.
      longest_side: in pixels; a photo that is smaller keeps its size.
    """
    image = Image.open(io.BytesIO(encoded))
    image.draft("RGB", (longest_side, longest_side))  # a JPEG is decoded at about that size
    image.thumbnail((longest_side, longest_side))
    return np.asarray(image.convert("RGB"))


def _read_bytes(path):
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise BadPhoto(f"absurd size: {size:,} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise BadPhoto(f"cannot be read: {error.strerror}") from error
    return data


def _check_size(width, height):
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise BadPhoto(
            f"absurd size: {width} x {height} pixels, at most {MAX_PIXELS:,} and {MAX_SIDE:,} "
            "a side are read"
        )


def _what_instead(data):
    if begins_like_page(data):
        return "an HTML page, no photo"
    return "no photo: expected JPEG, PNG, BMP, GIF, WebP or TIFF"


def _to_rgb(image):
    """Returns the pixels of the first frame as a loaded RGB image."""
    if image.mode.startswith("I"):
        image = _to_eight_bits(image)
    elif image.mode == "F":
        raise BadPhoto("pixels are floating-point numbers, expected 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _to_eight_bits(image):
    """Scales greys of 16 bits, or of 31 where they need them; Pillow's conversion clips at 255."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0:
        raise BadPhoto("pixels are negative numbers, expected 8 or 16 bits")
    most = 2**16 - 1 if values.max() < 2**16 else 2**31 - 1
    return Image.fromarray(((values * 255 + most // 2) // most).astype(np.uint8))


def _orientation(image):
    """Returns 2 to 8 for a photo that has to be turned, else 1; asks only after decoding."""
    try:
        orientation = image.getexif().get(ORIENTATION_TAG)
    except Exception:  # broken EXIF says nothing about how the photo stands
        return 1
    return orientation if orientation in UPRIGHT else 1


def _to_jpeg(pixels):
    buffer = io.BytesIO()
    pixels.save(buffer, "JPEG", quality=95, subsampling="4:4:4")
    return buffer.getvalue()


def _pixel_digest(pixels):
    digest = hashlib.sha256(f"{pixels.width}x{pixels.height}:".encode())
    digest.update(pixels.tobytes())
    return digest.hexdigest()
