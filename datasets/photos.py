"""Reading of a photo: an upright RGB JPEG, or the reason why the file is not usable.

A JPEG that is upright RGB already is kept byte for byte, so that it loses no quality. Any other
photo is decoded, rotated upright, put on a white background if it is transparent, and encoded.
For a dataset, `read_photo` checks every pixel and may shrink the photo; for a prediction,
`upright_jpeg` decodes only what it has to convert.
"""

import contextlib
import hashlib
import io
import re
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from system.errors import BadInput

# Pillow's own threshold for a decompression bomb: a quarter of a GiB of RGB pixels.
MAX_PIXELS = 1024**3 // 4 // 3
MAX_SIDE = 65_500  # libjpeg's limit
# The size of MAX_PIXELS in four channels of 16 bits, an upper bound for a file.
MAX_BYTES = 8 * MAX_PIXELS
# Pillow reads many more formats; some start other programs, and none is used for photos.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")
# Phones write MPO, a JPEG followed by further images, which decoders ignore.
JPEG_FORMATS = ("JPEG", "MPO")
# Of a dataset's images, in pixels. Three times the side of the largest inputs, so that a crop of a
# ninth of the area still has their pixels.
LONGEST_SIDE = 1024
# The first bytes of a file in one of these formats.
SIGNATURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|BM.{4}\0|GIF8[79]a|RIFF.{4}WEBP|II[*+]\0|MM\0[*+]", re.DOTALL
)
LONGEST_SIGNATURE = 12
ORIENTATION_TAG = 0x0112  # EXIF 2.32
RATIOS = (64, 32, 16, 8, 4, 2, 1)  # those of `preprocessing.decoding`
DECODED = 8  # libjpeg's largest
# EXIF orientation -> how to make the photo upright; 1 is upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)  # the orientations whose height and width change places

# Pillow warns at half the size that it refuses; `read_photo` refuses that already.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class BadPhoto(BadInput):
    """A file is not a usable photo; the message is the reason, without the name of the file."""


@dataclass(frozen=True)
class Photo:
    """An upright RGB photo.

    Attributes:
      jpeg: the encoded photo, upright for decoders that ignore EXIF, such as TensorFlow's.
      height: of `jpeg`, in pixels.
      width: of `jpeg`, in pixels.
      is_shrunk: whether the file's photo was larger.
      file_digest: SHA-256 of the file's bytes, in hexadecimal.
      pixel_digest: SHA-256 of the size and the upright RGB pixels before shrinking and encoding:
        the same for equal images in different files.
    """

    jpeg: bytes
    height: int
    width: int
    is_shrunk: bool
    file_digest: str
    pixel_digest: str


