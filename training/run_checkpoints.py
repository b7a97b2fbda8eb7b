"""The checkpoints in a run's folder: the saved ones, the best one, and the one a flag names."""

import json
import os
import re
import shutil
from pathlib import Path

from checkpointing.files import locate_checkpoint
from system.errors import BadInput
from system.files import atomic_write
from training.run_record import read_run

# Settings of a run without which its weights mean something else.
WHAT_WEIGHTS_NEED = ("model_name", "labels", "image_size", "preprocessing_name", "use_grayscale")
# What --best_by compares: metric -> whether a higher value is better.
CRITERIA = {"accuracy": True, "loss": False, "balanced_accuracy": True}


def find_checkpoint(log_dir, which="best"):
    """Returns the path of a checkpoint of a run.

    Args:
      log_dir: the run's folder.
      which: "best", "latest", or a path.

    Raises:
      BadInput: there is no such checkpoint, or it is of a run with another network or classes.
    """
    if which == "best":
        best = BestCheckpoint(log_dir)
        if best.checkpoint is None:
            raise BadInput(
                f"{log_dir} has no best checkpoint yet, because no validation has finished; give "
                "--checkpoint latest"
            )
        return locate_checkpoint(best.checkpoint)
    if which == "latest":
        return locate_checkpoint(log_dir)
    refuse_other_run(which, log_dir)
    exists = Path(which).exists() or Path(f"{which}.index").exists()
    if not (Path(which).parent.name or exists):
        raise BadInput(
            f"--checkpoint {which} does not exist; expected best, latest, or a path such as "
            f"{Path(log_dir, 'model.ckpt-100')}"
        )
    return locate_checkpoint(which)


def owner_of(checkpoint):
    """Returns the folder of the run that a checkpoint is of, by its run.json; None without one.

    Args:
      checkpoint: a path, of the checkpoint or of a folder with some.
    """
    path = Path(checkpoint)
    for folder in (path, path.parent, path.parent.parent):  # the last for those in best/
        if (folder / "run.json").is_file():
            return folder
    return None


def refuse_other_run(checkpoint, log_dir):
    """Raises `BadInput` if a checkpoint is of another run with another network, images or classes.

    Args:
      checkpoint: a path.
      log_dir: the folder of the run that is to use it.
    """
    owner = owner_of(checkpoint)
    if owner is None or owner.resolve() == Path(log_dir).resolve():
        return
    there, here = read_run(owner), read_run(log_dir)
    differences = [
        f"{name} {getattr(there, name)} there, {getattr(here, name)} in {log_dir}"
        for name in WHAT_WEIGHTS_NEED
        if getattr(there, name) != getattr(here, name)
    ]
    if differences:
        raise BadInput(
            f"--checkpoint {checkpoint} is of the run {owner} ({'; '.join(differences)}); give "
            f"--log_dir {owner}"
        )


def find_weights(log_dir, which="best", moving_averages=False):
    """Finds a checkpoint of a run, and whether its moving averages are to be used.

    Args:
      log_dir, which: as for `find_checkpoint`.
      moving_averages: whether they are asked for. Of the best checkpoint they are used without
        being asked for, if their validation was the better one.

    Returns:
      (path, whether to use the moving averages).

    Raises:
      BadInput: there is no such checkpoint.
    """
    path = find_checkpoint(log_dir, which)
    best = BestCheckpoint(log_dir).record if which == "best" else None
    return path, bool(moving_averages or (best and best.get("moving_averages")))


def saved_checkpoints(log_dir):
    """Lists the checkpoints in `log_dir`, oldest first, by their files.

    TensorFlow's own list, the file `checkpoint`, may be empty or outdated after a crash.
    """
    folder = Path(log_dir)
    files = folder.iterdir() if folder.is_dir() else ()
    found = (re.fullmatch(r"(model\.ckpt-(\d+))\.index", file.name) for file in files)
    by_step = sorted((int(match[2]), match[1]) for match in found if match)
    return [str(folder / name) for _, name in by_step]


class BestCheckpoint:
    """log_dir/best: the checkpoint with the best validation, and best.json.

    best.json (step, the metrics of its validation, whether they are those of the moving averages,
    checkpoint) is written after the files of its checkpoint and before older ones are removed, so
    it always names a complete checkpoint.
    """

    def __init__(self, log_dir, criterion="accuracy"):
        """Reads what an earlier session of the run left, if anything.

        Args:
          log_dir: the run's folder.
          criterion: a key of `CRITERIA`, the metric that decides.

        Raises:
          BadInput: best.json is broken.
        """
        self.folder = Path(log_dir, "best")
        self.criterion = criterion
        self._json = self.folder / "best.json"
        self.record = self._read()

    def _read(self):
        if not self._json.is_file():
            return None
        try:
            record = json.loads(self._json.read_text())
            self.folder / record["checkpoint"], int(record["step"]), float(record["accuracy"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"{self._json} is broken ({error}); remove it, and the best of the following "
                "validations is kept"
            ) from error
        return record

    def discard_after(self, step):
        """Discards a best checkpoint of a step after `step`: it belongs to lost weights."""
        if self.record and self.record["step"] > step:
            self._json.unlink()
            self.record = None

    @property
    def accuracy(self):
        """The accuracy of the best validation so far, in [0, 1]; None before the first."""
        return self.record["accuracy"] if self.record else None

    @property
    def checkpoint(self):
        """The path of the best checkpoint; None before the first validation."""
        return str(self.folder / self.record["checkpoint"]) if self.record else None

    def is_better(self, metrics, other):
        """Whether metrics (name -> number) are better than others by the criterion."""
        if other is None or other.get(self.criterion) is None:
            return True
        ours, theirs = metrics[self.criterion], other[self.criterion]
        return ours > theirs if CRITERIA[self.criterion] else ours < theirs

    def save_if_best(self, checkpoint, step, metrics, moving_averages=False):
        """Copies `checkpoint` if its metrics are the best so far; returns whether they are.

        Args:
          checkpoint: its path.
          step: its global step.
          metrics: name -> number, with `accuracy`, `loss` and the criterion.
          moving_averages: whether the metrics are those of the moving averages.
        """
        if not self.is_better(metrics, self.record):
            return False
        self.folder.mkdir(exist_ok=True)
        name = Path(checkpoint).name
        for file in Path(checkpoint).parent.glob(f"{name}.*"):
            with atomic_write(self.folder / file.name) as path:
                _link_or_copy(file, path)
        self.record = {"step": step, **metrics, "moving_averages": moving_averages}
        self.record["checkpoint"] = name
        with atomic_write(self._json) as path:
            path.write_text(json.dumps(self.record, indent=2) + "\n")
        for file in self.folder.glob("model.ckpt-*"):
            if not file.name.startswith(f"{name}."):
                file.unlink()
        return True


def _link_or_copy(source, target):
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links, such as Colab's mounted drive
        shutil.copyfile(source, target)
