import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sample_images import RANGES, for_seeds, gradient, jpeg, make_image, value

from preprocessing import cifarnet, inception, lenet, none, vgg
from preprocessing.decoding import decode
from preprocessing.preprocessing_factory import describe_preprocessing, get_preprocessing, to_pixels
from preprocessing.schemes import PREPROCESSING, is_distorted
from slim_on_tf2 import tf
from system.errors import BadInput

GOLDEN = json.loads((Path(__file__).parent / "golden" / "preprocessing.json").read_text())
SCHEMES = {
    "inception": inception,
    "vgg": vgg,
    "lenet": lenet,
    "cifarnet": cifarnet,
    "none": none,
}
RANDOM_SCHEMES = ["inception", "vgg", "cifarnet"]
EPSILON = float(np.finfo(np.float32).eps)
# Scaling, interpolating and subtracting round at most eight times, to values of up to 1 or 255; the
# golden figures are rounded to six decimals.
TOLERANCE = 8 * EPSILON + 5e-7
TOLERANCE_OF_255 = 8 * 255 * EPSILON
SIZES = [(375, 500), (90, 400), (401, 33), (128, 128), (37, 41)]


@pytest.mark.parametrize("case", GOLDEN)
def test_evaluation_matches_published_preprocessing(case):
    name, size, _, image_size = case.split()
    height, width = map(int, image_size.split("x"))
    golden = GOLDEN[case]
    pixels = make_image(height, width, channels=golden["shape"][-1])
    image = SCHEMES[name].preprocess_for_eval(pixels, int(size), int(size))
    assert image.shape.as_list() == golden["shape"]
    image = value(image).astype(np.float64)
    # CifarNet divides by a deviation, to values of up to 4.
    tolerance = {"vgg": TOLERANCE_OF_255, "cifarnet": 4 * TOLERANCE}.get(name, TOLERANCE)
    for statistic in ("mean", "std", "min", "max"):
        np.testing.assert_allclose(getattr(image, statistic)(), golden[statistic], atol=tolerance)
    for y, x, pixel in golden["pixels"]:
        np.testing.assert_allclose(image[y, x], pixel, atol=tolerance)


def test_inception_evaluation_crops_center():
    # 7/8 of 16 pixels leaves out one pixel on each side; a resize to the same size is the identity.
    pixels = make_image(16, 16)
    image = value(inception.preprocess_for_eval(tf.constant(pixels), 14, 14))
    np.testing.assert_allclose(image, pixels[1:15, 1:15] / 127.5 - 1, atol=TOLERANCE)


def test_vgg_evaluation_subtracts_mean():
    # A smaller side of 256 is not resized, so the output is the central 224 pixels.
    pixels = make_image(256, 300)
    image = value(vgg.preprocess_for_eval(tf.constant(pixels), 224, 224))
    expected = pixels[16:240, 38:262].astype(np.float64) - [123.68, 116.78, 103.94]
    np.testing.assert_allclose(image, expected, atol=TOLERANCE_OF_255)


@pytest.mark.parametrize(("height", "width"), [(299, 299), (96, 96), (480, 160)])
def test_vgg_evaluation_shows_same_fraction_of_image_at_every_size(height, width):
    pixels = gradient(500, 700)
    image = value(vgg.preprocess_for_eval(tf.constant(pixels), height, width)) + vgg.MEAN_RGB
    red, green = image[..., 0] / 255 * 700, image[..., 1] / 255 * 500  # input pixels
    scale = 500 * 224 / 256 / max(height, width)  # input pixels per output pixel
    assert np.ptp(red) == pytest.approx(width * scale, abs=3 + scale)
    assert np.ptp(green) == pytest.approx(height * scale, abs=3 + scale)
    # The legacy kernel is aligned to the top left corner of a pixel, not to its center.
    assert np.mean(red) == pytest.approx(350, abs=3 + scale)
    assert np.mean(green) == pytest.approx(250, abs=3 + scale)


