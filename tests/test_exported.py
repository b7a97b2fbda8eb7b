import numpy as np
import pytest
from tiny_serving import LABELS, freeze_tiny, images_of_all_formats, pixels
from tolerance import float32_tolerance

from serving.export_files import write_frozen_graph, write_saved_model
from serving.exported import OUTPUTS, ExportedModel, FrozenGraph
from slim_on_tf2 import tf
from system.errors import BadInput

TOLERANCE = float32_tolerance(num_layers=4)  # lenet


@pytest.fixture(scope="module")
def network():
    return freeze_tiny()


@pytest.fixture
def export_dir(network, tmp_path):
    """An export whose latest version is 10, with folders that are not versions of a SavedModel."""
    (tmp_path / "9").mkdir()
    write_saved_model(tmp_path / "10", network[0], LABELS)
    (tmp_path / ".export.1a.partial").mkdir()
    (tmp_path / "tflite" / "1").mkdir(parents=True)
    (tmp_path / "tflite" / "1" / "int8.tflite").touch()
    return tmp_path


def check_outputs(outputs, probabilities):
    """Checks the four outputs against the expected probabilities."""
    np.testing.assert_allclose(outputs["probabilities"], probabilities, atol=TOLERANCE)
    np.testing.assert_array_equal(outputs["probability"], outputs["probabilities"].max(axis=1))
    best = [LABELS[index] for index in probabilities.argmax(axis=1)]
    assert [label.decode() for label in outputs["label"]] == best
    names = [[name.decode() for name in row] for row in outputs["classes"]]
    assert names == [LABELS] * len(probabilities)


def check_empty(outputs):
    """Checks that the outputs have no rows."""
    assert outputs["probabilities"].shape == outputs["classes"].shape == (0, len(LABELS))
    assert outputs["label"].shape == outputs["probability"].shape == (0,)


def test_latest_version_predicts_like_the_network(network, export_dir):
    model = ExportedModel(export_dir)
    assert model.path == export_dir / "10"
    assert model.labels == LABELS
    found = model.probabilities(images_of_all_formats())
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, network[1], atol=TOLERANCE)
    check_outputs(model.predict(images_of_all_formats()), network[1])
    image = pixels(images_of_all_formats()[-1])
    check_outputs(model.predict_images(image), network[1][-1:])
    model.close()


def test_given_version_predicts_from_preprocessed_images(network, export_dir):
    model = ExportedModel(export_dir / "10")
    inputs = model.network_inputs(images_of_all_formats())
    assert inputs.shape == (4, 28, 28, 3)
    found = model.probabilities_of_inputs(inputs)
    np.testing.assert_allclose(found, network[1], atol=TOLERANCE)


def test_frozen_graph_predicts_like_the_network(network, tmp_path):
    write_frozen_graph(tmp_path, network[0], LABELS)
    graph = FrozenGraph(tmp_path)
    assert graph.labels == LABELS
    check_outputs(graph.predict(images_of_all_formats()), network[1])
    image = pixels(images_of_all_formats()[-1])
    check_outputs(graph.predict_images(image), network[1][-1:])


def test_empty_batch_has_no_predictions(network, export_dir, tmp_path):
    write_frozen_graph(tmp_path, network[0], LABELS)
    for model in (ExportedModel(export_dir), FrozenGraph(tmp_path)):
        check_empty(model.predict([]))
        check_empty(model.predict_images(np.zeros([0, 5, 5, 3], np.float32)))
        inputs = model.network_inputs([])
        assert inputs.shape == (0, 28, 28, 3)
        assert model.probabilities_of_inputs(inputs).shape == (0, len(LABELS))


def test_image_that_cannot_be_decoded_raises(export_dir):
    with pytest.raises(tf.errors.InvalidArgumentError):
        ExportedModel(export_dir).probabilities([b"no image"])


def test_folder_without_saved_model_is_named(export_dir):
    for folder, expected in {
        "nowhere": "nowhere: no such folder",
        "9": "9: expected a SavedModel",
        "tflite": "expected a SavedModel .*, found int8.tflite",
        ".export.1a.partial": "partial: expected a SavedModel",
    }.items():
        with pytest.raises(BadInput, match=expected) as error:
            ExportedModel(export_dir / folder)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("share", [0, 0.3, 0.999])
def test_truncated_export_is_named(export_dir, network, share):
    path = export_dir / "10" / "saved_model.pb"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(BadInput, match="10: (not a valid SavedModel|no signature)") as error:
        ExportedModel(export_dir)
    assert "\n" not in str(error.value)
    write_frozen_graph(export_dir, network[0], LABELS)
    path = export_dir / "frozen_graph.pb"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(BadInput, match="frozen_graph.pb: not a valid frozen graph"):
        FrozenGraph(export_dir)
    path.unlink()
    with pytest.raises(BadInput, match="frozen_graph.pb: no such file"):
        FrozenGraph(export_dir)


def test_missing_labels_are_named(export_dir):
    (export_dir / "10" / "assets.extra" / "labels.txt").unlink()
    with pytest.raises(BadInput, match="labels.txt: missing"):
        ExportedModel(export_dir)


@pytest.mark.parametrize(
    ("name", "feed", "outputs", "expected"),
    [
        ("predict", "x", ["y"], "no signature serving_default"),
        ("serving_default", "x", ["y"], "takes x and returns y; expected image_bytes, and label"),
        ("serving_default", "image_bytes", OUTPUTS, "no signature images"),
    ],
)
def test_saved_model_with_other_signatures_is_refused(tmp_path, name, feed, outputs, expected):
    folder = tmp_path / "1"
    with tf.Session() as session:
        x = tf.placeholder(tf.float32, [None])
        results = dict.fromkeys(outputs, x + 1)
        signature = tf.saved_model.predict_signature_def({feed: x}, results)
        builder = tf.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], {name: signature})
        builder.save()
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "labels.txt").write_text("0:daisy\n")
    with pytest.raises(BadInput, match=expected):
        ExportedModel(tmp_path)
