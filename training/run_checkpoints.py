"""The checkpoints in a run's folder: the saved ones, the best one, and the one a flag names."""

import json
import os
import re
import shutil
from pathlib import Path

from checkpointing.files import locate_checkpoint
from system.errors import BadInput
from system.files import atomic_write


def find_checkpoint(log_dir, which="best"):
    """Returns the path of a checkpoint of a run.

    Args:
      log_dir: the run's folder.
      which: "best", "latest", or a path.

    Raises:
      BadInput: there is no such checkpoint.
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
    exists = Path(which).exists() or Path(f"{which}.index").exists()
    if not (Path(which).parent.name or exists):
        raise BadInput(
            f"--checkpoint {which} does not exist; expected best, latest, or a path such as "
            f"{Path(log_dir, 'model.ckpt-100')}"
        )
    return locate_checkpoint(which)


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
    """log_dir/best: the checkpoint with the highest validation accuracy, and best.json.

    best.json (step, accuracy, loss, checkpoint) is written after the files of its checkpoint and
    before older ones are removed, so it always names a complete checkpoint.
    """

    def __init__(self, log_dir):
        """Reads what an earlier session of the run left, if anything.

        Args:
          log_dir: the run's folder.

        Raises:
          BadInput: best.json is broken.
        """
        self.folder = Path(log_dir, "best")
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
        """The highest validation accuracy so far, in [0, 1]; None before the first validation."""
        return self.record["accuracy"] if self.record else None

    @property
    def checkpoint(self):
        """The path of the best checkpoint; None before the first validation."""
        return str(self.folder / self.record["checkpoint"]) if self.record else None

    def save_if_best(self, checkpoint, step, accuracy, loss):
        """Copies `checkpoint` if its accuracy is the highest so far; returns whether it is."""
        if self.record and accuracy <= self.record["accuracy"]:
            return False
        self.folder.mkdir(exist_ok=True)
        name = Path(checkpoint).name
        for file in Path(checkpoint).parent.glob(f"{name}.*"):
            with atomic_write(self.folder / file.name) as path:
                _link_or_copy(file, path)
        self.record = {"step": step, "accuracy": accuracy, "loss": loss, "checkpoint": name}
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
