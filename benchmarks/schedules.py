"""Draws the learning-rate schedules for docs/recipes.md.

python -m benchmarks.schedules docs/schedules.png
"""

import sys

import matplotlib.pyplot as plt

from train_flags import flags_parser
from training.learning_rates import learning_rates
from training.schedule import Schedule

EPOCHS, STEPS_PER_EPOCH = 70, 100
SCHEDULES = {
    "exponential, the tutorial's: 0.7 every 2 epochs": {},
    "cosine, warmup of 2 epochs": {"learning_rate_decay_type": "cosine", "warmup_epochs": 2},
    "polynomial, warmup of 2 epochs": {
        "learning_rate_decay_type": "polynomial",
        "warmup_epochs": 2,
    },
    "fixed": {"learning_rate_decay_type": "fixed"},
}


def draw(path):
    """Draws every schedule over a run of `EPOCHS` epochs to the PNG `path`."""
    schedule = Schedule(STEPS_PER_EPOCH, 1, EPOCHS * STEPS_PER_EPOCH)
    steps = range(0, schedule.last_step, STEPS_PER_EPOCH // 4)
    figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
    for name, changes in SCHEDULES.items():
        flags = flags_parser().checked(learning_rate=1.0, **changes)
        axes.plot(
            [schedule.epoch(step) for step in steps],
            learning_rates(steps, flags, schedule),
            label=name,
        )
    axes.set(xlabel="epoch", ylabel="learning rate / first rate", xlim=(0, EPOCHS), ylim=(0, 1.05))
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    draw(sys.argv[1])
