"""Compares the recipes of train_flowers.py, their ingredients, and Keras's usual fine-tuning.

    python -m benchmarks.recipes --dataset_dir data/flowers --model_name mobilenet_v1 \\
        --checkpoint_path imagenet --image_size 128 --log_dir runs/recipes --seeds 0,1,2
    python -m benchmarks.recipes ... --only tutorial,quick,best       # some of the variants

Each variant runs once per seed, in a process of its own that writes to log_dir/VARIANT/SEED. A
run with a result.json is not repeated; one that was interrupted starts again, so that its time is
that of a whole training. Variants that equal `best`, because it has that ingredient already, are
skipped.

Prints min / median / max over the seeds: the best and the last validation accuracy, the seconds of
the whole process, those after its imports, and those of processor time, which other programs
hardly change; with --split, also the accuracy of the best checkpoint on that split (of
train_flowers.py's runs only, Keras saves none). Then prints the commands. Writes
log_dir/recipes.csv, a row per run, and log_dir/recipes.png.
"""

import csv
import json
import re
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import train_flags
from benchmarks import keras_transfer
from datasets.description import read_description
from keras_conversion.layers import APPLICATIONS
from system.errors import BadInput
from system.files import atomic_write
from system.flags import Parser, path, pixels, run_main, seed_number, whole_number
from training.recipes import RECIPES

TRAIN, KERAS = "train_flowers.py", "-m benchmarks.keras_transfer"


def spelled_out(recipe, without):
    """Returns a recipe's flags, except the flag `without`, as a command line.

    For flags without a value that turns them off.
    """
    values = {name: value for name, (value, _) in RECIPES[recipe].items() if name != without}
    return " ".join(f"--{name}" if v is True else f"--{name} {v}" for name, v in values.items())


# Variant -> script and flags.
VARIANTS = {
    "tutorial": (
        f"{TRAIN} --recipe tutorial --batch_size 32 --num_epochs 6 --learning_rate 0.0005 "
        "--head_init published"
    ),
    "quick": f"{TRAIN} --recipe quick",
    "best": f"{TRAIN} --recipe best",
    # `best` with one ingredient off or changed.
    "published_head": f"{TRAIN} --recipe best --head_init published",
    "zero_head": f"{TRAIN} --recipe best --head_init zeros",
    "fitted_head": f"{TRAIN} --recipe best --head_init fit",
    "staircase": f"{TRAIN} --recipe best --learning_rate_decay_type exponential",
    "no_warmup": f"{TRAIN} --recipe best --warmup_epochs 0",
    "published_augmentation": f"{TRAIN} --recipe best --augmentation published",
    "no_augmentation": f"{TRAIN} --recipe best --augmentation none",
    "light_augmentation": f"{TRAIN} --recipe best --augmentation light",
    "strong_augmentation": f"{TRAIN} --recipe best --augmentation strong",
    "no_label_smoothing": f"{TRAIN} --recipe best --label_smoothing 0",
    "mixup": f"{TRAIN} --recipe best --mixup_alpha 0.2",
    "no_mixup": f"{TRAIN} --recipe best --mixup_alpha 0",
    "no_moving_averages": f"{TRAIN} {spelled_out('best', without='moving_average_decay')}",
    "layer_decay": f"{TRAIN} --recipe best --layer_decay 0.8",
    "no_layer_decay": f"{TRAIN} --recipe best --layer_decay 1",
    "frozen_batch_norm": f"{TRAIN} --recipe best --freeze_batch_norm",
    "trained_batch_norm": f"{TRAIN} {spelled_out('best', without='freeze_batch_norm')}",
    "full_size_crops": f"{TRAIN} --recipe best --train_image_scale 1",
    "keras_1e-4": f"{KERAS} --head_epochs 2 --epochs 4 --learning_rate 0.0001",
    "keras_1e-5": f"{KERAS} --head_epochs 2 --epochs 4 --learning_rate 0.00001",
}
COMPARED = ("tutorial", "quick", "best")  # variants that run even if they equal `best`

