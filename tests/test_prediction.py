import contextlib
import io

import numpy as np
import pytest
from PIL import Image
from tiny_photos import tiny_photo, write_photos
from tiny_serving import LABELS, encoded, tiny_run, write_tiny_run
from tolerance import float32_tolerance

from datasets.photo_files import find_photo_files
from predict_flowers import predict
from serving import serving_graph
from serving.export_description import write_description
from serving.export_files import write_saved_model
from serving.prediction import open_model, predict_batches
from slim_on_tf2 import slim, tf
from system.errors import BadInput
from training.run_record import write_run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Photos, a run of random weights with their averages, and an export of it."""
    folder = tmp_path_factory.mktemp("made")
    write_photos(folder / "photos", {"daisy": 5, "tulips": 2}, width=28, height=28)
    (folder / "photos" / "roses.jpg").write_text("<html>")
    run = tiny_run()
    (folder / "log").mkdir()
    write_run(folder / "log", run)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(0)
        serving = serving_graph.build(run)
        step = tf.train.get_or_create_global_step()
        averages = tf.train.ExponentialMovingAverage(0.5)
        averages.apply(slim.get_model_variables())
        session.run(tf.global_variables_initializer())
        (folder / "export").mkdir()
        frozen = serving_graph.freeze(serving, session)
        write_saved_model(folder / "export" / "1", frozen, LABELS)
        write_description(folder / "export" / "1", {"format": "saved_model"}, run)
        # The averages are of a network that says the opposite.
        for variable in slim.get_model_variables("LeNet/fc4"):
            session.run(averages.average(variable).assign(-variable))
        tf.train.Saver().save(session, str(folder / "log" / "model.ckpt"), step)
    return folder


@pytest.fixture
def model(made):
    with contextlib.closing(open_model(made / "log", "latest")) as model:
        yield model


def by_class(prediction):
    return [p for _, p in sorted(zip(prediction.labels, prediction.probabilities))]


def test_classes_are_ordered_by_probability(made):
    rows = predict(made / "log", [made / "photos"], top_k=9, checkpoint="latest")
    assert [row.filename for row in rows] == [
        *(str(made / "photos" / "daisy" / f"{i}.jpg") for i in range(5)),
        str(made / "photos" / "roses.jpg"),
        *(str(made / "photos" / "tulips" / f"{i}.jpg") for i in range(2)),
    ]
    broken = rows.pop(5)
    assert (broken.labels, broken.probabilities) == ([], [])
    assert broken.error == "an HTML page, not a photo"
    for row in rows:
        assert row.error is None
        assert sorted(row.labels) == sorted(LABELS)
        assert row.probabilities == sorted(row.probabilities, reverse=True)
        assert sum(row.probabilities) == pytest.approx(1, abs=1e-6)


def test_export_and_other_batch_sizes_give_the_same_predictions(made):
    photos = [made / "photos" / "daisy", made / "photos" / "tulips"]
    ours = predict(made / "log", photos, checkpoint="latest", batch_size=3)
    exported = predict(None, photos, export_dir=made / "export", batch_size=100)
    assert [row.filename for row in ours] == [row.filename for row in exported]
    for a, b in zip(ours, exported):
        assert by_class(a) == pytest.approx(by_class(b), abs=float32_tolerance(4))


def test_large_photo_is_predicted_alike_upright_turned_and_by_an_export(made, tmp_path):
    """Each is decoded at an eighth of its size: by TensorFlow, by Pillow, in the export's graph."""
    scene = tiny_photo(5, width=320, height=240)
    scene.save(tmp_path / "a.jpg", quality=95, subsampling=0)
    turned = scene.transpose(Image.Transpose.ROTATE_90)
    exif = turned.getexif()
    exif[0x0112] = 6  # the scene's top is on the right
    turned.save(tmp_path / "b.jpg", quality=95, subsampling=0, exif=exif)
    photos = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    upright, from_turned = predict(made / "log", photos, checkpoint="latest")
    for ours, exported in zip(
        (upright, from_turned), predict(None, photos, export_dir=made / "export")
    ):
        assert by_class(ours) == pytest.approx(by_class(exported), abs=float32_tolerance(4))
    # Encoding the turned photo once more moves its pixels by less than one of 255 on average.
    assert by_class(upright) == pytest.approx(by_class(from_turned), abs=0.01)


def test_moving_averages_replace_the_weights(made):
    photo = made / "photos" / "daisy" / "0.jpg"
    weights, averages = (
        by_class(predict(made / "log", photo, checkpoint="latest", moving_averages=asked)[0])
        for asked in (False, True)
    )
    # Logits of opposite sign: the products of the probabilities are equal, up to one factor.
    products = np.multiply(weights, averages)
    np.testing.assert_allclose(products, products[0], rtol=4 * float32_tolerance(4))
    assert weights != pytest.approx(averages, abs=1e-4)


def test_top_k_limits_the_classes(made):
    (row,) = predict(made / "log", made / "photos/tulips/0.jpg", top_k=1, checkpoint="latest")
    (whole,) = predict(made / "log", made / "photos/tulips/0.jpg", checkpoint="latest")
    assert (row.labels, row.probabilities) == (whole.labels[:1], whole.probabilities[:1])