@pytest.mark.parametrize("name", SCHEMES)
def test_float_and_uint8_images_give_equal_inputs(name):
    pixels = make_image(60, 80)
    preprocess = SCHEMES[name].preprocess_for_eval
    of_bytes, of_floats = value(
        [preprocess(pixels, 32, 32), preprocess((pixels / 255).astype(np.float32), 32, 32)]
    )
    np.testing.assert_allclose(of_bytes, of_floats, atol=TOLERANCE_OF_255)


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize(("is_training", "fast_mode"), [(True, True), (True, False), (False, True)])
def test_images_of_every_shape_fill_output(name, is_training, fast_mode):
    encoded = tf.placeholder(tf.string, [])
    outputs = [
        get_preprocessing(name, is_training, fast_mode, use_grayscale)(
            encoded, height, 65, seed=[3, 4]
        )
        for height, use_grayscale in [(65, False), (40, True)]
    ]
    assert [output.shape.as_list() for output in outputs] == [[65, 65, 3], [40, 65, 1]]
    low, high = RANGES[name]
    with tf.Session() as session:
        for size in SIZES:
            for output in session.run(outputs, {encoded: jpeg(make_image(*size))}):
                assert output.dtype == np.float32
                assert np.isfinite(output).all()
                assert low - 1e-4 <= output.min() < output.max() <= high + 1e-4


@pytest.mark.parametrize("name", SCHEMES)
def test_grayscale_jpeg_has_three_equal_channels(name):
    encoded = jpeg(make_image(50, 60, channels=1)[..., 0])
    image = value(get_preprocessing(name, is_training=False)(encoded, 32, 32))
    red, green, blue = np.moveaxis(to_pixels(name)(image), -1, 0)
    assert np.array_equal(red, green) and np.array_equal(red, blue)


@pytest.mark.parametrize("name", SCHEMES)
def test_grayscale_equals_that_of_pillow(name):
    encoded = jpeg(make_image(60, 70))
    image = get_preprocessing(name, is_training=False, use_grayscale=True)(encoded, 32, 32)
    colors = Image.fromarray(value(tf.image.decode_jpeg(encoded)))
    gray = np.asarray(colors.convert("L"))[..., np.newaxis]
    expected = SCHEMES[name].preprocess_for_eval(gray, 32, 32)
    pixels, expected = value([to_pixels(name)(i) for i in (image, expected)])
    np.testing.assert_allclose(pixels.astype(int), expected, atol=2)  # rounding differs


@pytest.mark.parametrize("name", ["inception", "vgg"])
def test_grayscale_trains_on_same_windows_as_color(name, monkeypatch):
    monkeypatch.setattr(inception, "distort_color", lambda image, *_: image)
    encoded = tf.constant(jpeg(make_image(100, 120)))
    color, gray = (
        to_pixels(name)(
            get_preprocessing(name, is_training=True, use_grayscale=use_grayscale)(
                encoded, 48, 48, [3, 4]
            )
        )
        for use_grayscale in (False, True)
    )
    color, gray = value([color, gray])
    np.testing.assert_allclose(gray[..., 0], color @ [0.299, 0.587, 0.114], atol=2)


def test_cmyk_jpeg_is_decoded_to_grayscale():
    colors = np.repeat([[[200, 100, 50], [10, 250, 90]]], 8, axis=0).repeat(8, axis=1)
    file = io.BytesIO()
    Image.fromarray(colors.astype(np.uint8)).convert("CMYK").save(file, "JPEG", quality=95)
    gray = value(decode(file.getvalue(), use_grayscale=True))
    np.testing.assert_allclose(gray[..., 0], colors @ [0.299, 0.587, 0.114], atol=3)


def test_grayscale_orders_contain_only_brightness_and_contrast():
    assert inception.grayscale_orders(inception.FAST_ORDERS) == (("brightness",),)
    assert inception.grayscale_orders(inception.FULL_ORDERS) == (
        ("brightness", "contrast"),
        ("contrast", "brightness"),
    )