RESULT, OUTPUT = "result.json", "output.txt"
VALIDATION = re.compile(r"validation  step (\d+)  loss (\S+)  accuracy (\S+)")
# Title of a column -> the value of a result, in the unit of the column.
COLUMNS = {
    "best %": lambda result: _percent(result["metrics"]["best_accuracy"]),
    "last %": lambda result: _percent(result["metrics"]["accuracy"]),
    "seconds": lambda result: result["seconds"],
    "after imports": lambda result: result["seconds_after_imports"],
    "of processors": lambda result: result["processor_seconds"],
}


@dataclass(frozen=True)
class Trial:
    """One training: a variant with a seed.

    Attributes:
      variant: a key of `VARIANTS`.
      seed: its seed.
      folder: the `Path` of its log_dir.
      words: its command line after `python`.
    """

    variant: str
    seed: int
    folder: Path
    words: tuple[str, ...]

    @property
    def is_keras(self):
        """Whether Keras trains it, without a checkpoint."""
        return self.words[0] == "-m"

    @property
    def command(self):
        """Its command, a str for a shell."""
        return shlex.join(("python", *self.words))

    @property
    def recipe(self):
        """The values of its recipe's flags, which the command does not show."""
        name = self.words[self.words.index("--recipe") + 1] if "--recipe" in self.words else None
        return {flag: value for flag, (value, _) in RECIPES[name].items()} if name else {}


def parse_flags(argv=None):
    """Returns the checked flags."""
    parser = Parser(__doc__)
    flag = parser.flag
    flag("dataset_dir", "DIR", path, "data/flowers", "TFRecords")
    flag("model_name", "NAME", str, "mobilenet_v1", "network")
    flag("checkpoint_path", "WHICH", path, None, "pretrained weights (default the published ones)")
    flag("image_size", "PX", pixels, None, "side of its input (default the network's)")
    flag("log_dir", "DIR", path, "runs/recipes", "folder of the runs and of the results")
    flag("num_epochs", "N", whole_number(1), None, "of train_flowers.py, instead of each variant's")
    flag("seeds", "A,B", _seeds, (0, 1, 2), "seeds (default 0,1,2)")
    flag("only", "A,B", str, None, f"variants (default all): {', '.join(VARIANTS)}")
    flag("split", "NAME", str, None, "evaluate the best checkpoints on this split at the end")
    flags = parser.parse_args(argv)
    flags.only = tuple(dict.fromkeys((flags.only or ",".join(VARIANTS)).split(",")))
    for name in flags.only:
        if name not in VARIANTS:
            raise BadInput(f"--only: unknown variant {name!r}; expected {', '.join(VARIANTS)}")
    if flags.split:
        description = read_description(flags.dataset_dir)
        if description and flags.split not in description["splits"]:
            known = ", ".join(description["splits"])
            raise BadInput(f"--split {flags.split}: {flags.dataset_dir} has the splits {known}")
    return flags


def _seeds(text):
    """A flag type: whole numbers separated by commas."""
    return tuple(dict.fromkeys(seed_number(word) for word in text.split(",")))


def plan(flags):
    """Returns the `Trial`s in order, each with checked flags, and lines about skipped variants.

    All variants of a seed come before the next seed, so that a change of the machine's speed
    affects every variant.

    Raises:
      BadInput: a flag is wrong, or a result is that of another command.
    """
    best = _settings(_trial(flags, "best", flags.seeds[0]))
    names, skipped = [], []
    for name in flags.only:
        trial = _trial(flags, name, flags.seeds[0])
        if trial.is_keras and flags.model_name not in APPLICATIONS:
            skipped.append(f"{name}: not run, Keras has no {flags.model_name}")
        elif not trial.is_keras and name not in COMPARED and _settings(trial) == best:
            skipped.append(f"{name}: not run, equals best")
        else:
            names.append(name)
    trials = [_trial(flags, name, seed) for seed in flags.seeds for name in names]
    for trial in trials:
        if trial.is_keras:
            keras_transfer.parse_flags(trial.words[2:])
        read_result(trial)
    return trials, skipped


