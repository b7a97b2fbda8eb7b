import hashlib
import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from tiny_photos import tiny_photo

from datasets import photos
from datasets.photos import BadPhoto, fault_of, read_photo, thumbnail, upright_jpeg
from slim_on_tf2 import tf

ORIENTATION = 0x0112  # EXIF tag


def pixels_of(jpeg):
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).astype(int)


def decoded_by_tensorflow(jpeg):
    with tf.Session() as session:
        return session.run(tf.image.decode_jpeg(jpeg)).astype(int)


def write(image, path, **options):
    image.save(path, **options)
    return path


def assert_close(actual, expected, most=4):
    """JPEG at quality 95 changes a smooth image by a few gray levels on average."""
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).mean() <= most


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"keep_rgb": True}])
def test_upright_rgb_jpeg_is_kept_byte_for_byte(tmp_path, options):
    path = write(tiny_photo(1), tmp_path / "a.jpg", **options)
    photo = read_photo(path)
    assert photo.jpeg == path.read_bytes()
    assert (photo.height, photo.width) == (16, 24)
    assert photo.file_digest == hashlib.sha256(path.read_bytes()).hexdigest()
    # TensorFlow has to decode it to the same pixels as Pillow.
    assert_close(decoded_by_tensorflow(photo.jpeg), pixels_of(path.read_bytes()), most=2)


