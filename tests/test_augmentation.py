import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from sample_images import RANGES, for_seeds, gradient, jpeg, make_image, value

from preprocessing import augment as augment_module
from preprocessing import erasing, inception, trivial_augment
from preprocessing.augment import augment
from preprocessing.augmentations import AUGMENTATIONS, Augmentation
from preprocessing.preprocessing_factory import get_preprocessing, to_pixels
from preprocessing.schemes import PREPROCESSING
from preprocessing.trivial_augment import OPERATIONS
from slim_on_tf2 import tf
from system.errors import BadInput

WITH_SETTINGS = [name for name, settings in AUGMENTATIONS.items() if settings]
CROP_ONLY = Augmentation((0.25, 1.0), (3 / 4, 4 / 3), False, False, False, 0.0)
# A float and a whole number are the same level up to rounding or, in Pillow, cutting off.
ONE_LEVEL = 1 + 1e-3


def operate(name, pixels, strength):
    """The result of an operation of TrivialAugment on uint8 pixels, float32."""
    image = tf.constant(pixels, tf.float32)
    return value(OPERATIONS[name](image, tf.constant(strength, tf.float32)))


def pillow_image(pixels):
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def with_channels(image):
    array = np.asarray(image).astype(np.float32)
    return array if array.ndim == 3 else array[..., np.newaxis]


def around_center(size, matrix):
    """Pillow's six coefficients of a matrix that is relative to the center of an image."""
    width, height = size
    (a, b), (c, d) = matrix
    x, y = width / 2, height / 2
    return (a, b, x - a * x - b * y, c, d, y - c * x - d * y)


# Names of the published settings, and those that only the table adds.


def test_published_is_the_scheme_itself():
    encoded = tf.constant(jpeg(make_image(60, 80)))
    by_default, by_name, of_scheme = value(
        [
            get_preprocessing("inception", is_training=True)(encoded, 32, 32, [3, 4]),
            get_preprocessing("inception", True, augmentation="published")(encoded, 32, 32, [3, 4]),
            inception.preprocess_for_train(encoded, 32, 32, [3, 4]),
        ]
    )
    assert np.array_equal(by_default, of_scheme) and np.array_equal(by_name, of_scheme)


@pytest.mark.parametrize("name", PREPROCESSING)
def test_none_trains_on_what_evaluation_sees(name):
    encoded = tf.constant(jpeg(make_image(60, 80)))
    trained, evaluated = value(
        [
            get_preprocessing(name, True, augmentation="none")(encoded, 32, 32, [3, 4]),
            get_preprocessing(name, False)(encoded, 32, 32),
        ]
    )
    assert np.array_equal(trained, evaluated)


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_evaluation_is_never_augmented(augmentation):
    pixels = make_image(60, 80)
    images = value(
        [
            get_preprocessing("inception", False, augmentation=name)(pixels, 32, 32, [3, 4])
            for name in ("published", augmentation)
        ]
    )
    assert np.array_equal(*images)


def test_unknown_augmentation_is_rejected():
    for is_training in (True, False):
        with pytest.raises(BadInput, match="one of published, none, light, strong, got 'lite'"):
            get_preprocessing("inception", is_training, augmentation="lite")


def test_augmentation_without_seed_is_rejected():
    with pytest.raises(ValueError, match="expected an int \\[2\\] seed"):
        get_preprocessing("lenet", True, augmentation="light")(tf.constant(b""), 8, 8)


# The whole augmentation.