def test_undecodable_image_does_not_affect_others(made, model):
    files = find_photo_files([made / "photos" / "daisy"])
    refused = files[1].read()

    class Picky:
        labels, needed_size = model.labels, None
        calls = 0

        def probabilities(self, jpegs):
            self.calls += 1
            return model.probabilities([b"\0" if jpeg == refused else jpeg for jpeg in jpegs])

    picky = Picky()
    batches = list(predict_batches(picky, files, top_k=3, batch_size=3))
    assert [len(batch) for batch in batches] == [3, 2]
    rows = [prediction for batch in batches for prediction, _ in batch]
    errors = [None, "TensorFlow cannot decode it", None, None, None]
    assert [row.error for row in rows] == errors
    assert picky.calls == 1 + 3 + 1  # the first batch, each photo of it, the second batch
    alone = predict(made / "log", made / "photos/daisy/2.jpg", checkpoint="latest")
    assert by_class(rows[2]) == pytest.approx(by_class(alone[0]), abs=float32_tolerance(4))


def test_photos_come_with_their_predictions(made, model):
    files = find_photo_files([made / "photos"])
    pairs = [pair for batch in predict_batches(model, files, 1, 4) for pair in batch]
    assert [photo is None for _, photo in pairs] == [row.error is not None for row, _ in pairs]
    assert pairs[0][1] == (made / "photos" / "daisy" / "0.jpg").read_bytes()


def test_diverged_network_is_named(made):
    class Diverged:
        labels, needed_size = LABELS, None

        def probabilities(self, jpegs):
            return np.full([len(jpegs), len(LABELS)], np.nan, np.float32)

    files = find_photo_files([made / "photos" / "tulips"])
    with pytest.raises(BadInput, match=r"tulips/0.jpg: the network returns nan .* diverged"):
        next(predict_batches(Diverged(), files, 1, 4))


def test_explanation_shows_the_image_beside_its_heat_map(made, model):
    jpegs = [(made / "photos" / "daisy" / f"{i}.jpg").read_bytes() for i in range(3)]
    pictures = model.explain(jpegs)
    assert (pictures.dtype, pictures.shape) == (np.uint8, (3, 28, 56, 3))
    for jpeg, picture in zip(jpegs, pictures):
        pixels = np.asarray(Image.open(io.BytesIO(jpeg)), int)
        assert np.abs(picture[:, :28] - pixels).mean() <= 4  # of two decoders
        assert len(np.unique(picture[:, 28:].reshape(-1, 3), axis=0)) > 20
    # In another batch, rounding may move a heat map by one step of its colors.
    alone = model.explain(jpegs[1:2])[0]
    assert np.abs(alone.astype(int) - pictures[1]).max() <= 2


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"photos": "nowhere.jpg"}, "'nowhere.jpg': no such file"),
        ({"log_dir": "nowhere"}, "nowhere/run.json does not exist"),
        ({"checkpoint": "nowhere.ckpt"}, "--checkpoint nowhere.ckpt does not exist"),
        ({"log_dir": None, "export_dir": "nowhere"}, "nowhere: no such folder"),
        ({"log_dir": None}, "log_dir: expected the folder of a run, or export_dir"),
        ({"export_dir": "export"}, "log_dir cannot be combined with export_dir"),
        (
            {"log_dir": None, "export_dir": "export", "checkpoint": "latest"},
            "checkpoint cannot be combined with export_dir",
        ),
        (
            {"log_dir": None, "export_dir": "export", "moving_averages": True},
            "moving_averages cannot be combined with export_dir",
        ),
        ({"moving_averages": "yes"}, "moving_averages: expected True or False"),
        ({"photos": None}, "photos: expected a path or a list of paths .*NoneType"),
        ({"photos": ["a.jpg", 5]}, "photos: expected a path or a list of paths .*int"),
        ({"top_k": 0}, "top_k: expected a whole number of at least 1, got '0'"),
        ({"top_k": 2.5}, "top_k: expected a whole number of at least 1, got '2.5'"),
        ({"top_k": None}, "top_k: expected a whole number of at least 1, got 'None'"),
        ({"batch_size": "many"}, "batch_size: expected a whole number of at least 1, got 'many'"),
        ({"batch_size": -1}, "batch_size: expected a whole number of at least 1, got '-1'"),
    ],
)
def test_wrong_argument_is_named(made, changes, expected):
    with pytest.raises(BadInput, match=expected) as error:
        predict(**{"log_dir": made / "log", "photos": made / "photos"} | changes)
    assert "\n" not in str(error.value)


def test_numbers_may_be_strings(made):
    photo = made / "photos/tulips/0.jpg"
    (row,) = predict(made / "log", photo, top_k="2", checkpoint="latest", batch_size="1")
    assert len(row.labels) == 2


def test_missing_path_among_others_is_an_error_row(made):
    photos = [made / "nowhere.jpg", made / "photos/tulips/0.jpg"]
    missing, found = predict(made / "log", photos, checkpoint="latest")
    assert (missing.filename, missing.labels) == (str(photos[0]), [])
    assert missing.error == "no such file or folder"
    assert found.error is None


def test_explanation_requires_a_feature_map(tmp_path):
    write_tiny_run(tmp_path, model_name="mobilenet_v1_025", image_size=1)
    with contextlib.closing(open_model(tmp_path)) as model:
        assert model.probabilities([encoded("JPEG", 0)]).shape == (1, 3)
        with pytest.raises(BadInput, match="feature maps of mobilenet_v1_025 are 1 x 1 at 1 px"):
            model.explain([encoded("JPEG", 0)])


def test_checkpoint_of_another_run_is_refused(made, tmp_path):
    write_run(tmp_path, tiny_run(labels=["one", "two"]))
    with pytest.raises(BadInput, match="is of the run .*/log .labels .* there, .*--log_dir"):
        open_model(tmp_path, str(made / "log" / "model.ckpt-0"))
