import io

import numpy as np
import pytest
from PIL import Image
from tiny_photos import tiny_photo
from tiny_serving import LABELS, freeze_tiny, photos_of_all_kinds, pixels, tiny_run

from datasets.photos import ORIENTATION_TAG, make_photo
from slim_on_tf2 import tf
from training import serving_graph


@pytest.fixture
def session():
    with tf.Session() as session:
        yield session


def started(session, **settings):
    """A serving graph in the session's graph, with random weights."""
    serving = serving_graph.build(tiny_run(**settings))
    session.run(tf.global_variables_initializer())
    return serving


@pytest.mark.parametrize(
    ("scheme", "use_grayscale", "difference"),
    [
        ("inception", False, 1e-5),
        ("vgg", False, 1e-3),
        ("lenet", True, 1e-5),
        ("cifarnet", False, 1e-5),
        ("none", True, 1e-5),
    ],
)
def test_a_batch_of_any_formats_and_sizes_is_seen_as_its_pixels(
    session, scheme, use_grayscale, difference
):
    serving = started(session, preprocessing_name=scheme, use_grayscale=use_grayscale)
    photos = photos_of_all_kinds()
    inputs = session.run(serving.inputs, {serving.image_bytes: photos})
    assert inputs.shape == (4, 28, 28, 1 if use_grayscale else 3)
    for photo, seen in zip(photos[1:], inputs[1:]):  # the first, a JPEG, loses a little
        alone = session.run(serving.inputs, {serving.images: pixels(photo)})
        np.testing.assert_allclose(seen, alone[0], atol=difference)


PHOTO = tiny_photo(1, width=40, height=30)
TURNED = Image.Exif()
TURNED[ORIENTATION_TAG] = 6
SHADES = tiny_photo(2, width=40, height=30).convert("L")
PRINT_COLOURS = Image.merge("CMYK", (*PHOTO.split(), SHADES))
TRANSPARENT = Image.merge("RGBA", (*PHOTO.split(), SHADES))
SIXTEEN_BITS = Image.fromarray(np.asarray(SHADES).astype(np.uint16) * 257)


@pytest.mark.parametrize(
    ("picture", "form", "options", "difference"),
    [
        (PHOTO, "JPEG", {}, "none"),
        (PHOTO, "JPEG", {"progressive": True}, "none"),
        (SHADES, "JPEG", {}, "of a new encoding"),
        (PHOTO, "PNG", {}, "of a new encoding"),
        (PHOTO, "BMP", {}, "of a new encoding"),
        (SIXTEEN_BITS, "PNG", {}, "of a new encoding"),
        (PRINT_COLOURS, "JPEG", {}, "of a new encoding"),
        (PHOTO, "JPEG", {"exif": TURNED}, "large"),
        (TRANSPARENT, "PNG", {}, "large"),
        (PHOTO.quantize(16), "GIF", {"transparency": 3}, "large"),
        (PHOTO.quantize(16), "BMP", {}, "large"),
    ],
)
def test_which_files_have_to_be_prepared_as_is_done_before_training(
    session, picture, form, options, difference
):
    file = io.BytesIO()
    picture.save(file, form, **options)
    serving = serving_graph.build(tiny_run())
    as_it_is, prepared = (
        session.run(serving.inputs, {serving.image_bytes: [photo]})
        for photo in (file.getvalue(), make_photo(file.getvalue()).jpeg)
    )
    most = {"none": 0, "of a new encoding": 3 / 255, "large": 1}
    found = np.abs(as_it_is - prepared).mean()
    assert next(name for name in most if found <= most[name]) == difference


def test_the_answers_are_those_of_the_logits(session):
    serving = started(session)
    feed = {serving.image_bytes: photos_of_all_kinds()}
    answers, logits = session.run([serving.answers, serving.logits], feed)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-6)
    np.testing.assert_allclose(answers["probability"], expected.max(axis=1), atol=1e-6)
    best = [LABELS[index] for index in logits.argmax(axis=1)]
    assert [label.decode() for label in answers["label"]] == best
    assert [[name.decode() for name in row] for row in answers["classes"]] == [LABELS] * 4
    assert {name: tensor.dtype for name, tensor in serving.answers.items()} == {
        "label": tf.string,
        "probability": tf.float32,
        "classes": tf.string,
        "probabilities": tf.float32,
    }


def test_no_photos_have_no_answers(session):
    answers = session.run(started(session).answers)
    assert answers["probabilities"].shape == answers["classes"].shape == (0, 3)
    assert answers["label"].shape == answers["probability"].shape == (0,)


def test_what_is_frozen_keeps_nothing_of_a_training(session):
    tf.train.get_or_create_global_step()
    frozen, expected = freeze_tiny(model_name="mobilenet_v1_025", image_size=32)
    kinds = {node.op for node in frozen.node}
    assert not [kind for kind in kinds if "Var" in kind or "Random" in kind or "Restore" in kind]
    assert not [node.name for node in frozen.node if "Regularizer" in node.name]
    assert not [node.name for node in frozen.node if "Initializer" in node.name]
    tf.import_graph_def(frozen, name="")
    found = session.run("probabilities:0", {"image_bytes:0": photos_of_all_kinds()})
    np.testing.assert_allclose(found, expected, atol=1e-6)