def test_mpo_of_a_phone_is_kept(tmp_path):
    path = tmp_path / "phone.jpg"
    tiny_photo(1).save(path, "MPO", save_all=True, append_images=[tiny_photo(2)])
    assert Image.open(path).format == "MPO"
    photo = read_photo(path)
    assert photo.jpeg == path.read_bytes()
    assert decoded_by_tensorflow(photo.jpeg).shape == (16, 24, 3)


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp", "tiff"])
def test_other_formats_become_jpeg(tmp_path, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    photo = read_photo(write(tiny_photo(1), tmp_path / f"a.{suffix}", **options))
    assert_close(decoded_by_tensorflow(photo.jpeg), np.asarray(tiny_photo(1)).astype(int))


def test_encoded_photo_has_no_chroma_subsampling(tmp_path):
    photo = read_photo(write(tiny_photo(1), tmp_path / "a.png"))
    layers = Image.open(io.BytesIO(photo.jpeg)).layer
    assert [layer[1:3] for layer in layers] == [(1, 1)] * 3


def test_format_is_detected_from_the_content(tmp_path):
    tiny_photo(1).save(tmp_path / "a.png")
    png = (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert_close(pixels_of(read_photo(png).jpeg), np.asarray(tiny_photo(1)).astype(int))


def test_first_frame_of_a_gif_is_read(tmp_path):
    path = tmp_path / "a.gif"
    frames = [Image.new("RGB", (24, 16), color) for color in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert_close(pixels_of(read_photo(path).jpeg), np.full([16, 24, 3], (255, 0, 0)))


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_grayscale_becomes_rgb(tmp_path, suffix):
    gray = tiny_photo(1).convert("L")
    photo = read_photo(write(gray, tmp_path / f"a.{suffix}", **{"quality": 95}))
    expected = np.repeat(np.asarray(gray)[..., None], 3, axis=2).astype(int)
    assert_close(decoded_by_tensorflow(photo.jpeg), expected)


def test_cmyk_becomes_rgb(tmp_path):
    photo = read_photo(write(tiny_photo(1).convert("CMYK"), tmp_path / "a.jpg", quality=95))
    assert_close(pixels_of(photo.jpeg), np.asarray(tiny_photo(1)).astype(int), most=6)


def sixteen_bit_ramp():
    return np.tile(np.linspace(0, 65535, 256).round().astype(np.uint16), [16, 1])


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bit_grayscale_is_scaled_and_not_clipped(tmp_path, suffix):
    path = write(Image.fromarray(sixteen_bit_ramp()), tmp_path / f"a.{suffix}")
    assert_close(pixels_of(read_photo(path).jpeg)[8, :, 0], np.arange(256))


def test_16_bit_values_in_32_bit_pixels_are_scaled_the_same(tmp_path):
    image = Image.fromarray(sixteen_bit_ramp().astype(np.int32))
    assert image.mode == "I"
    path = write(image, tmp_path / "a.tiff")
    assert_close(pixels_of(read_photo(path).jpeg)[8, :, 0], np.arange(256))


def test_32_bit_grayscale_is_scaled_by_its_own_range(tmp_path):
    image = Image.fromarray((sixteen_bit_ramp().astype(np.int64) * 32768).astype(np.int32))
    path = write(image, tmp_path / "a.tiff")
    assert_close(pixels_of(read_photo(path).jpeg)[8, :, 0], np.arange(256))


def test_16_bit_colors_are_scaled(tmp_path):
    path = tmp_path / "a.png"
    rows = b"".join(
        b"\0" + b"".join(struct.pack(">3H", 65535, 256 * 128, 0) for _ in range(8))
        for _ in range(8)
    )
    chunks = [
        (b"IHDR", struct.pack(">2I5B", 8, 8, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in chunks
        )
    )
    assert_close(pixels_of(read_photo(path).jpeg), np.full([8, 8, 3], (255, 128, 0)))


@pytest.mark.parametrize(
    ("mode", "color"),
    [("RGBA", (200, 0, 0, 128)), ("LA", (80, 51))],
)
def test_transparency_becomes_white(tmp_path, mode, color):
    path = write(Image.new(mode, (24, 16), color), tmp_path / "a.png")
    alpha = color[-1] / 255
    rgb = np.array(color[:-1] * (3 // len(color[:-1])))
    expected = np.full([16, 24, 3], (alpha * rgb + (1 - alpha) * 255).round())
    assert_close(pixels_of(read_photo(path).jpeg), expected)


def test_transparent_palette_color_becomes_white(tmp_path):
    image = Image.new("P", (32, 16), 0)
    image.putpalette([0, 0, 255, 255, 0, 0])
    image.paste(1, (16, 0, 32, 16))
    path = write(image, tmp_path / "a.gif", transparency=0)
    pixels = pixels_of(read_photo(path).jpeg)
    assert_close(pixels[:, :12], np.full([16, 12, 3], 255))
    assert_close(pixels[:, 20:], np.full([16, 12, 3], (255, 0, 0)))


@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_becomes_upright(tmp_path, orientation, suffix):
    """EXIF 2.32 defines an orientation by the sides of the scene in row 0 and column 0."""
    scene = np.asarray(tiny_photo(3)).astype(np.uint8)
    stored = {
        1: scene,  # top, left
        2: scene[:, ::-1],  # top, right
        3: scene[::-1, ::-1],  # bottom, right
        4: scene[::-1],  # bottom, left
        5: scene.transpose(1, 0, 2),  # left, top
        6: scene.transpose(1, 0, 2)[::-1],  # right, top
        7: scene.transpose(1, 0, 2)[::-1, ::-1],  # right, bottom
        8: scene.transpose(1, 0, 2)[:, ::-1],  # left, bottom
    }[orientation]
    image = Image.fromarray(np.ascontiguousarray(stored))
    exif = image.getexif()
    exif[ORIENTATION] = orientation
    options = {"lossless": True} if suffix == "webp" else {}
    path = write(image, tmp_path / f"a.{suffix}", exif=exif, quality=95, **options)
    photo = read_photo(path)
    assert_close(decoded_by_tensorflow(photo.jpeg), scene.astype(int), most=8)
    assert (photo.height, photo.width) == scene.shape[:2]
    assert (photo.jpeg == path.read_bytes()) == (orientation == 1 and suffix == "jpg")


def test_equal_pixels_have_equal_digests_in_any_format(tmp_path):
    paths = [write(tiny_photo(1), tmp_path / f"a.{suffix}") for suffix in ("png", "bmp", "tiff")]
    other = write(tiny_photo(2), tmp_path / "b.png")
    turned = tiny_photo(1).transpose(Image.Transpose.TRANSPOSE)
    digests = [read_photo(path).pixel_digest for path in paths]
    assert len(set(digests)) == 1
    assert read_photo(other).pixel_digest != digests[0]
    assert read_photo(write(turned, tmp_path / "c.png")).pixel_digest != digests[0]


def test_pixel_digest_depends_on_the_shape():
    wide, high = Image.new("RGB", (8, 2)), Image.new("RGB", (2, 8))
    assert photos._pixel_digest(wide) != photos._pixel_digest(high)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "HTML page"),
        (b"\n <HTML lang='en'>", "HTML page"),
        (b"just text", "not a photo"),
        (b"\xff\xd8\xff", "broken|not a photo"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "broken|not a photo"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a photo"),
    ],
)
def test_other_files_are_refused_with_a_reason(tmp_path, content, reason):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(BadPhoto, match=reason):
        read_photo(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "gif", "webp", "tiff"])
def test_truncated_photo_is_refused(tmp_path, suffix):
    path = write(tiny_photo(1, 200, 160), tmp_path / f"a.{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(BadPhoto):
        read_photo(path)


def png_header(width, height):
    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + b"IHDR"
        + header
        + struct.pack(">I", zlib.crc32(b"IHDR" + header))
        + struct.pack(">I", 10)
        + b"IDAT"
        + bytes(14)
    )


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("size", [(10_000, 10_000), (30_000, 30_000), (70_000, 10)])
def test_absurd_size_is_refused_before_decoding(tmp_path, monkeypatch, size):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(*size))
    monkeypatch.setattr(photos, "_to_rgb", lambda image: pytest.fail("decoded"))
    with pytest.raises(BadPhoto, match="absurd size"):
        read_photo(path)


def test_absurdly_long_file_is_refused_before_reading(tmp_path):
    path = tmp_path / "a.jpg"
    with path.open("wb") as file:
        os.truncate(file.fileno(), photos.MAX_BYTES + 1)  # a sparse file
    with pytest.raises(BadPhoto, match="absurd size"):
        read_photo(path)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(BadPhoto, match="no such file"):
        read_photo(tmp_path / "a.jpg")


def test_broken_exif_is_ignored(tmp_path):
    path = write(tiny_photo(1), tmp_path / "a.jpg", exif=b"Exif\0\0broken")
    assert read_photo(path).jpeg == path.read_bytes()


def test_floating_point_pixels_are_refused(tmp_path):
    path = write(Image.new("F", (8, 8), 0.5), tmp_path / "a.tiff")
    with pytest.raises(BadPhoto, match="floating-point"):
        read_photo(path)


def test_thumbnail_is_a_smaller_image(tmp_path):
    photo = tiny_photo(3, width=400, height=300)
    jpeg = read_photo(write(photo, tmp_path / "large.jpg", quality=95)).jpeg
    assert_close(thumbnail(jpeg, 40).astype(int), np.asarray(photo.resize((40, 30))).astype(int))
    np.testing.assert_array_equal(thumbnail(jpeg, 400), pixels_of(jpeg))


def test_upright_jpeg_is_returned_without_decoding(tmp_path, monkeypatch):
    data = write(tiny_photo(1), tmp_path / "a.jpg", quality=95).read_bytes()
    monkeypatch.setattr(photos, "_to_rgb", lambda image: pytest.fail("decoded"))
    assert upright_jpeg(data) is upright_jpeg(data, (2, 2)) is data


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize(
    ("needed_size", "ratio"),
    [(None, 1), ((105, 48), 1), ((27, 12), 4), ((26, 12), 8), ((7, 3), 32)],
)
def test_turned_photo_is_converted_at_a_fraction_of_its_size(tmp_path, suffix, needed_size, ratio):
    scene = tiny_photo(3, width=96, height=208)
    turned = scene.transpose(Image.Transpose.ROTATE_90)
    exif = turned.getexif()
    exif[ORIENTATION] = 6  # the scene's top is on the right
    data = write(turned, tmp_path / f"a.{suffix}", exif=exif, quality=95).read_bytes()
    pixels = pixels_of(upright_jpeg(data, needed_size))
    assert_close(pixels, np.asarray(scene.reduce(ratio)).astype(int))


def test_fault_is_found_by_decoding(tmp_path):
    data = write(tiny_photo(1, 200, 160), tmp_path / "a.jpg").read_bytes()
    assert fault_of(data) is None
    assert fault_of(data[: len(data) * 2 // 3]).startswith("broken: ")