def test_vgg_grayscale_mean_is_luminance_of_mean_color():
    gray = np.dot(vgg.MEAN_RGB, [0.2989, 0.587, 0.114])
    np.testing.assert_allclose(vgg.MEAN_GRAY, [gray], atol=0.01)
    pixels = make_image(256, 256, channels=1)
    image = value(vgg.preprocess_for_eval(pixels, 224, 224))
    np.testing.assert_allclose(image, pixels[16:240, 16:240] - 117.37, atol=TOLERANCE_OF_255)


@pytest.mark.parametrize(
    ("name", "fast_mode"), [("inception", False), *((name, True) for name in RANDOM_SCHEMES)]
)
def test_equal_seeds_give_equal_bits(name, fast_mode):
    preprocess = get_preprocessing(name, is_training=True, fast_mode=fast_mode)
    encoded = jpeg(make_image(100, 120))
    seeds = tf.placeholder(tf.int64, [2])
    image = preprocess(tf.constant(encoded), 48, 48, seeds)
    with tf.Session() as one, tf.Session() as other:
        first = one.run(image, {seeds: [7, 1]})
        one.run(image, {seeds: [8, 1]})
        assert np.array_equal(first, other.run(image, {seeds: [7, 1]}))
        assert not np.array_equal(first, other.run(image, {seeds: [8, 1]}))
        assert not np.array_equal(first, other.run(image, {seeds: [7, 2]}))


def test_decoded_window_equals_window_of_decoded_image(monkeypatch):
    encoded = jpeg(make_image(150, 200))
    whole = np.asarray(Image.open(io.BytesIO(encoded))).astype(np.float32)
    monkeypatch.setattr(inception, "distort_color", lambda image, *_: image)
    monkeypatch.setattr(inception, "distorted_window", lambda *_: tf.constant([35, 61, 48, 64]))
    outputs = for_seeds(lambda seed: inception.preprocess_for_train(encoded, 48, 64, seed), 8)
    window = whole[35:83, 61:125]
    flipped = 0
    for output in (outputs + 1) * 127.5:
        differences = [np.abs(output - w).max() for w in (window, window[:, ::-1])]
        assert min(differences) <= 8  # the decoders of Pillow and TensorFlow round differently
        flipped += np.argmin(differences)
    assert 0 < flipped < 8


def test_distorted_windows_cover_range_of_area_and_aspect_ratio():
    height, width = 300, 400
    windows = for_seeds(lambda seed: inception.distorted_window([height, width, 3], seed), 2000)
    top, left, h, w = windows.T
    assert min(top.min(), left.min()) >= 0
    assert (top + h).max() <= height and (left + w).max() <= width
    area, aspect_ratio = h * w / (height * width), w / h
    assert 0.05 - 0.002 <= area.min() < 0.08 and 0.8 < area.max() <= 1
    assert 0.75 - 0.01 <= aspect_ratio.min() < 0.78 and 1.28 < aspect_ratio.max() <= 4 / 3 + 0.01


def test_narrow_image_is_not_cropped():
    assert value(inception.distorted_window([20, 1000, 3], [1, 2])).tolist() == [0, 0, 20, 1000]


def test_vgg_windows_cover_published_sizes_and_all_positions():
    windows = for_seeds(lambda seed: vgg.random_window([512, 800, 3], 224, 224, seed), 2000)
    top, left, h, w = windows.T
    assert np.array_equal(h, w)
    # The smaller side, 512, is resized to 256..512, so 224 pixels show 448..224 of them.
    assert h.min() == 224 and h.max() == 448
    assert top.min() == 0 and left.min() == 0
    assert (top + h).max() == 512 and (left + w).max() == 800
    assert np.mean(left / (800 - w)) == pytest.approx(0.5, abs=0.03)
    assert np.abs(np.corrcoef(h, left / (800 - w))[0, 1]) < 0.08


@pytest.mark.parametrize("name", RANDOM_SCHEMES)
def test_half_of_images_are_flipped_independently_of_crop(name):
    encoded = jpeg(gradient(96, 96))

    def preprocess(seed):
        return SCHEMES[name].preprocess_for_train(tf.constant(encoded), 16, 16, seed)

    outputs = for_seeds(preprocess, 600)
    flipped = outputs[:, :, 0, 0].mean(axis=1) > outputs[:, :, -1, 0].mean(axis=1)
    assert 0.42 < flipped.mean() < 0.58
    green = outputs[..., 1].mean(axis=(1, 2))  # vertical position of the crop
    assert np.abs(np.corrcoef(flipped, green)[0, 1]) < 0.13


