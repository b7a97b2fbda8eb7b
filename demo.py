"""All scripts in a few minutes, without a download: `make demo`.

Draws two tasks, pretrains a small network on one of them, fine-tunes it on the other, flowers, then
evaluates and plots. It ends with the comparison that transfer learning is about. Every number is
measured in this run, and every command is printed as you could type it.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from evaluation.metrics import wilson_interval
from system.flags import Parser, run_main, seed_number

DEMO = Path("demo")  # everything that the demo writes
# A quarter of the images are held out: 250 flowers measure 70 % to within six points.
IMAGES_PER_CLASS = {"garden": 360, "flowers": 200}
# In each training the learning rate falls to an eighth, 0.7 ** 6, in six decays.
PRETRAINING = "--max_number_of_steps 800 --learning_rate 0.008 --num_epochs_per_decay 1.6"
STEPS = 40  # few: a warm start shows most when training is short
FINE_TUNING = f"--max_number_of_steps {STEPS} --learning_rate 0.002 --num_epochs_per_decay 0.28"
TRAINING = (
    "train_flowers.py --model_name mobilenet_v1_025 --image_size 96 --batch_size 32 "
    "--summary_steps 20"
)
# Of fine-tuning over training from scratch; measured: 0.24 to 0.37, by processor and seed. It is
# more than three standard errors of the difference of two accuracies of 250 images.
LEAD = 0.15


def python(command):
    """Prints and runs a command of this project; returns the last line of its output.

    Raises:
      SystemExit: the command failed, with its exit status.
    """
    print(f"\n$ python {command}", flush=True)
    last = ""
    with subprocess.Popen(
        [sys.executable, *command.split()], stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line
    if process.returncode:
        sys.exit(process.returncode)
    return last


def make_dataset(task, seed):
    """Draws a task's images and converts them; returns the folder of their TFRecords."""
    photos, dataset = DEMO / "photos" / task, DEMO / "data" / task
    python(
        f"-m datasets.drawn --task {task} --photos_dir {photos} "
        f"--images_per_class {IMAGES_PER_CLASS[task]} --seed {seed}"
    )
    python(
        f"convert_flowers.py --photos_dir {photos} --dataset_dir {dataset} --dataset_name {task} "
        "--validation_fraction 0.25"
    )
    return dataset


def train(name, dataset, seed, checkpoint_path, flags):
    """Trains into demo/runs/`name`; returns the JSON of the last line."""
    return json.loads(
        python(
            f"{TRAINING} --dataset_dir {dataset} --log_dir {DEMO / 'runs' / name} --seed {seed} "
            f"--checkpoint_path {checkpoint_path} {flags}"
        )
    )


def compare(seed):
    """Trains the networks of the table; returns name -> result of the training."""
    pretrained = train(
        "pretrained", make_dataset("garden", seed), seed, "none", f"{PRETRAINING} --eval_steps 400"
    )["checkpoint"]
    flowers = make_dataset("flowers", seed)
    untrained = "--max_number_of_steps 0"
    trained = f"{FINE_TUNING} --eval_steps {STEPS // 2}"
    return {
        "not trained": train("untrained", flowers, seed, "none", untrained),
        "warm-started, not trained": train("warm_started", flowers, seed, pretrained, untrained),
        "trained from scratch": train("scratch", flowers, seed, "none", trained),
        "fine-tuned": train("fine_tuned", flowers, seed, pretrained, trained),
    }


def print_table(results, num_images):
    """Prints for each network its steps and its accuracy on `num_images` validation images."""
    print(f"\nmobilenet_v1_025, {num_images} drawn flowers   steps   accuracy   95 % interval")
    for name, result in results.items():
        low, high = wilson_interval(round(result["accuracy"] * num_images), num_images)
        print(
            f"{name:39} {result['steps']:5}   {100 * result['accuracy']:6.1f} %   "
            f"{100 * low:.1f} to {100 * high:.1f} %"
        )
    print()


def main():
    """Runs the demo; returns 1 if fine-tuning does not lead by `LEAD`."""
    parser = Parser(__doc__)
    parser.flag("seed", "N", seed_number, 0, "seed of the images and of the trainings")
    flags = parser.parse_args()
    started = time.monotonic()
    os.chdir(Path(__file__).resolve().parent)
    if DEMO.exists():
        shutil.rmtree(DEMO)
    results = compare(flags.seed)
    evaluated = json.loads(python(f"eval_flowers.py --log_dir {results['fine-tuned']['log_dir']}"))
    print_table(results, evaluated["num_examples"])
    print("Plots:", *sorted(Path(evaluated["eval_dir"]).glob("*.png")), sep="\n  ")
    print(f"Curves:\n  {Path(sys.executable).parent / 'tensorboard'} --logdir {DEMO / 'runs'}")
    print(f"{time.monotonic() - started:.0f} s in all")
    lead = results["fine-tuned"]["accuracy"] - results["trained from scratch"]["accuracy"]
    if lead < LEAD:
        print(
            f"Fine-tuning leads by {100 * lead:.1f} points, expected at least {100 * LEAD:.0f}",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    run_main(main)
