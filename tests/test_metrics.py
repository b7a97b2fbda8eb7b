"""Metrics against counts by hand, formulas, scikit-learn, and plain loops."""

import json
import math
import warnings

import numpy as np
import pytest
import sklearn.metrics

from evaluation import metrics
from evaluation.predictions import Predictions

# Seven images: none of class c; class d is never predicted.
LABELS = [0, 0, 0, 1, 1, 3, 0]
PREDICTED = [0, 0, 1, 1, 1, 2, 0]


def predict(labels, predicted, names, confidence=0.7):
    """Gives the predicted class `confidence`, and the others equal parts of the rest."""
    probabilities = np.full((len(labels), len(names)), (1 - confidence) / (len(names) - 1))
    probabilities[np.arange(len(labels)), predicted] = confidence
    files = [f"{i}.jpg" for i in range(len(labels))]
    return Predictions(files, np.array(labels), probabilities, list(names))


def random_predictions(images=500, classes=7, seed=0):
    rng = np.random.default_rng(seed)
    scores = np.exp(2 * rng.normal(size=(images, classes)))
    probabilities = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    names = [f"class {i}" for i in range(classes)]
    return Predictions(
        [str(i) for i in range(images)], rng.integers(classes, size=images), probabilities, names
    )


def test_metrics_of_seven_images_counted_by_hand():
    found = metrics.compute_metrics(predict(LABELS, PREDICTED, "abcd"), np.arange(7.0))
    assert found["num_examples"] == 7
    assert found["accuracy"] == 5 / 7
    assert found["loss"] == 3.0
    assert found["confusion_matrix"] == [[3, 1, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]]
    assert found["per_class"] == {
        "a": {"precision": 1.0, "recall": 3 / 4, "f1": 6 / 7, "count": 4},
        "b": {"precision": 2 / 3, "recall": 1.0, "f1": 4 / 5, "count": 2},
        "c": {"precision": 0.0, "recall": None, "f1": 0.0, "count": 0},
        "d": {"precision": None, "recall": 0.0, "f1": 0.0, "count": 1},
    }
    assert found["expected_calibration_error"] == pytest.approx(5 / 7 - 0.7)


def test_class_without_images_and_predictions_has_no_scores():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = metrics.compute_metrics(predict([0, 1], [0, 1], "abc"), np.zeros(2))
    assert found["per_class"]["c"] == {"precision": None, "recall": None, "f1": None, "count": 0}


def test_loss_that_is_not_finite_is_none():
    found = metrics.compute_metrics(random_predictions(2), np.array([1.0, np.inf]))
    assert found["loss"] is None


def test_number_of_losses_has_to_be_the_number_of_images():
    with pytest.raises(ValueError, match=r"expected 7 losses, got .*\(6,\)"):
        metrics.compute_metrics(predict(LABELS, PREDICTED, "abcd"), np.zeros(6))


def test_wilson_interval_of_published_examples():
    # The first four: Newcombe, "Two-sided confidence intervals for the single proportion",
    # Statistics in Medicine 17 (1998), table I, method 3.
    published = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
        (8, 10): (0.4902, 0.9433),
    }
    for (successes, trials), interval in published.items():
        assert metrics.wilson_interval(successes, trials) == pytest.approx(interval, abs=6e-5)


@pytest.mark.parametrize(
    ("successes", "trials"), [(0, 1), (1, 1), (3, 7), (3670, 3670), (287, 348)]
)
def test_wilson_interval_solves_its_quadratic(successes, trials):
    z, share = 1.959963984540054, successes / trials
    for bound in metrics.wilson_interval(successes, trials):
        distance = (share - bound) ** 2 - z**2 * bound * (1 - bound) / trials
        assert distance == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("classes", "keys"),
    [(2, "1"), (3, "12"), (4, "123"), (5, "123"), (6, "1235"), (102, "1235")],
)
def test_top_k_accuracy_equals_a_count_of_more_probable_classes(classes, keys):
    predictions = random_predictions(200, classes)
    found = metrics.top_k_accuracy(predictions)
    assert "".join(found) == keys
    for k, accuracy in found.items():
        hits = 0
        for label, probabilities in zip(predictions.labels, predictions.probabilities):
            hits += sum(p > probabilities[label] for p in probabilities) < int(k)
        assert accuracy == hits / 200