def in_one_order(image, amounts, order):
    for name in order:
        image = inception.ADJUSTMENTS[name][0](image, amounts[name])
    return tf.clip_by_value(image, 0.0, 1.0)


@pytest.mark.parametrize("orders", [inception.FAST_ORDERS, inception.FULL_ORDERS])
def test_every_order_of_color_adjustments_is_selected(monkeypatch, orders):
    # Saturated colors and extreme amounts distinguish the orders.
    adjustments = {
        name: (adjust, most, np.nextafter(np.float32(most), np.float32(9)))
        for name, (adjust, _, most) in inception.ADJUSTMENTS.items()
    }
    monkeypatch.setattr(inception, "ADJUSTMENTS", adjustments)
    amounts = {name: most for name, (_, most, _) in adjustments.items()}
    image = tf.constant(make_image(8, 8) / 255 * [0, 1, 1], tf.float32)
    expected = value([in_one_order(image, amounts, order) for order in orders])
    outputs = for_seeds(lambda seed: inception.distort_color(image, seed, orders), 40 * len(orders))
    reached = [
        next(i for i, e in enumerate(expected) if np.abs(output - e).max() < 1e-4)
        for output in outputs
    ]
    counts = np.bincount(reached, minlength=len(orders))
    assert counts.min() > 20


def test_color_amounts_cover_their_ranges():
    # On gray, saturation and hue have no effect, and brightness adds its amount.
    gray = tf.fill([4, 4, 3], 0.5)
    outputs = for_seeds(
        lambda seed: inception.distort_color(gray, seed, inception.FAST_ORDERS), 500
    )
    added = outputs[:, 0, 0, 0] - 0.5
    assert -32 / 255 <= added.min() < -0.11 and 0.11 < added.max() <= 32 / 255
    # On pale red, saturation scales the differences between channels.
    pale = tf.constant(np.full((4, 4, 3), [0.8, 0.6, 0.6], np.float32))
    outputs = for_seeds(lambda seed: inception.distort_color(pale, seed, [["saturation"]]), 500)
    chroma = outputs[:, 0, 0, 0] - outputs[:, 0, 0, 1]
    assert 0.1 - 1e-4 <= chroma.min() < 0.105 and 0.295 < chroma.max() <= 0.3 + 1e-4


def test_every_resize_method_is_selected_in_full_mode(monkeypatch):
    monkeypatch.setattr(inception, "distort_color", lambda image, *_: image)
    monkeypatch.setattr(inception, "distorted_window", lambda *_: tf.constant([0, 0, 40, 40]))
    # A symmetric image, so that the flip has no effect.
    half = make_image(40, 20)
    encoded = jpeg(np.concatenate([half, half[:, ::-1]], axis=1))
    whole = tf.to_float(tf.image.decode_jpeg(encoded)) / 127.5 - 1
    expected = value(
        [
            tf.clip_by_value(tf.image.resize_images(whole, [24, 24], method), -1, 1)
            for method in inception.FULL_RESIZE_METHODS
        ]
    )
    outputs = for_seeds(
        lambda seed: inception.preprocess_for_train(encoded, 24, 24, seed, fast_mode=False), 80
    )
    reached = set()
    for output in outputs:
        distances = [
            min(np.abs(output - e).mean(), np.abs(output[:, ::-1] - e).mean()) for e in expected
        ]
        reached.add(int(np.argmin(distances)))
        assert min(distances) < 0.02
    assert reached == {0, 1, 2, 3}


@pytest.mark.parametrize("name", ["lenet", "none"])
@pytest.mark.parametrize("use_grayscale", [False, True])
def test_training_equals_evaluation_without_distortions(name, use_grayscale):
    encoded = tf.constant(jpeg(make_image(50, 40)))
    trained, evaluated = value(
        [
            get_preprocessing(name, is_training, use_grayscale=use_grayscale)(
                encoded, 32, 32, [3, 4]
            )
            for is_training in (True, False)
        ]
    )
    assert np.array_equal(trained, evaluated)