@pytest.mark.parametrize("name", PREPROCESSING)
@pytest.mark.parametrize("augmentation", WITH_SETTINGS)
def test_images_of_every_kind_fill_output_in_range(name, augmentation):
    encoded = tf.placeholder(tf.string, [])
    seed = tf.placeholder(tf.int64, [2])
    outputs = [
        get_preprocessing(name, True, use_grayscale=gray, augmentation=augmentation)(
            encoded, height, 33, seed
        )
        for height, gray in [(33, False), (20, True)]
    ]
    assert [output.shape.as_list() for output in outputs] == [[33, 33, 3], [20, 33, 1]]
    low, high = RANGES[name]
    png = tf.image.encode_png(make_image(30, 40))
    images = [jpeg(make_image(*size)) for size in [(90, 120), (9, 200), (7, 5)]]
    with tf.Session() as session:
        for number, image in enumerate([session.run(png), *images]):
            for output in session.run(outputs, {encoded: image, seed: [number, 2]}):
                assert output.dtype == np.float32
                assert np.isfinite(output).all()
                assert low - 1e-4 <= output.min() < output.max() <= high + 1e-4


@pytest.mark.parametrize("augmentation", WITH_SETTINGS)
def test_equal_seeds_give_equal_bits(augmentation):
    """Also in parallel calls; and nearly every seed gives an image of its own."""
    preprocess = get_preprocessing("vgg", True, augmentation=augmentation)
    encoded = jpeg(make_image(60, 80))

    def images(number_of_calls):
        seeds = tf.data.Dataset.range(48).map(lambda i: tf.stack([i % 24, 5]))
        calls = seeds.map(lambda seed: preprocess(encoded, 16, 16, seed), number_of_calls)
        return value(tf.data.make_one_shot_iterator(calls.batch(48)).get_next())

    together, one_by_one = images(4), images(1)
    assert np.array_equal(together, one_by_one)
    assert np.array_equal(together[:24], together[24:])
    assert len({image.tobytes() for image in together}) == 24


@pytest.mark.parametrize("augmentation", WITH_SETTINGS)
def test_crops_cover_range_of_area(augmentation):
    settings = AUGMENTATIONS[augmentation]
    windows = for_seeds(
        lambda seed: inception.distorted_window(
            [300, 400, 3], seed, settings.crop_area, settings.crop_aspect_ratio
        ),
        1000,
    )
    _, _, height, width = windows.T
    area, aspect_ratio = height * width / (300 * 400), width / height
    assert 0.25 - 0.005 <= area.min() < 0.3 and 0.9 < area.max() <= 1
    assert 0.75 - 0.01 <= aspect_ratio.min() < 0.78 and 1.28 < aspect_ratio.max() <= 4 / 3 + 0.01


def test_output_shows_the_crop():
    """The colors of a gradient reveal the position of the crop's corners in the image."""
    height, width = 120, 160
    encoded = tf.constant(jpeg(gradient(height, width)))
    outputs = for_seeds(lambda seed: augment(encoded, 40, 40, seed, CROP_ONLY), 200)
    shown_width = np.ptp(outputs[:, 20, :, 0], axis=1) / 255 * 40 / 39
    shown_height = np.ptp(outputs[:, :, 20, 1], axis=1) / 255 * 40 / 39
    area = shown_width * shown_height
    assert 0.22 < area.min() < 0.35 and 0.8 < area.max() <= 1.05
    assert (outputs[:, 20, 0, 0] < outputs[:, 20, -1, 0]).all()  # not flipped


def test_light_flips_half_of_images_and_adjusts_colors():
    settings = AUGMENTATIONS["light"]
    encoded = tf.constant(jpeg(gradient(64, 64)))
    outputs = for_seeds(lambda seed: augment(encoded, 16, 16, seed, settings), 400)
    flipped = outputs[:, 8, 0, 0] > outputs[:, 8, -1, 0]
    assert 0.4 < flipped.mean() < 0.6
    gray = tf.constant(jpeg(np.full((16, 16, 3), 100, np.uint8)))
    outputs = for_seeds(lambda seed: augment(gray, 4, 4, seed, settings), 400)
    assert 68 - 1 <= outputs.min() < 71 and 129 < outputs.max() <= 132 + 1


