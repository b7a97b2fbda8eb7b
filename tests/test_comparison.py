"""The comparison of runs, against counts and binomial sums by hand."""

import json
import math

import numpy as np
import pytest

from evaluation import metrics
from evaluation.comparison import compare_runs, comparison_lines, mcnemar
from evaluation.predictions import Predictions, write_csv
from system.errors import BadInput

NAMES = ["daisy", "roses"]
LABELS = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
OPTIONAL = {
    "network": "lenet",
    "image_size": 28,
    "parameters": 1_234_567,
    "checkpoint_bytes": 5_250_000,
    "images_per_second": 250.0,
}


def evaluate(log_dir, wrong, order=range(10), labels=LABELS, names=NAMES, **optional):
    """Writes an evaluation of ten images, 0.jpg to 9.jpg; those in `wrong` are mistakes."""
    predicted = np.array([1 - label if i in wrong else label for i, label in enumerate(labels)])
    order = list(order)
    predictions = Predictions(
        [f"{i}.jpg" for i in order], np.array(labels)[order], np.eye(2)[predicted[order]], names
    )
    values = {"checkpoint": f"{log_dir}/best/model.ckpt-5", "global_step": 5, "split": "test"}
    values |= metrics.compute_metrics(predictions, np.zeros(len(order))) | optional
    metrics.write_json(log_dir / "eval" / "metrics.json", values)
    write_csv(log_dir / "eval" / "predictions.csv", predictions)
    return str(log_dir)


def test_comparison_counts_what_only_one_run_predicts_correctly(tmp_path):
    first = evaluate(tmp_path / "a", wrong={0, 1, 2, 3, 4, 5})
    second = evaluate(tmp_path / "b", wrong={5, 6}, **OPTIONAL)
    one, two = compare_runs([first, second])
    assert one["run"] == first and one["mcnemar"] is None
    assert one["accuracy"] == 0.4 and two["accuracy"] == 0.8
    assert one["parameters"] is None and two["parameters"] == 1_234_567
    # Images 0 to 4 are gained, 6 is lost: at most 1 of 6 fair coin flips on one side.
    assert two["mcnemar"] == {
        "gained": 5,
        "lost": 1,
        "p_value": pytest.approx(2 * (math.comb(6, 0) + math.comb(6, 1)) / 2**6),
    }
    json.dumps([one, two], allow_nan=False)


@pytest.mark.parametrize(
    ("gained", "lost", "p_value"), [(0, 0, 1), (3, 3, 1), (0, 5, 2 / 32), (10, 2, 158 / 4096)]
)
def test_p_value_is_that_of_a_fair_coin(gained, lost, p_value):
    first = np.array([False] * gained + [True] * (lost + 7) + [False] * 4)
    second = np.array([True] * gained + [False] * lost + [True] * 7 + [False] * 4)
    found = mcnemar(first, second)
    assert (found["gained"], found["lost"]) == (gained, lost)
    assert found["p_value"] == pytest.approx(p_value)


def test_images_and_classes_are_matched_by_name(tmp_path):
    first = evaluate(tmp_path / "a", wrong={0, 9})
    second = evaluate(
        tmp_path / "b",
        wrong={0, 9},
        order=[7, 3, 9, 0, 1, 8, 2, 4, 6, 5],
        labels=[1 - label for label in LABELS],
        names=NAMES[::-1],
    )
    assert compare_runs([first, second])[1]["mcnemar"] == {"gained": 0, "lost": 0, "p_value": 1}


@pytest.mark.parametrize("speed_key", ["images_per_second", "photos_per_second"])
def test_table_has_one_line_per_run(speed_key, tmp_path, monkeypatch):
    """Earlier versions wrote the speed as photos_per_second."""
    optional = dict(OPTIONAL)
    optional[speed_key] = optional.pop("images_per_second")
    evaluate(tmp_path / "a", wrong={0, 1, 2, 3, 4, 5})
    evaluate(tmp_path / "longer", wrong={5, 6}, **optional)
    monkeypatch.chdir(tmp_path)
    sentence, heading, one, two = comparison_lines(compare_runs(["a", "longer"]))
    assert sentence.startswith("10 images of test; ") and "only this run or only a" in sentence
    assert heading.split("  ")[0] == "run"
    assert " ".join(one.split()) == "a - 5 40.0 % 16.8 % to 68.7 % - - - - - -"
    assert " ".join(two.split()) == (
        "longer lenet 5 80.0 % 49.0 % to 94.3 % 5 1 0.219 1,234,567 5.2 0.0040"
    )
    assert len(heading) == len(one) == len(two)


def test_tiny_p_value_is_shown_as_a_bound(tmp_path):
    runs = [evaluate(tmp_path / "a", wrong={0}), evaluate(tmp_path / "b", wrong={1})]
    compared = compare_runs(runs)
    compared[1]["mcnemar"]["p_value"] = 0.00099
    assert "<0.001" in comparison_lines(compared)[-1]


def refused(*runs):
    with pytest.raises(BadInput) as caught:
        compare_runs(runs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_single_run_is_refused(tmp_path):
    assert "--compare: expected two or more runs, got 1" in refused(evaluate(tmp_path, wrong=()))


@pytest.mark.parametrize("missing", ["metrics.json", "predictions.csv"])
def test_missing_evaluation_is_refused_with_the_command_that_makes_it(missing, tmp_path):
    first = evaluate(tmp_path / "a", wrong=())
    second = evaluate(tmp_path / "my run", wrong=())
    (tmp_path / "my run" / "eval" / missing).unlink()
    message = refused(first, second)
    assert f"{second} is not evaluated" in message and missing in message
    assert message.endswith(f"give: python eval_flowers.py --log_dir '{second}'")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", ": expected a JSON object"),
        ("[]", ": expected a JSON object"),
        ("{}", " lacks 'checkpoint'"),
    ],
)
def test_broken_metrics_are_refused(text, complaint, tmp_path):
    first = evaluate(tmp_path / "a", wrong=())
    (tmp_path / "a" / "eval" / "metrics.json").write_text(text)
    message = refused(first, first)
    assert f"metrics.json{complaint}" in message and "eval_flowers.py --log_dir" in message


def test_metrics_and_predictions_of_different_evaluations_are_refused(tmp_path):
    first, second = evaluate(tmp_path / "a", wrong=()), evaluate(tmp_path / "b", wrong={1})
    (tmp_path / "a/eval/metrics.json").replace(tmp_path / "b/eval/metrics.json")
    evaluate(tmp_path / "a", wrong=())
    message = refused(first, second)
    assert "1.0000 in metrics.json, but 0.9000 in predictions.csv" in message


def test_different_images_are_refused(tmp_path):
    first = evaluate(tmp_path / "a", wrong=())
    second = evaluate(tmp_path / "b", wrong=(), order=range(8))
    message = refused(first, second)
    assert f"2 images only in {first}, such as 8.jpg" in message
    assert "the same --split and --dataset_dir" in message


def test_duplicate_image_is_refused(tmp_path):
    first = evaluate(tmp_path / "a", wrong=())
    second = evaluate(tmp_path / "b", wrong=(), order=[*range(10), 3])
    assert "some occur twice" in refused(first, second)


def test_different_labels_are_refused(tmp_path):
    first = evaluate(tmp_path / "a", wrong=())
    second = evaluate(tmp_path / "b", wrong=(), labels=[0, 0, 1, *LABELS[3:]])
    assert f"2.jpg is 'daisy' in {first}, but 'roses' in {second}" in refused(first, second)