@pytest.mark.parametrize("channels", [1, 3])
def test_lenet_crops_and_pads(channels):
    pixels = make_image(40, 20, channels)
    image = value(lenet.preprocess_for_eval(pixels, 28, 28))
    expected = np.full((28, 28, channels), -1.0)
    expected[:, 4:24] = (pixels[6:34].astype(np.float64) - 128) / 128
    np.testing.assert_allclose(image, expected, atol=TOLERANCE)


def test_cifarnet_standardizes():
    pixels = make_image(40, 20)
    image = value(cifarnet.preprocess_for_eval(pixels, 32, 32))
    padded = np.zeros([32, 32, 3])
    padded[:, 6:26] = pixels[4:36]
    np.testing.assert_allclose(image, (padded - padded.mean()) / padded.std(), atol=4 * TOLERANCE)


def test_cifarnet_crops_are_exactly_those_of_padded_image():
    pixels = 1 + np.arange(6 * 7, dtype=np.float32).reshape(6, 7, 1)
    padded = np.pad(pixels, [(4, 4), (4, 4), (0, 0)])
    expected = np.stack([padded[y : y + 6, x : x + 7] for y in range(9) for x in range(9)])
    crops = for_seeds(lambda seed: cifarnet.random_crop(pixels, 6, 7, seed), 1000)
    reached = (crops[:, np.newaxis] == expected).all(axis=(2, 3, 4))
    assert (reached.sum(axis=1) == 1).all()
    assert reached.any(axis=0).all()


@pytest.mark.parametrize(("side", "visible"), [(6, 6), (16, 10)])
def test_cifarnet_crops_of_small_and_large_images(side, visible):
    """A small image is padded to the crop size first; a large one is not resized."""
    pixels = 1 + np.arange(side * side, dtype=np.float32).reshape(side, side, 1)
    crops = for_seeds(lambda seed: cifarnet.random_crop(pixels, 10, 10, seed), 400)
    assert crops.shape == (400, 10, 10, 1)
    assert max((crop > 0).any(axis=1).sum() for crop in crops) == visible
    assert set(np.unique(crops)) == {0, *range(1, side * side + 1)}


def test_cifarnet_contrast_covers_its_range(monkeypatch):
    """Contrast keeps the mean of a channel and scales the deviations, which the ratio reveals."""
    pixels = make_image(32, 32)
    monkeypatch.setattr(cifarnet, "random_crop", lambda image, *_: image)
    monkeypatch.setattr(cifarnet, "decode", lambda *_, **options: tf.constant(pixels))
    images = for_seeds(lambda seed: cifarnet.preprocess_for_train("", 32, 32, seed), 500)

    def distance_by_deviation(image):
        return np.ptp(image.mean(axis=(0, 1))) / image[..., 0].std()

    contrasts = [distance_by_deviation(pixels) / distance_by_deviation(i) for i in images]
    assert 0.2 - 1e-3 <= min(contrasts) < 0.22 and 1.78 < max(contrasts) <= 1.8 + 1e-3
    assert np.mean(contrasts) == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("use_grayscale", [False, True])
def test_cifarnet_training_images_are_standardized(use_grayscale):
    preprocess = get_preprocessing("cifarnet", is_training=True, use_grayscale=use_grayscale)
    encoded = tf.constant(jpeg(make_image(32, 32)))
    images = for_seeds(lambda seed: preprocess(encoded, 32, 32, seed), 20)
    images = images.astype(np.float64)
    # Subtracting a mean of up to 255 from values with a deviation of at least 1 rounds to 255 eps.
    np.testing.assert_allclose(images.mean(axis=(1, 2, 3)), 0, atol=255 * EPSILON)
    np.testing.assert_allclose(images.std(axis=(1, 2, 3)), 1, atol=255 * EPSILON)