def read_bytes(path):
    """Returns the bytes of the file `path`.

    Raises:
      BadPhoto: it is missing, unreadable, not a regular file, or absurdly long.
    """
    path = Path(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise BadPhoto("a folder; photos in it are not read")
        if not stat.S_ISREG(status.st_mode):
            raise BadPhoto("not a regular file")
        if status.st_size > MAX_BYTES:
            raise BadPhoto(f"absurd size: {status.st_size:,} bytes")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise BadPhoto("no such file") from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise BadPhoto(f"cannot be read: {getattr(error, 'strerror', error)}") from error


def read_photo(path, longest_side=0):
    """Returns the `Photo` in the file `path`, whose format is detected from its content.

    Args:
      path: of the file.
      longest_side: in pixels, to which a larger photo is shrunk; 0 for none.

    Raises:
      BadPhoto: the file is unreadable, empty, not a photo, truncated, broken or absurdly large.
    """
    data = read_bytes(path)
    with _opened(data) as image:
        pixels = _upright(_to_rgb(image), image)
        kept = _is_upright_jpeg(image)
    digest = _pixel_digest(pixels)
    is_shrunk = 0 < longest_side < max(pixels.size)
    if is_shrunk:
        pixels.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    return Photo(
        jpeg=data if kept and not is_shrunk else _to_jpeg(pixels),
        height=pixels.height,
        width=pixels.width,
        is_shrunk=is_shrunk,
        file_digest=hashlib.sha256(data).hexdigest(),
        pixel_digest=digest,
    )


def upright_jpeg(data, needed_size=None):
    """Returns the photo in `data`, the bytes of a file, as the bytes of an upright RGB JPEG.

    One that is that already is returned without decoding it, so a defect in it is not found. Any
    other is decoded at the fraction of its size that `preprocessing.decoding.decode` would choose.

    Args:
      data: the bytes of a file.
      needed_size: height and width in pixels of the upright photo that are enough; None for all.

    Raises:
      BadPhoto: the bytes are empty, not a photo or absurdly large; or broken, if they are decoded.
    """
    with _opened(data) as image:
        if _is_upright_jpeg(image):
            return data
        if needed_size is None:
            return _to_jpeg(_upright(_to_rgb(image), image))
        height, width = needed_size
        if _orientation(image) in SIDEWAYS:
            height, width = width, height
        ratio = _ratio(image.size, (width, height))
        if image.format in JPEG_FORMATS:
            decoded = min(ratio, DECODED)
            image.draft(None, (image.width // decoded, image.height // decoded))
            ratio //= decoded
        return _to_jpeg(_upright(_to_rgb(image).reduce(ratio), image))


def _ratio(size, needed_size):
    """Returns the largest of `RATIOS` by which a size, rounded up, stays at least as needed."""
    for ratio in RATIOS:
        if all(-(-side // ratio) >= needed for side, needed in zip(size, needed_size)):
            return ratio
    return 1


def fault_of(data):
    """Returns what is wrong with the photo in `data`, str, or None; it is decoded completely."""
    try:
        with _opened(data) as image:
            _to_rgb(image)
    except BadPhoto as error:
        return str(error)
    return None


@contextlib.contextmanager
def _opened(data):
    """Opens the bytes of a photo; inside, Pillow's errors become `BadPhoto`."""
    if not data:
        raise BadPhoto("empty file")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(*image.size)
            yield image
    except BadPhoto:
        raise
    except Image.DecompressionBombError as error:
        raise BadPhoto(f"absurd size: {error}") from error
    except Image.UnidentifiedImageError as error:
        raise BadPhoto(_not_a_photo(data)) from error
    except Exception as error:  # Pillow raises many kinds of errors for broken files
        raise BadPhoto(f"broken: {str(error) or type(error).__name__}") from error


def begins_like_photo(path):
    """Returns whether a file starts with the signature of a photo, or cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return SIGNATURE.match(file.read(LONGEST_SIGNATURE)) is not None
    except OSError:  # `read_photo` reports it
        return True


def begins_like_page(data):
    """Returns whether bytes start like an HTML page, which servers send for a missing photo."""
    return data[:256].lstrip().lower().startswith((b"<!doctype html", b"<html"))


def thumbnail(encoded, longest_side):
    """Returns an image as uint8 [height, width, 3], shrunk to at most `longest_side` pixels.

    Args:
      encoded: the encoded image, in a format that Pillow reads.
      longest_side: in pixels; a smaller image keeps its size.
    """
    image = Image.open(io.BytesIO(encoded))
    image.draft("RGB", (longest_side, longest_side))  # decodes a JPEG at about that size
    image.thumbnail((longest_side, longest_side))
    return np.asarray(image.convert("RGB"))


def _check_size(width, height):
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise BadPhoto(
            f"absurd size: {width} x {height} pixels, expected at most {MAX_PIXELS:,} and "
            f"{MAX_SIDE:,} per side"
        )


def _not_a_photo(data):
    if begins_like_page(data):
        return "an HTML page, not a photo"
    return "not a photo: expected JPEG, PNG, BMP, GIF, WebP or TIFF"


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
    """Scales gray levels of 16 or 31 bits to 8; Pillow's own conversion clips them at 255."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0:
        raise BadPhoto("pixels are negative numbers, expected 8 or 16 bits")
    most = 2**16 - 1 if values.max() < 2**16 else 2**31 - 1
    return Image.fromarray(((values * 255 + most // 2) // most).astype(np.uint8))


def _is_upright_jpeg(image):
    return image.format in JPEG_FORMATS and image.mode == "RGB" and _orientation(image) == 1


def _upright(pixels, image):
    """Turns the pixels of a photo upright, as its EXIF data says."""
    orientation = _orientation(image)
    return pixels if orientation == 1 else pixels.transpose(UPRIGHT[orientation])


def _orientation(image):
    """Returns the EXIF orientation of a decoded photo, a key of `UPRIGHT`, or 1 for upright."""
    try:
        orientation = image.getexif().get(ORIENTATION_TAG)
    except Exception:  # broken EXIF data does not make the photo unusable
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
