"""--find_learning_rate: a range test, which trains for two minutes in a folder that is deleted.

Smith 2015, "Cyclical Learning Rates for Training Neural Networks", section 3.3: the rate grows
exponentially from step to step. Below some rate the loss hardly falls, above another it rises.
"""

import contextlib
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from system.errors import BadInput
from system.files import atomic_write
from training.failures import DivergedRun
from training.flag_rules import RANGE_TEST
from training.metrics_log import read_rows

STEPS = 100
MINUTES = 2.0
FEWEST_STEPS = 10
RATES = (1e-6, 1.0)  # of the first and the last step
SMOOTHING = 0.9  # decay of the loss's moving average
EXPLODED = 2.0  # times the lowest loss
SHARE = 0.1  # of the rate with the lowest loss, which is about to be too high


def find_learning_rate(flags, train):
    """Runs the test, draws the losses to log_dir/learning_rate.png, and prints a rate.

    Args:
      flags: the flags of train_flowers.py.
      train: `train_flowers.train`.

    Returns:
      0, the exit status.

    Raises:
      BadInput: the loss was infinite from the start.
    """
    picture = Path(flags.log_dir, "learning_rate.png")
    with tempfile.TemporaryDirectory(prefix="find_learning_rate") as folder:
        test = type(flags)(**vars(flags))
        test.log_dir = str(Path(folder, "run"))
        test.learning_rate_decay_type, test.warmup_epochs = RANGE_TEST, 0.0
        test.learning_rate, test.end_learning_rate = RATES
        test.max_number_of_steps, test.num_epochs, test.summary_steps = STEPS, None, 1
        test.eval_steps, test.max_minutes = STEPS + 1, MINUTES
        with contextlib.suppress(DivergedRun):  # the end of the test
            train(test)
        rows = read_rows(Path(test.log_dir, "metrics.csv"))
    rows = [row for row in rows if row["split"] == "train"]
    rates = np.array([float(row["learning_rate"]) for row in rows])
    losses = np.array([float(row["total_loss"]) for row in rows])
    if len(rates) < FEWEST_STEPS:
        raise BadInput(
            f"--find_learning_rate: only {len(rates)} steps fit into {MINUTES:g} minutes, or had a "
            f"finite loss; expected {FEWEST_STEPS}. Give a smaller --batch_size or --image_size"
        )
    smooth = smooth_losses(losses)
    found = suggest_rate(rates, smooth)
    draw(picture, rates, losses, smooth, found)
    print(f"Learning rate: {found:.1g} (the loss over the rate: {picture})", flush=True)
    return 0


def smooth_losses(losses):
    """Returns the exponential moving average of losses, float [n], corrected for its start."""
    average, smooth = 0.0, []
    for number, loss in enumerate(losses, start=1):
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        smooth.append(average / (1 - SMOOTHING**number))
    return np.array(smooth)


def suggest_rate(rates, smooth):
    """Returns a tenth of the rate at which the smoothed loss is lowest before it explodes."""
    exploded = np.flatnonzero(smooth > EXPLODED * np.minimum.accumulate(smooth))
    end = exploded[0] if exploded.size else len(smooth)
    return float(SHARE * rates[np.argmin(smooth[:end])])


def draw(path, rates, losses, smooth, found):
    """Draws losses over rates to a PNG."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.semilogx(rates, losses, ".", color="0.75", label="loss of a step")
    axes.semilogx(rates, smooth, label="smoothed")
    axes.axvline(found, color="tab:red", linestyle="--", label=f"suggested: {found:.1g}")
    axes.set(xlabel="learning rate", ylabel="total loss", title="Learning-rate range test")
    axes.set_ylim(0, 3 * np.min(smooth) if np.min(smooth) > 0 else None)
    axes.legend()
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    plt.close(figure)
