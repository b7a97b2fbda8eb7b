"""The whole path in a few minutes and without a download: `make demo`.

Draws two tasks, trains a small network on one of them, fine-tunes it on the other, flowers, and
evaluates and plots what came out. The end is the comparison that transfer learning is about. Every
figure is measured anew; every command is printed as you could type it.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from system.flags import Parser, run_main

DEMO = Path("demo")  # everything that the demo writes, in the project's folder
PHOTOS_PER_CLASS = 150
PRETRAINING_STEPS = 320
STEPS = 100
TRAINING = (
    "train_flowers.py --model_name mobilenet_v1_025 --image_size 96 --batch_size 32 "
    "--learning_rate 0.004 --num_epochs_per_decay 3 --summary_steps 20"
)


def python(command):
    """Prints and runs a command of this project, and shows what it says; returns its last line.

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


def make_dataset(task):
    """Draws a task's photos and converts them; returns the folder of their TFRecords."""
    photos, dataset = DEMO / "photos" / task, DEMO / "data" / task
    python(
        f"-m datasets.drawn --task {task} --photos_dir {photos} "
        f"--photos_per_class {PHOTOS_PER_CLASS}"
    )
    python(
        f"convert_flowers.py --photos_dir {photos} --dataset_dir {dataset} "
        "--validation_fraction 0.25"
    )
    return dataset


def train(name, dataset, steps, checkpoint_path):
    """Trains into demo/runs/`name`; returns what the training says at its end."""
    return json.loads(
        python(
            f"{TRAINING} --dataset_dir {dataset} --log_dir {DEMO / 'runs' / name} "
            f"--max_number_of_steps {steps} --eval_steps {max(steps // 4, 1)} "
            f"--checkpoint_path {checkpoint_path}"
        )
    )


def main():
    """Runs the demo; returns 1 where the fine-tuned network does not win."""
    Parser(__doc__).parse_args()
    started = time.monotonic()
    os.chdir(Path(__file__).resolve().parent)
    if DEMO.exists():
        shutil.rmtree(DEMO)
    garden, flowers = make_dataset("garden"), make_dataset("flowers")
    pretrained = train("pretrained", garden, PRETRAINING_STEPS, "none")["checkpoint"]
    results = {
        "not trained": train("untrained", flowers, 0, "none"),
        "warm-started, not trained": train("warm_started", flowers, 0, pretrained),
        "trained from scratch": train("scratch", flowers, STEPS, "none"),
        "fine-tuned": train("fine_tuned", flowers, STEPS, pretrained),
    }
    evaluated = json.loads(python(f"eval_flowers.py --log_dir {results['fine-tuned']['log_dir']}"))
    compare(results)
    print("Plots:", *sorted(Path(evaluated["eval_dir"]).glob("*.png")), sep="\n  ")
    print(f"Curves:\n  {Path(sys.executable).parent / 'tensorboard'} --logdir {DEMO / 'runs'}")
    print(f"{time.monotonic() - started:.0f} s in all")
    fine_tuned = results.pop("fine-tuned")["accuracy"]
    if fine_tuned <= max(result["accuracy"] for result in results.values()):
        print("The fine-tuned network should have won, and did not", file=sys.stderr)
        return 1
    return 0


def compare(results):
    """Prints the table: what each network is, its steps, its accuracy on the validation split."""
    print("\nmobilenet_v1_025 on drawn flowers       steps   accuracy")
    for name, result in results.items():
        print(f"{name:38}  {result['steps']:5}   {100 * result['accuracy']:5.1f} %")
    print()


if __name__ == "__main__":
    run_main(main)