@pytest.mark.parametrize("use_grayscale", [False, True])
def test_light_has_the_colors_of_inceptions_fast_mode(use_grayscale, monkeypatch):
    """With the whole image as crop, only the flip and the colors remain."""
    window = tf.constant([0, 0, 24, 24])
    monkeypatch.setattr(inception, "distorted_window", lambda *_: window)
    half = make_image(24, 12)
    encoded = tf.constant(jpeg(np.concatenate([half, half[:, ::-1]], axis=1)))

    def brightness(preprocess):
        return for_seeds(lambda seed: preprocess(seed), 300).mean(axis=(1, 2, 3))

    light = get_preprocessing("inception", True, use_grayscale=use_grayscale, augmentation="light")
    published = get_preprocessing("inception", True, use_grayscale=use_grayscale)
    ours, theirs = (
        np.quantile(brightness(lambda seed, p=p: p(encoded, 12, 12, seed)), [0.05, 0.5, 0.95])
        for p in (light, published)
    )
    np.testing.assert_allclose(ours, theirs, atol=0.06)


def test_table_says_what_is_done(monkeypatch):
    done = []
    for name in ("distort_color", "trivial_augment", "erase"):
        monkeypatch.setattr(
            augment_module, name, lambda image, *_, name=name: done.append(name) or image
        )
    encoded = jpeg(make_image(20, 20))
    for name, expected in (
        ("light", ["distort_color"]),
        ("strong", ["trivial_augment", "erase"]),
    ):
        done.clear()
        augment(encoded, 8, 8, [1, 2], AUGMENTATIONS[name])
        assert done == expected


# Each operation of TrivialAugment against Pillow.


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("strength", [-1.0, -0.4, 0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", ["brightness", "contrast", "color"])
def test_enhancements_equal_those_of_pillow(name, strength, channels):
    pixels = make_image(30, 40, channels)
    enhancer = getattr(ImageEnhance, name.capitalize())(pillow_image(pixels))
    expected = with_channels(enhancer.enhance(1 + 0.99 * strength))
    # Pillow rounds the gray that it blends with.
    np.testing.assert_allclose(operate(name, pixels, strength), expected, atol=ONE_LEVEL + 0.5)


@pytest.mark.parametrize("strength", [-1.0, -0.4, 0.0, 0.3, 1.0])
def test_sharpness_equals_that_of_pillow(strength):
    pixels = make_image(30, 40)
    expected = with_channels(ImageEnhance.Sharpness(Image.fromarray(pixels)).enhance(1 + strength))
    sharpened = operate("sharpness", pixels, strength / 0.99)
    inside = np.s_[1:-1, 1:-1]  # Pillow leaves the border unchanged
    np.testing.assert_allclose(sharpened[inside], expected[inside], atol=ONE_LEVEL + 0.5)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("lost_bits", range(7))
def test_posterize_equals_that_of_pillow(lost_bits, channels):
    pixels = make_image(30, 40, channels)
    expected = ImageOps.posterize(pillow_image(pixels), 8 - lost_bits)
    for sign in (1, -1):
        posterized = operate("posterize", pixels, sign * lost_bits / 6)
        assert np.array_equal(posterized, with_channels(expected))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("threshold", [0, 64, 200, 256])
def test_solarize_equals_that_of_pillow(threshold, channels):
    pixels = make_image(30, 40, channels)
    expected = ImageOps.solarize(pillow_image(pixels), threshold)
    for sign in (1, -1):
        solarized = operate("solarize", pixels, sign * (1 - threshold / 256))
        assert np.array_equal(solarized, with_channels(expected))


@pytest.mark.parametrize("channels", [1, 3])
def test_autocontrast_equals_that_of_pillow(channels):
    pixels = make_image(30, 40, channels) // 3 + np.arange(40, 40 + channels, dtype=np.uint8)
    expected = with_channels(ImageOps.autocontrast(pillow_image(pixels)))
    stretched = operate("autocontrast", pixels, 0.5)
    np.testing.assert_allclose(stretched, expected, atol=ONE_LEVEL)
    assert stretched.min() == 0 and stretched.max() == pytest.approx(255)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(30, 40), (100, 90), (8, 8)])