def test_none_resizes_entire_image():
    # At half the size, the legacy kernel selects every second pixel.
    pixels = make_image(24, 40)
    image = value(none.preprocess_for_eval(pixels, 12, 20))
    np.testing.assert_allclose(image, pixels[::2, ::2] / 255, atol=TOLERANCE)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("name", "side", "size"),
    [("inception", 16, 14), ("vgg", 256, 224), ("lenet", 20, 14), ("none", 16, 16)],
)
def test_to_pixels_inverts_preprocessing(name, side, size, channels):
    # Images that evaluation crops by the border and does not resize.
    pixels = make_image(side, side, channels)
    border = (side - size) // 2
    image = SCHEMES[name].preprocess_for_eval(pixels, size, size)
    of_tensor, of_array = value(to_pixels(name)(image)), value(image)
    of_array = to_pixels(name)(of_array)
    assert of_tensor.dtype == of_array.dtype == np.uint8
    assert np.array_equal(of_tensor, of_array)
    middle = slice(border, side - border)
    assert np.array_equal(of_array, pixels[middle, middle])


@pytest.mark.parametrize("channels", [1, 3])
def test_to_pixels_of_cifarnet_stretches_each_image(channels):
    pixels = make_image(32, 32, channels) // 4 + 30
    flat = np.full_like(pixels, 99)
    images = value([cifarnet.preprocess_for_eval(p, 32, 32) for p in (pixels, flat)])
    pixels_of = to_pixels("cifarnet")
    restored = pixels_of(np.stack(images))
    assert np.array_equal(restored, value(pixels_of(tf.stack(images))))
    least = pixels.min()
    np.testing.assert_allclose(restored[0], (pixels - least) * (255 / np.ptp(pixels)), atol=0.51)
    assert not restored[1].any()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", [name for name in SCHEMES if name != "cifarnet"])
def test_network_range_is_inverse_of_pixel_range(name, channels):
    pixels = make_image(9, 7, channels).astype(np.float32)
    images = value(SCHEMES[name].to_network_range(tf.constant(pixels)))
    low, high = RANGES[name]
    assert low <= images.min() < images.max() <= high
    np.testing.assert_allclose(
        SCHEMES[name].to_pixel_range(images), pixels, atol=TOLERANCE_OF_255, rtol=0
    )


def test_to_pixels_saturates():
    beyond = np.array([[[[-1.5, 1.5, 0.0]]]], np.float32)
    pixels_of = to_pixels("inception")
    assert pixels_of(beyond).ravel().tolist() == [0, 255, 128]
    assert value(pixels_of(tf.constant(beyond))).ravel().tolist() == [0, 255, 128]


def test_training_without_seed_is_rejected():
    preprocess = get_preprocessing("inception", is_training=True)
    with pytest.raises(ValueError, match="expected an int \\[2\\] seed"):
        preprocess(tf.constant(b""), 8, 8)


def test_unknown_scheme_is_rejected():
    for ask in (
        lambda: get_preprocessing("incption", False),
        lambda: to_pixels(""),
    ):
        with pytest.raises(BadInput, match="expected one of inception, vgg, lenet, cifarnet, none"):
            ask()


def test_tables_are_read_without_tensorflow():
    code = (
        "import sys, preprocessing.schemes as s, preprocessing.augmentations as a; "
        "print(*s.PREPROCESSING, *a.AUGMENTATIONS, *sys.modules)"
    )
    root = Path(__file__).parent.parent
    answer = subprocess.check_output([sys.executable, "-c", code], cwd=root, text=True)
    assert answer.split()[:9] == [*SCHEMES, "published", "none", "light", "strong"]
    assert "tensorflow" not in answer.split()


@pytest.mark.parametrize("name", PREPROCESSING)
def test_table_knows_which_schemes_distort(name):
    assert is_distorted(name) == hasattr(SCHEMES[name], "preprocess_for_train")


@pytest.mark.parametrize("name", PREPROCESSING)
def test_every_scheme_describes_itself(name):
    description = describe_preprocessing(name)
    assert isinstance(description, str) and len(description) > 20