def test_top_1_equals_the_accuracy_for_equal_probabilities():
    tied = Predictions(list("abc"), np.array([0, 1, 2]), np.full((3, 4), 0.25), list("wxyz"))
    assert metrics.top_k_accuracy(tied) == {"1": 1 / 3, "2": 2 / 3, "3": 1.0}


@pytest.mark.filterwarnings("ignore:The number of unique classes")
@pytest.mark.parametrize(("images", "classes"), [(500, 7), (30, 40)])
def test_scores_and_confusion_matrix_equal_those_of_scikit_learn(images, classes):
    predictions = random_predictions(images, classes)
    labels, predicted = predictions.labels, predictions.predicted
    options = {"labels": range(classes)}
    expected = sklearn.metrics.confusion_matrix(labels, predicted, **options)
    np.testing.assert_array_equal(metrics.confusion_matrix(predictions), expected)
    expected = sklearn.metrics.precision_recall_fscore_support(
        labels, predicted, zero_division=np.nan, **options
    )
    scores = [list(score.values()) for score in metrics.class_scores(predictions).values()]
    np.testing.assert_allclose(np.array(scores, float), np.transpose(expected), rtol=1e-15)


def two_classes(confidences, correct):
    confidences = np.array(confidences)
    probabilities = np.stack([confidences, 1 - confidences], axis=1)
    return Predictions(
        [str(i) for i in range(len(confidences))],
        1 - np.array(correct, int),
        probabilities,
        ["x", "y"],
    )


def test_calibration_error_of_five_images_by_hand():
    # Bins of a fifth: (0.4, 0.6] holds 0.6 (wrong); (0.6, 0.8] holds 0.7 and 0.8 (one correct);
    # (0.8, 1] holds 0.9 and 1.0 (both correct).
    predictions = two_classes([0.6, 0.7, 0.8, 0.9, 1.0], [0, 1, 0, 1, 1])
    bins = metrics.calibration_bins(predictions, bins=5)
    assert bins.edges == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert bins.counts.tolist() == [0, 0, 1, 2, 2]
    assert bins.correct.tolist() == [0, 0, 0, 1, 2]
    assert bins.confidence == pytest.approx([math.nan, math.nan, 0.6, 0.75, 0.95], nan_ok=True)
    assert bins.accuracy == pytest.approx([math.nan, math.nan, 0, 0.5, 1], nan_ok=True)
    by_hand = 1 / 5 * 0.6 + 2 / 5 * 0.25 + 2 / 5 * 0.05
    assert metrics.expected_calibration_error(predictions, bins=5) == pytest.approx(by_hand)


def test_calibration_error_of_random_predictions_equals_a_plain_loop():
    predictions = random_predictions()
    gaps = {}
    for confidence, correct in zip(predictions.confidence, predictions.correct):
        group = math.ceil(confidence * 15)
        gaps[group] = gaps.get(group, 0) + (correct - float(confidence))
    by_hand = sum(abs(gap) for gap in gaps.values()) / 500
    assert metrics.expected_calibration_error(predictions) == pytest.approx(by_hand)
    assert metrics.calibration_bins(predictions).counts.sum() == 500


def test_certain_and_correct_predictions_have_no_calibration_error():
    assert metrics.expected_calibration_error(two_classes([1.0, 1.0], [1, 1])) == 0


def test_json_is_read_back_equal_and_has_lists_on_one_line(tmp_path):
    names = ["[\n 1, 2]", '{"a"}', "päonie", "[ 3 ]"]
    found = metrics.compute_metrics(predict(LABELS, PREDICTED, names), np.ones(7))
    found = {"checkpoint": "run/model.ckpt-7", "global_step": 7, **found}
    metrics.write_json(tmp_path / "eval" / "metrics.json", found)
    text = (tmp_path / "eval" / "metrics.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=pytest.fail) == found
    assert "\n    [3, 1, 0, 0],\n" in text
    assert '"päonie"' in text


def test_failed_write_keeps_the_older_json(tmp_path):
    path = tmp_path / "metrics.json"
    metrics.write_json(path, {"accuracy": 1})
    with pytest.raises(ValueError, match="JSON"):
        metrics.write_json(path, {"accuracy": math.nan})
    assert json.loads(path.read_text()) == {"accuracy": 1}
    assert list(tmp_path.iterdir()) == [path]
