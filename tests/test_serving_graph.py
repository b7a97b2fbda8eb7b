import io

import golden_nets
import numpy as np
import pytest
from PIL import Image
from tiny_photos import tiny_photo
from tiny_serving import LABELS, freeze_tiny, images_of_all_formats, pixels, tiny_run
from tolerance import float32_tolerance

from datasets.photos import ORIENTATION_TAG, upright_jpeg
from nets.nets_factory import get_network_fn
from serving import serving_graph
from slim_on_tf2 import tf


@pytest.fixture
def session():
    with tf.Session() as session:
        yield session


def build(session, **settings):
    """A serving graph in the session's graph, with golden weights."""
    serving = serving_graph.build(tiny_run(**settings))
    golden_nets.fill(session)
    return serving


@pytest.mark.parametrize(
    ("scheme", "use_grayscale"),
    [
        ("inception", False),
        ("vgg", False),
        ("lenet", True),
        ("cifarnet", False),
        ("none", True),
    ],
)
def test_encoded_images_are_preprocessed_like_their_pixels(session, scheme, use_grayscale):
    serving = build(session, preprocessing_name=scheme, use_grayscale=use_grayscale)
    batch = images_of_all_formats()
    inputs = session.run(serving.inputs, {serving.image_bytes: batch})
    assert inputs.shape == (4, 28, 28, 1 if use_grayscale else 3)
    # Without the first, a JPEG, which Pillow may decode differently
    for image_bytes, found in zip(batch[1:], inputs[1:]):
        (expected,) = session.run(serving.inputs, {serving.images: pixels(image_bytes)})
        tolerance = float32_tolerance(num_layers=1) * max(1, np.abs(expected).max())
        np.testing.assert_allclose(found, expected, atol=tolerance)


RGB = tiny_photo(1, width=40, height=30)
ROTATED = Image.Exif()
ROTATED[ORIENTATION_TAG] = 6
GRAY = tiny_photo(2, width=40, height=30).convert("L")
CMYK = Image.merge("CMYK", (*RGB.split(), GRAY))
TRANSPARENT = Image.merge("RGBA", (*RGB.split(), GRAY))
SIXTEEN_BITS = Image.fromarray(np.asarray(GRAY).astype(np.uint16) * 257)


@pytest.mark.parametrize(
    ("image", "form", "options", "difference"),
    [
        (RGB, "JPEG", {}, "none"),
        (RGB, "JPEG", {"progressive": True}, "none"),
        (GRAY, "JPEG", {}, "of JPEG encoding"),
        (RGB, "PNG", {}, "of JPEG encoding"),
        (RGB, "BMP", {}, "of JPEG encoding"),
        (SIXTEEN_BITS, "PNG", {}, "of JPEG encoding"),
        (CMYK, "JPEG", {}, "of JPEG encoding"),
        (RGB, "JPEG", {"exif": ROTATED}, "large"),
        (TRANSPARENT, "PNG", {}, "large"),
        (RGB.quantize(16), "GIF", {"transparency": 3}, "large"),
        (RGB.quantize(16), "BMP", {}, "large"),
    ],
)
def test_difference_between_a_file_and_its_conversion_to_rgb_jpeg(
    session, image, form, options, difference
):
    file = io.BytesIO()
    image.save(file, form, **options)
    serving = serving_graph.build(tiny_run())
    original, converted = (
        session.run(serving.inputs, {serving.image_bytes: [image_bytes]})
        for image_bytes in (file.getvalue(), upright_jpeg(file.getvalue()))
    )
    limits = {"none": 0, "of JPEG encoding": 3 / 255, "large": 1}
    found = np.abs(original - converted).mean()
    assert next(name for name, limit in limits.items() if found <= limit) == difference


def test_outputs_follow_from_the_logits(session):
    serving = build(session)
    feed = {serving.image_bytes: images_of_all_formats()}
    outputs, logits = session.run([serving.outputs, serving.logits], feed)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = powers / powers.sum(axis=1, keepdims=True)
    tolerance = float32_tolerance(num_layers=1, fan_in=len(LABELS))
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=tolerance)
    np.testing.assert_allclose(outputs["probability"], expected.max(axis=1), atol=tolerance)
    best = [LABELS[index] for index in logits.argmax(axis=1)]
    assert [label.decode() for label in outputs["label"]] == best
    assert [[name.decode() for name in row] for row in outputs["classes"]] == [LABELS] * 4
    assert {name: tensor.dtype for name, tensor in serving.outputs.items()} == {
        "label": tf.string,
        "probability": tf.float32,
        "classes": tf.string,
        "probabilities": tf.float32,
    }


@pytest.mark.parametrize("model_name", ["lenet", "mobilenet_v1_025"])
def test_empty_batch_has_no_predictions(session, model_name):
    serving = build(session, model_name=model_name, image_size=32)
    outputs, inputs, logits = session.run([serving.outputs, serving.inputs, serving.logits])
    assert inputs.shape == (0, 32, 32, 3)
    assert outputs["probabilities"].shape == outputs["classes"].shape == logits.shape == (0, 3)
    assert outputs["label"].shape == outputs["probability"].shape == (0,)
    # Convolutions must not see the empty batch: some of oneDNN fail.
    assert session.run("network_logits:0").shape == (1, 3)


@pytest.mark.parametrize("model_name", ["lenet", "mobilenet_v1_025"])
def test_support_for_empty_batches_does_not_change_predictions(session, model_name):
    serving = build(session, model_name=model_name, image_size=32)
    feed = {serving.image_bytes: images_of_all_formats()}
    inputs, logits = session.run([serving.inputs, serving.logits], feed)
    logits_alone, _ = get_network_fn(model_name, len(LABELS))(serving.inputs, reuse=True)
    np.testing.assert_array_equal(session.run(logits_alone, {serving.inputs: inputs}), logits)


def test_frozen_graph_holds_only_the_trained_network(session):
    tf.train.get_or_create_global_step()
    frozen, expected = freeze_tiny(model_name="mobilenet_v1_025", image_size=32)
    kinds = {node.op for node in frozen.node}
    assert not [kind for kind in kinds if "Var" in kind or "Random" in kind or "Restore" in kind]
    assert not [node.name for node in frozen.node if "Regularizer" in node.name]
    assert not [node.name for node in frozen.node if "Initializer" in node.name]
    tf.import_graph_def(frozen, name="")
    found = session.run("probabilities:0", {"image_bytes:0": images_of_all_formats()})
    np.testing.assert_allclose(found, expected, atol=float32_tolerance(num_layers=28))
