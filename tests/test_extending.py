"""What docs/extending.md promises, done on a copy of the project."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slim_on_tf2 import tf

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    *("checkpointing", "datasets", "evaluation", "keras_conversion", "model_stats", "nets"),
    *("preprocessing", "serving", "system", "training"),
)
TRAINING = """
import json
from pathlib import Path

from eval_flowers import evaluate
from preprocessing.preprocessing_factory import get_preprocessing
from slim_on_tf2 import tf
from train_flowers import fine_tune


class CountSteps(tf.train.SessionRunHook):
    steps = 0

    def after_run(self, run_context, run_values):
        self.steps += 1


hook = CountSteps()
fine_tune(
    "stripes", "tiny", "runs/stripes", hooks=[hook],
    scaffold_fn=lambda: {"local_init_op": tf.group(
        tf.local_variables_initializer(), tf.tables_initializer(), tf.print("own scaffold"))},
    preprocessing_name="centered", optimizer="proximal_sgd", learning_rate=0.1,
    learning_rate_decay_type="inverse_sqrt",
    temperature=2, batch_size=6, num_epochs=2, summary_steps=2, checkpoint_path="none",
)
metrics = evaluate("runs/stripes")
with tf.Graph().as_default(), tf.Session() as session:
    white_above = tf.concat([tf.fill([32, 64, 3], 255), tf.fill([32, 64, 3], 0)], 0)
    encoded = tf.image.encode_png(tf.cast(white_above, tf.uint8))
    augment = get_preprocessing("inception", is_training=True)
    images = session.run([augment(encoded, 16, 16, [0, number]) for number in range(16)])
    flipped = sum(bool(image[0].mean() < image[-1].mean()) for image in images)
Path("result.json").write_text(json.dumps(
    {"hook_steps": hook.steps, "mean_confidence": metrics["mean_confidence"], "flipped": flipped}))
"""


def apply_diff(folder, diff):
    """Applies a diff without line numbers: its context and removed lines occur once."""
    name, *lines = diff.splitlines()
    path = folder / name.removeprefix("--- ")
    old = "\n".join(line[1:] for line in lines if line[:1] in (" ", "-"))
    new = "\n".join(line[1:] for line in lines if line[:1] in (" ", "+"))
    if not old:
        assert not path.exists()
        path.write_text(new + "\n")
        return
    text = path.read_text()
    assert text.count(old) == 1, f"{name}: {old}"
    path.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A copy of the project with all changes, after a training and an evaluation."""
    folder = tmp_path_factory.mktemp("project")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package)
    for script in ROOT.glob("*.py"):
        shutil.copy(script, folder)
    diffs = re.findall(r"```diff\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(), re.S)
    for diff in diffs:
        apply_diff(folder, diff)
    done = subprocess.run(
        [sys.executable, "-c", TRAINING], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder, done


def scalars(folder):
    """Tag -> {step: value} of the event files in a folder; other summaries have the value None."""
    found = {}
    for path in Path(folder).glob("events*"):
        for event in tf.train.summary_iterator(str(path)):
            for value in event.summary.value:
                number = value.simple_value if value.HasField("simple_value") else None
                found.setdefault(value.tag, {})[event.step] = number
    return found


def test_summaries_of_script_and_network_reach_tensorboard(extended):
    tags = scalars(extended[0] / "runs" / "stripes")
    # 36 training images in batches of 6, twice: 12 steps, a summary every 2.
    for tag in ("logits/largest", "logits", "Tiny/activity", "accuracy"):
        assert sorted(tags[tag]) == [2, 4, 6, 8, 10, 12], tag


def test_learning_rate_follows_the_new_schedule(extended):
    with (extended[0] / "runs" / "stripes" / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    rates = [float(row["learning_rate"]) for row in rows]
    # Step n is computed at the global step n - 1.
    assert rates == pytest.approx([0.1 / n**0.5 for n in (2, 4, 6, 8, 10, 12)], rel=1e-5)
    assert all(float(row["largest_logit"]) > -100 for row in rows)


def test_flags_are_recorded(extended):
    run = json.loads((extended[0] / "runs" / "stripes" / "run.json").read_text())
    assert run["flags"]["temperature"] == 2.0
    assert (run["flags"]["optimizer"], run["preprocessing_name"]) == ("proximal_sgd", "centered")


def test_hook_and_scaffold_are_called(extended):
    folder, done = extended
    assert json.loads((folder / "result.json").read_text())["hook_steps"] == 12
    assert "own scaffold" in done.stderr


def test_new_metric_is_written(extended):
    folder, _ = extended
    metrics = json.loads((folder / "runs" / "stripes" / "eval" / "metrics.json").read_text())
    result = json.loads((folder / "result.json").read_text())
    assert 0.5 <= metrics["mean_confidence"] == result["mean_confidence"] <= 1


def test_new_augmentation_flips_some_images(extended):
    flipped = json.loads((extended[0] / "result.json").read_text())["flipped"]
    assert 0 < flipped < 16  # without it, the white half of a crop stays above