def test_equalize_equals_that_of_pillow(size, channels):
    pixels = make_image(*size, channels) // 3 + 40
    expected = with_channels(ImageOps.equalize(pillow_image(pixels)))
    assert np.array_equal(operate("equalize", pixels, 0.5), expected)


@pytest.mark.parametrize("name", ["autocontrast", "equalize"])
def test_image_of_one_color_has_no_contrast_to_raise(name):
    pixels = np.full((20, 20, 3), [7, 100, 255], np.uint8)
    assert np.array_equal(operate(name, pixels, 0.5), pixels)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("strength", [-1.0, -0.35, 0.6])
@pytest.mark.parametrize("name", ["shear_x", "shear_y", "rotate"])
def test_geometric_operations_equal_those_of_pillow(name, strength, channels):
    pixels = make_image(48, 64, channels)
    image = pillow_image(pixels)
    if name == "rotate":
        options = {"resample": Image.Resampling.BILINEAR}

        def transform(image):
            return image.rotate(135 * strength, **options)
    else:
        shear = 0.99 * strength
        matrix = [[1, shear], [0, 1]] if name == "shear_x" else [[1, 0], [shear, 1]]
        coefficients = around_center(image.size, matrix)

        def transform(image):
            method, bilinear = Image.Transform.AFFINE, Image.Resampling.BILINEAR
            return image.transform(image.size, method, coefficients, bilinear)

    expected = with_channels(transform(image))
    # The border is interpolated with the fill color in TensorFlow and not in Pillow.
    ring = np.zeros((48, 64), np.uint8)
    ring[2:-2, 2:-2] = 255
    inside = with_channels(transform(Image.fromarray(ring)))[..., 0] == 255
    filled = with_channels(transform(Image.fromarray(np.full_like(ring, 255))))[..., 0] == 0
    transformed = operate(name, pixels, strength)
    assert inside.mean() > 0.3
    np.testing.assert_allclose(transformed[inside], expected[inside], atol=ONE_LEVEL)
    # Far from the image, there is only the fill color.
    far = np.zeros_like(filled)
    far[1:-1, 1:-1] = [
        [filled[y - 1 : y + 2, x - 1 : x + 2].all() for x in range(1, 63)] for y in range(1, 47)
    ]
    assert (transformed[far] == trivial_augment.FILL).all()


def test_quarter_turn_moves_every_pixel():
    pixels = make_image(31, 31)
    np.testing.assert_allclose(operate("rotate", pixels, 90 / 135), np.rot90(pixels), atol=0.02)


@pytest.mark.parametrize(("name", "axis"), [("translate_x", 1), ("translate_y", 0)])
def test_translation_moves_by_a_seventh_of_the_side(name, axis):
    pixels = make_image(56, 56)
    for strength, distance in ((1.0, 8), (-1.0, -8), (0.5, 4), (0.05, 0)):
        expected = np.roll(pixels, -distance, axis).astype(np.float32)
        empty = slice(56 - distance, 56) if distance > 0 else slice(0, -distance)
        np.moveaxis(expected, axis, 0)[empty] = 128
        assert np.array_equal(operate(name, pixels, strength), expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_without_strength_nothing_changes(channels):
    pixels = make_image(30, 40, channels)
    for name in set(OPERATIONS) - {"autocontrast", "equalize"}:
        np.testing.assert_allclose(operate(name, pixels, 0.0), pixels, atol=1e-3, err_msg=name)


def test_identity_and_color_of_grayscale_change_nothing():
    pixels = make_image(30, 40)
    assert np.array_equal(operate("identity", pixels, 1.0), pixels)
    assert np.array_equal(operate("color", pixels[..., :1], 1.0), pixels[..., :1])


def test_every_operation_stays_in_range_on_smallest_image():
    for name in OPERATIONS:
        for channels in (1, 3):
            result = operate(name, np.full((1, 1, channels), 250, np.uint8), 1.0)
            assert result.shape == (1, 1, channels)
            assert 0 <= result.min() <= result.max() <= 255, name


def test_operations_and_strengths_are_uniform(monkeypatch):
    """Operations that write their number and strength into the image, drawn often."""
    operations = {
        str(number): lambda image, strength, number=number: (
            tf.stack([float(number), strength, 0.0]) + tf.zeros_like(image)
        )
        for number in range(14)
    }
    assert len(OPERATIONS) == 14
    monkeypatch.setattr(trivial_augment, "OPERATIONS", operations)
    count = 6000
    drawn = for_seeds(
        lambda seed: trivial_augment.trivial_augment(tf.zeros([1, 1, 3]), seed), count
    )
    number, strength, _ = drawn[:, 0, 0].T
    level = np.rint(strength * 30)
    np.testing.assert_allclose(strength * 30, level, atol=1e-4)
    # Frequencies lie within five standard deviations.
    for counts in (
        np.bincount(number.astype(int), minlength=14),
        np.bincount(np.abs(level).astype(int), minlength=31),
        np.bincount((strength[level != 0] > 0).astype(int), minlength=2),
    ):
        expected = counts.sum() / len(counts)
        assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)
    assert np.abs(np.corrcoef(number, strength)[0, 1]) < 5 / np.sqrt(count)