def _trial(flags, variant, seed):
    """Returns the `Trial` of a variant and a seed."""
    folder = Path(flags.log_dir, variant, str(seed))
    words = VARIANTS[variant].split()
    for name in ("dataset_dir", "model_name", "checkpoint_path", "image_size"):
        if getattr(flags, name) is not None:
            words += [f"--{name}", str(getattr(flags, name))]
    if flags.num_epochs is not None and words[0] == TRAIN:
        words += ["--num_epochs", str(flags.num_epochs)]
    words += ["--seed", str(seed)]
    if words[0] == TRAIN:
        words += ["--log_dir", str(folder)]
        if train_flags.parse_flags(words[1:]).head_init == "fit":
            # Each run computes its own features, so that its time includes them.
            words += ["--features_dir", str(folder / "features")]
    return Trial(variant, seed, folder, tuple(words))


def _settings(trial):
    """Returns the values of all flags that two variants may differ in."""
    settings = vars(train_flags.parse_flags(trial.words[1:]))
    places = {"recipe", "log_dir", "features_dir", "checkpoint_path"}
    return {name: value for name, value in settings.items() if name not in places}


def read_result(trial):
    """Returns the result of a finished run, see `run`; None if it has not finished.

    Raises:
      BadInput: the result is that of another command or of an earlier version of the recipe; or the
        folder holds something else.
    """
    file = trial.folder / RESULT
    if file.exists():
        result = json.loads(file.read_text())
        if (result["command"], result["recipe"]) != (trial.command, trial.recipe):
            raise BadInput(
                f"{file} is the result of another command ({result['command']}) or of an earlier "
                "version of the recipe; give another --log_dir, or delete the folder"
            )
        return result
    if any(trial.folder.glob("*")) and not (trial.folder / OUTPUT).exists():
        raise BadInput(f"{trial.folder} was not written by this script; give another --log_dir")
    return None


