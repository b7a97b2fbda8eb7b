"""Runs side by side, against tables counted by hand and a test summed up by hand."""

import json
import math

import numpy as np
import pytest

from bad_input import BadInput
from reporting import metrics
from reporting.comparison import compare, comparison_lines, mcnemar
from reporting.predictions import Predictions, write_csv

NAMES = ["daisy", "roses"]
TRUTH = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
KNOWN = {
    "network": "lenet",
    "image_size": 28,
    "parameters": 1_234_567,
    "checkpoint_bytes": 5_250_000,
    "photos_per_second": 250.0,
}


def evaluate(log_dir, wrong, order=range(10), truth=TRUTH, names=NAMES, split="test", **known):
    """Writes the evaluation of ten photos, 0.jpg to 9.jpg, of which those in `wrong` are wrong."""
    labels = np.array(truth)
    said = np.array([1 - label if i in wrong else label for i, label in enumerate(truth)])
    order = list(order)
    predictions = Predictions(
        [f"{i}.jpg" for i in order], labels[order], np.eye(2)[said[order]], list(names)
    )
    figures = {"checkpoint": f"{log_dir}/best/model.ckpt-5", "global_step": 5, "split": split}
    figures |= metrics.measure(predictions, np.zeros(len(order))) | known
    metrics.write_json(log_dir / "eval" / "metrics.json", figures)
    write_csv(log_dir / "eval" / "predictions.csv", predictions)
    return str(log_dir)


def test_counts_what_each_run_alone_got_right(tmp_path):
    first = evaluate(tmp_path / "a", wrong={0, 1, 2, 3, 4, 5})
    second = evaluate(tmp_path / "b", wrong={5, 6}, **KNOWN)
    one, two = compare([first, second])
    assert one["run"] == first and one["mcnemar"] is None
    assert one["accuracy"] == 0.4 and two["accuracy"] == 0.8
    assert one["parameters"] is None and two["parameters"] == 1_234_567
    # Photos 0 to 4 are gained, 6 is lost: 6 flips of a coin, 1 or fewer of one side.
    assert two["mcnemar"] == {
        "gained": 5,
        "lost": 1,
        "p_value": pytest.approx(2 * (math.comb(6, 0) + math.comb(6, 1)) / 2**6),
    }
    json.dumps([one, two], allow_nan=False)


@pytest.mark.parametrize(
    ("gained", "lost", "p_value"), [(0, 0, 1), (3, 3, 1), (0, 5, 2 / 32), (10, 2, 158 / 4096)]
)
def test_p_values_are_those_of_a_fair_coin(gained, lost, p_value):
    first = np.array([False] * gained + [True] * (lost + 7) + [False] * 4)
    second = np.array([True] * gained + [False] * lost + [True] * 7 + [False] * 4)
    found = mcnemar(first, second)
    assert (found["gained"], found["lost"]) == (gained, lost)
    assert found["p_value"] == pytest.approx(p_value)


def test_photos_are_matched_by_name_and_classes_too(tmp_path):
    first = evaluate(tmp_path / "a", wrong={0, 9})
    flipped = [1 - label for label in TRUTH]
    second = evaluate(
        tmp_path / "b", wrong={0, 9}, order=[7, 3, 9, 0, 1, 8, 2, 4, 6, 5], truth=flipped,
        names=NAMES[::-1],
    )  # fmt: skip
    assert compare([first, second])[1]["mcnemar"] == {"gained": 0, "lost": 0, "p_value": 1}


def test_the_table_holds_a_line_a_run(tmp_path, monkeypatch):
    evaluate(tmp_path / "a", wrong={0, 1, 2, 3, 4, 5})
    evaluate(tmp_path / "longer", wrong={5, 6}, **KNOWN)
    monkeypatch.chdir(tmp_path)
    sentence, heading, one, two = comparison_lines(compare(["a", "longer"]))
    assert sentence.startswith("10 photos of test; ") and sentence.endswith("against a")
    assert heading.split("  ")[0] == "run"
    assert " ".join(one.split()) == "a - 5 40.0 % 16.8 % to 68.7 % - - - - - -"
    assert " ".join(two.split()) == (
        "longer lenet 5 80.0 % 49.0 % to 94.3 % 5 1 0.219 1,234,567 5.2 0.0040"
    )
    assert len(heading) == len(one) == len(two)


def test_a_small_p_value_is_bounded(tmp_path):
    compared = compare([evaluate(tmp_path / "a", wrong={0}), evaluate(tmp_path / "b", wrong={1})])
    compared[1]["mcnemar"]["p_value"] = 0.00099
    assert "<0.001" in comparison_lines(compared)[-1]


def refused(*runs):
    with pytest.raises(BadInput) as caught:
        compare(runs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_one_run_is_nothing_to_compare(tmp_path):
    assert "--compare: expected two runs or more, got 1" in refused(evaluate(tmp_path, wrong=()))


@pytest.mark.parametrize("missing", ["metrics.json", "predictions.csv"])
def test_a_run_that_is_not_evaluated_is_told_how(missing, tmp_path):
    first = evaluate(tmp_path / "a", wrong=())
    second = evaluate(tmp_path / "my run", wrong=())
    (tmp_path / "my run" / "eval" / missing).unlink()
    message = refused(first, second)
    assert f"{second} is not evaluated" in message and missing in message
    assert message.endswith(f"give: python eval_flowers.py --log_dir '{second}'")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("{", "is not the JSON of figures"), ("[]", "is not the JSON"), ("{}", "lacks 'checkpoint'")],
)
def test_broken_figures_are_one_line(text, complaint, tmp_path):
    first = evaluate(tmp_path / "a", wrong=())
    (tmp_path / "a" / "eval" / "metrics.json").write_text(text)
    message = refused(first, first)
    assert f"metrics.json {complaint}" in message and "eval_flowers.py --log_dir" in message


def test_figures_and_predictions_have_to_be_of_one_evaluation(tmp_path):
    first, second = evaluate(tmp_path / "a", wrong=()), evaluate(tmp_path / "b", wrong={1})
    (tmp_path / "a/eval/metrics.json").replace(tmp_path / "b/eval/metrics.json")
    evaluate(tmp_path / "a", wrong=())
    assert "metrics.json is 1.0000, that of predictions.csv 0.9000" in refused(first, second)


def test_other_photos_are_named(tmp_path):
    first = evaluate(tmp_path / "a", wrong=())
    second = evaluate(tmp_path / "b", wrong=(), order=range(8))
    message = refused(first, second)
    assert f"2 photos only in {first}, as 8.jpg" in message
    assert "the same --split and --dataset_dir" in message


def test_photos_that_are_there_twice_are_not_the_same(tmp_path):
    first = evaluate(tmp_path / "a", wrong=())
    second = evaluate(tmp_path / "b", wrong=(), order=[*range(10), 3])
    assert "some are there twice" in refused(first, second)


def test_a_photo_under_another_label_is_named(tmp_path):
    first = evaluate(tmp_path / "a", wrong=())
    second = evaluate(tmp_path / "b", wrong=(), truth=[0, 0, 1, *TRUTH[3:]])
    assert f"2.jpg is 'daisy' in {first} and 'roses' in {second}" in refused(first, second)
