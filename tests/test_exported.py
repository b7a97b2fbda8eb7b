import numpy as np
import pytest
from tiny_serving import LABELS, freeze_tiny, photos_of_all_kinds, pixels

from bad_input import BadInput
from serving.export_files import write_frozen_graph, write_saved_model
from serving.exported import ANSWERS, ExportedModel, FrozenGraph
from slim_on_tf2 import tf


@pytest.fixture(scope="module")
def network():
    return freeze_tiny()


@pytest.fixture
def export_dir(network, tmp_path):
    """Two versions of an export; the first holds nothing."""
    (tmp_path / "9").mkdir()
    write_saved_model(tmp_path / "10", network[0], LABELS)
    (tmp_path / ".export.1a.partial").mkdir()
    (tmp_path / "tflite" / "1").mkdir(parents=True)
    (tmp_path / "tflite" / "1" / "int8.tflite").touch()
    return tmp_path


def test_the_newest_version_answers_as_the_network(network, export_dir):
    model = ExportedModel(export_dir)
    assert model.path == export_dir / "10"
    assert model.labels == LABELS
    found = model.probabilities(photos_of_all_kinds())
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, network[1], atol=1e-6)
    answers = model.answers(photos_of_all_kinds())
    best = [LABELS[index] for index in network[1].argmax(axis=1)]
    assert [label.decode() for label in answers["label"]] == best
    photo = photos_of_all_kinds()[-1]  # a BMP, which loses nothing
    answers = model.answers_of_images(pixels(photo))
    np.testing.assert_allclose(answers["probabilities"], network[1][-1:], atol=1e-6)
    model.close()


def test_a_version_may_be_named_and_a_photo_fed_as_the_network_sees_it(network, export_dir):
    model = ExportedModel(export_dir / "10")
    inputs = model.network_inputs(photos_of_all_kinds())
    assert inputs.shape == (4, 28, 28, 3)
    np.testing.assert_allclose(model.probabilities_of_inputs(inputs), network[1], atol=1e-6)


def test_what_is_no_photo_is_tensorflows_error(export_dir):
    with pytest.raises(tf.errors.InvalidArgumentError):
        ExportedModel(export_dir).probabilities([b"no photo"])


def test_a_frozen_graph_answers_alike(network, tmp_path):
    write_frozen_graph(tmp_path, network[0], LABELS)
    graph = FrozenGraph(tmp_path)
    assert graph.labels == LABELS
    found = graph.answers_of_images(pixels(photos_of_all_kinds()[-1]))
    np.testing.assert_allclose(found["probabilities"], network[1][-1:], atol=1e-6)
    found = graph.answers(photos_of_all_kinds())
    np.testing.assert_allclose(found["probabilities"], network[1], atol=1e-6)
    assert [list(row) for row in found["classes"]] == [[name.encode() for name in LABELS]] * 4


def test_folders_without_an_export_are_named(export_dir):
    for folder, expected in {
        "nowhere": "nowhere: there is no such folder",
        "9": "9 holds no saved_model.pb",
        "tflite": "holds no saved_model.pb, but int8.tflite: only SavedModels are read",
        ".export.1a.partial": "partial holds no saved_model.pb",
    }.items():
        with pytest.raises(BadInput, match=expected) as error:
            ExportedModel(export_dir / folder)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("share", [0, 0.3, 0.999])
def test_an_export_that_was_cut_off_is_named(export_dir, network, share):
    path = export_dir / "10" / "saved_model.pb"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(BadInput, match="10 (is no SavedModel|has no signature)") as error:
        ExportedModel(export_dir)
    assert "\n" not in str(error.value)
    write_frozen_graph(export_dir, network[0], LABELS)
    path = export_dir / "frozen_graph.pb"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(BadInput, match="frozen_graph.pb is no frozen graph"):
        FrozenGraph(export_dir)
    path.unlink()
    with pytest.raises(BadInput, match="there is no .*frozen_graph.pb"):
        FrozenGraph(export_dir)


def test_labels_that_are_missing_are_named(export_dir):
    (export_dir / "10" / "assets.extra" / "labels.txt").unlink()
    with pytest.raises(BadInput, match="labels.txt: missing"):
        ExportedModel(export_dir)


@pytest.mark.parametrize(
    ("name", "taken", "given", "expected"),
    [
        ("predict", "x", ["y"], "no signature serving_default"),
        ("serving_default", "x", ["y"], "takes x and returns y; expected image_bytes, and label"),
        ("serving_default", "image_bytes", ANSWERS, "no signature images"),
    ],
)
def test_a_saved_model_of_something_else_is_refused(tmp_path, name, taken, given, expected):
    folder = tmp_path / "1"
    with tf.Session() as session:
        x = tf.placeholder(tf.float32, [None])
        outputs = dict.fromkeys(given, x + 1)
        signature = tf.saved_model.predict_signature_def({taken: x}, outputs)
        builder = tf.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], {name: signature})
        builder.save()
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "labels.txt").write_text("0:daisy\n")
    with pytest.raises(BadInput, match=expected):
        ExportedModel(tmp_path)