def run(trial):
    """Runs a trial from its start, and writes its result.json.

    Returns:
      A dict: `variant`, `seed`, `command`, `recipe`; `seconds`, of the whole process;
      `seconds_after_imports`; `processor_seconds`, of all its threads; `validations`, a list of
      [seconds since the start, step, accuracy]; `metrics`, the last line of the process. None if
      the process failed.
    """
    shutil.rmtree(trial.folder, ignore_errors=True)  # an interrupted run
    trial.folder.mkdir(parents=True)
    output, validations, device = trial.folder / OUTPUT, [], None
    started, processors = time.perf_counter(), _processor_seconds()
    with (
        output.open("w") as file,
        subprocess.Popen(
            [sys.executable, *trial.words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        print(trial.command, file=file, flush=True)
        for line in process.stdout:
            seconds = round(time.perf_counter() - started, 2)
            print(line, end="", file=file, flush=True)
            if line.startswith("Device:"):
                device = seconds
            elif match := VALIDATION.match(line):
                validations.append([seconds, int(match[1]), float(match[3])])
    seconds = round(time.perf_counter() - started, 2)
    lines = output.read_text().splitlines()
    if process.returncode:
        print(f"{trial.variant}, seed {trial.seed}: failed; {output} ends with: {lines[-1]}")
        return None
    result = {
        "variant": trial.variant,
        "seed": trial.seed,
        "command": trial.command,
        "recipe": trial.recipe,
        "seconds": seconds,
        "seconds_after_imports": round(seconds - device, 2),
        "processor_seconds": round(_processor_seconds() - processors, 2),
        "validations": validations,
        "metrics": json.loads(next(line for line in reversed(lines) if line.startswith("{"))),
    }
    with atomic_write(trial.folder / RESULT) as temporary:
        temporary.write_text(json.dumps(result, indent=2) + "\n")
    return result


def _processor_seconds():
    """Returns the processor time of all finished child processes."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def accuracy_on(split, trial):
    """Returns the accuracy of the best checkpoint of a run on a split, evaluated once.

    None for a run of Keras.
    """
    if trial.is_keras:
        return None
    file = trial.folder / f"accuracy_{split}.json"
    if not file.exists():
        # Imported here because TensorFlow takes seconds, and most calls need no evaluation.
        from eval_flowers import evaluate

        metrics = evaluate(trial.folder, split=split, eval_dir=trial.folder / f"eval_{split}")
        with atomic_write(file) as temporary:
            temporary.write_text(json.dumps(metrics["accuracy"]))
    return json.loads(file.read_text())


def table_lines(results, split=None):
    """Returns the lines of the table.

    Args:
      results: dicts as `run` returns them, with `split_accuracy` if `split` is given.
      split: the name of the split that was evaluated in addition.
    """
    columns = dict(COLUMNS)
    if split:
        columns[f"{split} %"] = lambda result: _percent(result["split_accuracy"])
    lines = ["min / median / max over the seeds; accuracy of the validation split"]
    lines.append(f"{'':24}{'runs':>4}" + "".join(f"{title:>24}" for title in columns))
    for name, group in by_variant(results).items():
        cells = (_summary([value_of(each) for each in group]) for value_of in columns.values())
        lines.append(f"{name:24}{len(group):4}" + "".join(f"{cell:>24}" for cell in cells))
    return lines


def by_variant(results):
    """Returns variant -> its results, in the order of `VARIANTS`."""
    groups = {name: [each for each in results if each["variant"] == name] for name in VARIANTS}
    return {name: group for name, group in groups.items() if group}


def _summary(values):
    values = [value for value in values if value is not None]
    if not values:
        return "-"
    return " / ".join(f"{f(values):.1f}" for f in (min, statistics.median, max))


def _percent(accuracy):
    return None if accuracy is None else 100 * accuracy


def write_table(results, split, file):
    """Writes a CSV with a row per run; arguments as for `table_lines`, and the path."""
    names = ["variant", "seed", "steps", "best_accuracy", "accuracy"]
    names += ["seconds", "seconds_after_imports", "processor_seconds"]
    names += [f"{split}_accuracy"] if split else []
    with atomic_write(file) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [*names, "command"], extrasaction="ignore")
        writer.writeheader()
        for result in results:
            extra = {f"{split}_accuracy": result["split_accuracy"]} if split else {}
            writer.writerow(result | result["metrics"] | extra)


def main(argv=None):
    """Runs what has no result yet, then prints the table and writes the files."""
    flags = parse_flags(argv)
    trials, skipped = plan(flags)
    print(*skipped, sep="\n", end="\n" if skipped else "", flush=True)
    results, status = [], 0
    for number, trial in enumerate(trials, start=1):
        result = read_result(trial) or run(trial)
        if result is None:
            status = 1
            continue
        if flags.split:
            result["split_accuracy"] = None
        results.append(result)
        best, last, seconds = (f"{COLUMNS[name](result):.1f}" for name in list(COLUMNS)[:3])
        print(
            f"{number}/{len(trials)}  {trial.variant}, seed {trial.seed}: best {best} %, last "
            f"{last} %, {seconds} s",
            flush=True,
        )
    if flags.split:
        of_trial = {(trial.variant, trial.seed): trial for trial in trials}
        for result in results:
            trial = of_trial[result["variant"], result["seed"]]
            result["split_accuracy"] = accuracy_on(flags.split, trial)
    report(results, flags.split, Path(flags.log_dir))
    return status


def report(results, split, log_dir):
    """Prints the table and the commands, and writes recipes.csv and recipes.png."""
    if not results:
        return
    from benchmarks.recipes_plot import plot_accuracy_over_time

    print(*table_lines(results, split), sep="\n")
    print("\nCommands of the first seed:")
    for name, group in by_variant(results).items():
        print(f"{name:24}{group[0]['command']}")
    write_table(results, split, log_dir / "recipes.csv")
    plot_accuracy_over_time(by_variant(results), log_dir / "recipes.png")
    print(f"\nWritten: {log_dir / 'recipes.csv'}, {log_dir / 'recipes.png'}")


if __name__ == "__main__":
    run_main(main)
