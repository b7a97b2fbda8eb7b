"""Plots, as PNGs and as matplotlib artists, against counts by hand."""

import csv
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from evaluation import plots
from evaluation.predictions import Predictions
from system.errors import BadInput

AWKWARD_NAMES = [
    "$x^2$ and _y_",
    "an extraordinarily long name of a class, with a comma, that fits nowhere",
    "люпин многолистный",
    "Ἀνεμώνη",
    "b",
]


@pytest.fixture
def figures(monkeypatch):
    """Collects the saved figures, whose texts have positions."""
    saved = []
    save = plots.save

    def keep(figure, path):
        saved.append(figure)
        return save(figure, path)

    monkeypatch.setattr(plots, "save", keep)
    return saved


def random_predictions(images, names, strength=2.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(len(names), size=images)
    scores = rng.normal(size=(images, len(names)))
    scores[np.arange(images), labels] += strength
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    files = [f"{i}.jpg" for i in range(images)]
    return Predictions(files, labels, probabilities.astype(np.float32), list(names))


def random_images(count, height=12, width=12):
    return np.random.default_rng(1).integers(256, size=(count, height, width, 3), dtype=np.uint8)


def assert_is_complete(path):
    """Checks that a PNG is not blank and nothing is cut off at its edges."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("L"))
    assert min(pixels.shape) >= 250 and max(pixels.shape) <= 3200
    assert pixels.std() > 5
    for side in (pixels[:5], pixels[-5:], pixels[:, :5], pixels[:, -5:]):
        assert side.min() == 255


def boxes(figure, texts):
    renderer = figure.canvas.get_renderer()
    return [text.get_window_extent(renderer) for text in texts if text.get_text()]


def assert_disjoint(figure, texts):
    found = boxes(figure, texts)
    for i, box in enumerate(found):
        assert box.count_overlaps(found[i + 1 :]) == 0


@pytest.mark.parametrize(
    "names",
    [["cat", "dog"], AWKWARD_NAMES, [f"{AWKWARD_NAMES[i % 4]} {i}" for i in range(102)]],
    ids=["2 classes", "5 awkward names", "102 classes"],
)
@pytest.mark.parametrize(
    "plot", [plots.plot_confusion_matrix, plots.plot_calibration, plots.plot_per_class]
)
def test_charts_of_few_and_many_classes_are_complete_with_disjoint_names(
    plot, names, tmp_path, figures
):
    path = tmp_path / "eval" / "plot.png"
    assert plot(random_predictions(400, names), path) == path
    assert_is_complete(path)
    for axes in figures[0].findobj(matplotlib.axes.Axes):
        assert_disjoint(figures[0], axes.get_yticklabels())
        assert_disjoint(figures[0], axes.get_xticklabels())
    assert [file.name for file in path.parent.iterdir()] == ["plot.png"]


@pytest.mark.parametrize(
    "plot", [plots.plot_confusion_matrix, plots.plot_calibration, plots.plot_per_class]
)
def test_charts_of_a_single_image_are_complete(plot, tmp_path):
    assert_is_complete(plot(random_predictions(1, ["cat", "dog"]), tmp_path / "plot.png"))


@pytest.mark.parametrize("width", [12, 24])
@pytest.mark.parametrize("shown", [1, 7])
def test_image_grid_is_complete_with_disjoint_captions(shown, width, tmp_path, figures):
    predictions = random_predictions(30, AWKWARD_NAMES, strength=1)
    indices = plots.choose_examples(predictions, shown)
    images = random_images(shown, width=width)
    path = plots.plot_predictions(predictions, indices, images, tmp_path / "p.png")
    assert_is_complete(path)
    captions = [text for text in figures[0].findobj(matplotlib.text.Text) if text.axes]
    assert_disjoint(figures[0], captions)


def test_each_image_is_captioned_with_prediction_and_label(tmp_path, figures):
    probabilities = np.array([[0.875, 0.125], [0.75, 0.25], [0.0, 1.0]])
    predictions = Predictions(list("abc"), np.array([0, 1, 1]), probabilities, ["daisy", "a_$b$"])
    images = random_images(2)
    plots.plot_predictions(predictions, [1, 2], images, tmp_path / "p.png")
    wrong, right = (axes for axes in figures[0].findobj(matplotlib.axes.Axes) if axes.images)
    np.testing.assert_array_equal(wrong.images[0].get_array(), images[0])
    np.testing.assert_array_equal(right.images[0].get_array(), images[1])
    assert (wrong.get_title("left"), wrong.get_title("right")) == ("daisy", "75 %")
    assert [text.get_text() for text in wrong.texts] == ["✗", "label: a_$b$", "25 %"]
    assert (right.get_title("left"), right.get_title("right")) == ("a_$b$", "100 %")
    assert [text.get_text() for text in right.texts] == ["✓", "label: a_$b$", ""]
    assert figures[0].subfigs[0].get_suptitle() == "2 of 3 images correct (66.7 %), 2 shown"


def test_images_of_any_shape_are_shown_uncropped_in_equal_squares(tmp_path, figures):
    predictions = random_predictions(3, ["cat", "dog"])
    images = [random_images(1, *shape)[0] for shape in [(10, 30), (30, 10), (30, 30)]]
    plots.plot_predictions(predictions, [0, 1, 2], images, tmp_path / "p.png")
    shown = [axes for axes in figures[0].findobj(matplotlib.axes.Axes) if axes.images]
    for axes in shown:
        height, width = axes.images[0].get_array().shape[:2]
        left, right = axes.get_xlim()
        bottom, top = axes.get_ylim()
        assert (right - left, bottom - top) == (30, 30)
        assert left <= -0.5 and right >= width - 0.5 and top <= -0.5 and bottom >= height - 0.5
    sizes = np.array([axes.get_window_extent().size for axes in shown])
    np.testing.assert_allclose(sizes, sizes[0, 0], atol=1)


def test_images_beside_their_heat_maps_have_wide_frames(tmp_path, figures):
    predictions = random_predictions(5, ["cat", "dog"])
    plots.plot_predictions(predictions, range(5), random_images(5, 10, 20), tmp_path / "p.png")
    shown = [axes for axes in figures[0].findobj(matplotlib.axes.Axes) if axes.images]
    for axes in shown:
        assert (axes.get_xlim(), axes.get_ylim()) == ((-0.5, 19.5), (9.5, -0.5))
        width, height = axes.get_window_extent().size
        np.testing.assert_allclose(width, 2 * height, atol=2)
        assert width >= 3 * figures[0].dpi  # inches


def test_examples_are_spread_evenly_over_the_classes():
    labels = np.array([0] * 50 + [1] * 2 + [2] * 10 + [4] * 1)
    predictions = Predictions(
        [str(i) for i in range(63)], labels, np.full((63, 5), 0.2), list("abcde")
    )
    chosen = plots.choose_examples(predictions, 11)
    assert np.bincount(labels[chosen]).tolist() == [4, 2, 4, 0, 1]
    assert sorted(labels[chosen[:4]]) == [0, 1, 2, 4]
    assert sorted(plots.choose_examples(predictions, 100)) == list(range(63))
    np.testing.assert_array_equal(chosen, plots.choose_examples(predictions, 11))


def test_most_confident_mistakes_come_first():
    predictions = random_predictions(200, "abcde", strength=1)
    wrong = [
        i for i in range(200) if predictions.probabilities[i].argmax() != predictions.labels[i]
    ]
    by_confidence = sorted(wrong, key=lambda i: -predictions.probabilities[i].max())
    assert 20 < len(wrong) < 180
    assert plots.most_confident_mistakes(predictions, 20).tolist() == by_confidence[:20]
    assert plots.most_confident_mistakes(predictions, 999).tolist() == by_confidence


def test_mistakes_are_drawn_in_order(tmp_path, figures):
    predictions = random_predictions(60, "abcde", strength=1)
    indices = plots.most_confident_mistakes(predictions, 8)
    path = plots.plot_mistakes(predictions, indices, random_images(8), tmp_path / "mistakes.png")
    assert_is_complete(path)
    shown = [axes for axes in figures[0].findobj(matplotlib.axes.Axes) if axes.images]
    expected = [f"label: {'abcde'[predictions.labels[i]]}" for i in indices]
    assert [axes.texts[1].get_text() for axes in shown] == expected
    confidences = [int(axes.get_title("right").split()[0]) for axes in shown]
    assert confidences == sorted(confidences, reverse=True)
    assert {axes.texts[0].get_text() for axes in shown} == {"✗"}


def test_plot_without_mistakes_says_so(tmp_path, figures):
    predictions = random_predictions(9, "ab", strength=99)
    path = plots.plot_mistakes(predictions, [], random_images(0), tmp_path / "mistakes.png")
    assert_is_complete(path)
    texts = [text.get_text() for text in figures[0].findobj(matplotlib.text.Text)]
    assert {"0 mistakes on 9 images", "All images are predicted correctly."} <= set(texts)


def cells(axes):
    """The texts in a matrix: (row, column) -> text."""
    return {
        (int(text.get_position()[1]), int(text.get_position()[0])): text.get_text()
        for text in axes.texts
    }


def test_confusion_matrix_shows_counts_and_shares_of_the_row(tmp_path, figures):
    one_hot = np.eye(3)[[0, 0, 0, 1, 1, 2]]
    predictions = Predictions(list("abcdef"), np.array([0, 0, 0, 0, 1, 1]), one_hot, list("xyz"))
    plots.plot_confusion_matrix(predictions, tmp_path / "matrix.png")
    axes = figures[0].subfigs[0].axes[0]
    assert cells(axes) == {
        (0, 0): "3\n75 %",
        (0, 1): "1\n25 %",
        (1, 1): "1\n50 %",
        (1, 2): "1\n50 %",
    }
    drawn = axes.collections[0].get_array()
    np.testing.assert_allclose(drawn.filled(0), [[0.75, 0.25, 0], [0, 0.5, 0.5], [0, 0, 0]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["x (4)", "y (2)", "z (0)"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["x", "y", "z"]


@pytest.mark.parametrize(("classes", "images"), [(5, 20000), (40, 2000), (60, 75000)])
def test_numbers_fit_into_their_cells_or_are_left_out(classes, images, tmp_path, figures):
    names = [f"class {i}" for i in range(classes)]
    plots.plot_confusion_matrix(random_predictions(images, names, strength=6), tmp_path / "m.png")
    axes = figures[0].subfigs[0].axes[0]
    cell = axes.get_window_extent().width / classes
    assert bool(axes.texts) == (classes < 60)
    for box in boxes(figures[0], axes.texts):
        assert box.width < cell and box.height < cell


def test_only_every_kth_of_many_classes_is_named(tmp_path, figures):
    predictions = random_predictions(300, [f"class {i}" for i in range(150)])
    assert_is_complete(plots.plot_confusion_matrix(predictions, tmp_path / "m.png"))
    named = figures[0].subfigs[0].axes[0].get_xticklabels()
    assert [label.get_text() for label in named[:2]] == ["class 0", "class 2"]
    assert_disjoint(figures[0], named)


def test_dollars_and_underscores_in_names_are_not_math(tmp_path, figures):
    plots.plot_confusion_matrix(random_predictions(9, ["$a_b$", "c_$d"]), tmp_path / "m.png")
    labels = figures[0].subfigs[0].axes[0].get_xticklabels()
    assert [label.get_text() for label in labels] == ["$a_b$", "c_$d"]
    assert not any(label.get_parse_math() for label in labels)


def test_calibration_plot_draws_each_bin(tmp_path, figures):
    confidence = np.array([0.62, 0.64, 0.9, 0.92, 0.91])
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    predictions = Predictions(list("abcde"), np.array([0, 1, 0, 0, 1]), probabilities, ["x", "y"])
    plots.plot_calibration(predictions, tmp_path / "calibration.png")
    upper, lower = figures[0].subfigs[0].axes
    points = upper.lines[1].get_xydata()
    np.testing.assert_allclose(points, [[0.63, 1 / 2], [0.91, 2 / 3]])
    low, high = upper.collections[0].get_segments()[1][:, 1]
    assert (low, high) == pytest.approx((0.2077, 0.9385), abs=1e-4)  # Wilson's, of 2 in 3
    assert [bar.get_height() for bar in lower.patches] == [0] * 9 + [2] + [0] * 3 + [3, 0]


def test_scores_per_class_are_ranked_without_the_undefined_ones(tmp_path, figures):
    one_hot = np.eye(4)[[0, 1, 1, 1, 0, 0]]
    predictions = Predictions(list("abcdef"), np.array([0, 0, 1, 1, 0, 3]), one_hot, list("wxyz"))
    plots.plot_per_class(predictions, tmp_path / "scores.png")
    axes = figures[0].subfigs[0].axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["y", "z", "w", "x"]
    precision, recall, f1 = (line.get_xdata() for line in axes.lines)
    np.testing.assert_allclose(precision, [np.nan, np.nan, 2 / 3, 2 / 3])
    np.testing.assert_allclose(recall, [np.nan, 0, 2 / 3, 1])
    np.testing.assert_allclose(f1, [np.nan, 0, 2 / 3, 4 / 5])
    counts = axes.child_axes[0].get_yticklabels()
    assert [label.get_text() for label in counts] == ["0", "1", "3", "2"]


METRICS = """\
epoch,step,split,loss,accuracy
1,10,train,2.0,0.25
1,10,validation,1.5,0.5
1,20,train,inf,
1,30,train,9.0,0.1
1,20,validation,1.0,0.75
1,30,train,1.0,0.5
"""


def test_learning_curves_show_the_rows_of_metrics_csv(tmp_path, figures):
    rows = list(csv.DictReader(METRICS.splitlines()))
    assert_is_complete(plots.plot_learning_curves(rows, tmp_path / "curves.png"))
    accuracy, loss = figures[0].subfigs[0].axes
    for axes, training, validation in (
        (accuracy, [0.25, np.nan, 0.5], [0.5, 0.75]),
        (loss, [2.0, np.nan, 1.0], [1.5, 1.0]),
    ):
        raw, smoothed, validated = axes.lines
        np.testing.assert_array_equal(raw.get_xydata().T, [[10, 20, 30], training])
        np.testing.assert_array_equal(smoothed.get_xydata().T, [[10, 20, 30], training])
        np.testing.assert_array_equal(validated.get_xydata().T, [[10, 20], validation])
    assert figures[0].subfigs[0].get_suptitle() == "Best validation accuracy 75.0 % at step 20"


def test_long_training_curve_is_smoothed_by_a_moving_average(tmp_path, figures):
    values = np.random.default_rng(0).random(120)
    rows = [
        {"step": 10 * i, "split": "train", "loss": value, "accuracy": value}
        for i, value in enumerate(values)
    ]
    plots.plot_learning_curves(rows, tmp_path / "curves.png")
    _, smoothed = figures[0].subfigs[0].axes[1].lines
    by_hand = [values[max(0, i - 2) : i + 3].mean() for i in range(120)]
    np.testing.assert_allclose(smoothed.get_ydata(), by_hand)


@pytest.mark.parametrize("rows", [[], [{"step": 1, "split": "train", "loss": 1, "accuracy": ""}]])
def test_learning_curves_without_validation_say_so(rows, tmp_path, figures):
    assert_is_complete(plots.plot_learning_curves(rows, tmp_path / "curves.png"))
    assert figures[0].subfigs[0].get_suptitle() == "No validation yet"


@pytest.mark.parametrize(
    "change", [{"step": ""}, {"split": "test"}, {"loss": "low"}, {"accuracy": None}]
)
def test_invalid_row_of_metrics_csv_is_refused(change, tmp_path):
    rows = list(csv.DictReader(METRICS.splitlines()))
    rows[1] |= change
    with pytest.raises(BadInput, match="metrics.csv: row 2: expected") as caught:
        plots.plot_learning_curves(rows, tmp_path / "curves.png")
    assert "\n" not in str(caught.value)


def test_path_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match=r"plot.png: cannot be written"):
        plots.plot_calibration(random_predictions(3, "ab"), tmp_path / "file" / "plot.png")


def test_matplotlib_settings_of_the_user_neither_change_nor_matter(tmp_path):
    predictions = random_predictions(20, "ab")
    expected = plots.plot_calibration(predictions, tmp_path / "expected.png").read_bytes()
    with matplotlib.rc_context({"font.size": 30, "text.usetex": True, "axes.facecolor": "red"}):
        before = dict(matplotlib.rcParams)
        assert plots.plot_calibration(predictions, tmp_path / "p.png").read_bytes() == expected
        assert dict(matplotlib.rcParams) == before


def test_evaluation_of_arrays_imports_neither_pyplot_nor_tensorflow():
    code = (
        "import sys; from evaluation import comparison, heat_maps, image_grid, report;"
        "print([m for m in ('matplotlib.pyplot', 'tkinter', 'tensorflow') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