# Random erasing.


@pytest.mark.parametrize(("height", "width"), [(60, 60), (32, 96), (150, 12)])
def test_erased_rectangles_have_the_published_area(height, width):
    rectangles = for_seeds(
        lambda seed: tf.stack(erasing.random_rectangle(height, width, seed)), 1000
    )
    top, left, bottom, right = rectangles.T
    assert (top.min(), left.min(), bottom.max(), right.max()) == (0, 0, height, width)
    h, w = bottom - top, right - left
    assert h.min() >= 1 and w.min() >= 1
    rounding = (h + w + 1) / 2 / (height * width)
    area = h * w / (height * width)
    assert (area + rounding > 0.02).all() and (area - rounding < 0.4).all()
    assert area.min() < 0.03 and area.max() > 0.38
    assert np.mean(area) == pytest.approx(0.21, abs=0.015)
    if height == width:
        ratios = (h / w)[h * w > 100]  # of others, rounding changes the ratio
        assert 0.27 < ratios.min() < 0.35 and 1 / 0.35 < ratios.max() < 1 / 0.27
    free = height - h > 5
    assert np.mean(top[free] / (height - h)[free]) == pytest.approx(0.5, abs=0.05)


def test_a_quarter_of_images_is_erased_to_noise():
    image = tf.constant(make_image(24, 30) // 2 + 0.25, tf.float32)
    outputs = for_seeds(lambda seed: erasing.erase(image, 0.25, seed), 600)
    original = make_image(24, 30) // 2 + np.float32(0.25)
    differs = (outputs != original).any(axis=-1)
    erased = differs.any(axis=(1, 2))
    assert 0.2 < erased.mean() < 0.3
    noise = []
    for mask, output in zip(differs[erased], outputs[erased]):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        rectangle = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert mask[rectangle].mean() == 1  # noise equals the image nowhere
        noise.append(output[rectangle].ravel())
    noise = np.concatenate(noise)
    assert noise.min() >= 0 and noise.max() <= 255
    assert np.mean(noise) == pytest.approx(127.5, abs=1)
    assert np.std(noise) == pytest.approx(255 / np.sqrt(12), abs=1)


def test_mask_is_true_in_rectangle_only():
    expected = np.zeros((5, 7, 1), bool)
    expected[1:4, 2:6] = True
    assert np.array_equal(value(erasing.rectangle_mask(5, 7, 1, 2, 4, 6)), expected)


def test_to_pixels_shows_augmented_images():
    encoded = tf.constant(jpeg(make_image(40, 40)))
    for name in ("inception", "vgg", "none"):
        image = get_preprocessing(name, True, augmentation="strong")(encoded, 20, 20, [1, 6])
        expected = augment(encoded, 20, 20, [1, 6], AUGMENTATIONS["strong"])
        shown, expected = value([to_pixels(name)(image), expected])
        np.testing.assert_allclose(shown, expected, atol=0.51)
