"""The checkpoints that a run saves: the newest that is whole, the best, and those to forget."""

import json
import os
import re
import shutil
from pathlib import Path

from bad_input import BadInput
from files import written_aside
from nets.checkpoint_files import checkpoint_at, is_whole


def find(log_dir, which="best"):
    """The path of a checkpoint of a run.

    Args:
      log_dir: the run's folder.
      which: "best", "latest", or a path.

    Raises:
      BadInput: there is no such checkpoint.
    """
    if which == "best":
        best = Best(log_dir)
        if best.checkpoint is None:
            raise BadInput(
                f"{log_dir} has no best checkpoint yet: no validation has ended; "
                "give --checkpoint latest"
            )
        return checkpoint_at(best.checkpoint)
    if which != "latest" and not Path(which).parent.name and not _is_there(which):
        raise BadInput(
            f"--checkpoint {which}: there is no such checkpoint; give best, latest, or a path such "
            f"as {Path(log_dir, 'model.ckpt-100')}"
        )
    return checkpoint_at(log_dir if which == "latest" else which)


def _is_there(path):
    return Path(path).exists() or Path(f"{path}.index").exists()


def saved_by_run(log_dir):
    """The checkpoints that a run has in `log_dir`, oldest first: the files themselves, not a list.

    TensorFlow keeps a list too, the file `checkpoint`; a crash may leave that one empty or old.
    """
    folder = Path(log_dir)
    files = folder.iterdir() if folder.is_dir() else ()
    found = (re.fullmatch(r"(model\.ckpt-(\d+))\.index", file.name) for file in files)
    by_step = sorted((int(match[2]), match[1]) for match in found if match)
    return [str(folder / name) for _, name in by_step]


def newest_whole(log_dir):
    """The newest checkpoint of a run that can be read; None where the run has none yet.

    The folder's `checkpoint` file is made to say the same, so that a managed session finds it too.

    Raises:
      BadInput: there are checkpoints and each of them is broken.
    """
    known = saved_by_run(log_dir)
    for count in range(len(known), 0, -1):
        if is_whole(known[count - 1]):
            if count < len(known):
                print(f"{known[-1]} is broken; {known[count - 1]} is whole", flush=True)
            _list(log_dir, known[:count])
            return known[count - 1]
    if known:
        raise BadInput(f"no checkpoint of {log_dir} can be read; give another --log_dir")
    _list(log_dir, [])
    return None


def remove_halves(log_dir):
    """Removes what a full disk or a kill in the middle of saving has left in a run's folder."""
    for half in Path(log_dir).glob("model.ckpt-*.tempstate*"):
        half.unlink()
    for half in Path(log_dir, "best").glob(".model.ckpt-*"):
        half.unlink()


def forget(log_dir, step):
    """Removes the checkpoints from step `step` on, and returns the newest that is left."""
    from slim_on_tf2 import tf

    Best(log_dir, last_step=step - 1)
    known = saved_by_run(log_dir)
    left = [path for path in known if int(path.rpartition("-")[2]) < step]
    _list(log_dir, left)
    for path in known[len(left) :]:
        tf.train.remove_checkpoint(path)
    return left[-1] if left else None


def _list(log_dir, paths):
    """Writes TensorFlow's list of a run's checkpoints anew."""
    from slim_on_tf2 import tf

    if paths:
        names = [Path(path).name for path in paths]
        # In a relative folder TensorFlow would take the names for paths from the working directory.
        tf.train.update_checkpoint_state(str(Path(log_dir).resolve()), names[-1], names)
    else:
        Path(log_dir, "checkpoint").unlink(missing_ok=True)


class Best:
    """log_dir/best: the checkpoint with the highest validation accuracy, and best.json beside it.

    best.json (step, accuracy, loss, checkpoint) is renamed into place after its checkpoint's files
    stand and before older ones go, so that it never names a checkpoint that is not whole.
    """

    def __init__(self, log_dir, last_step=None):
        """Reads what an earlier session of the run in `log_dir` has left, if anything.

        Args:
          log_dir: the run's folder.
          last_step: where given, a best of a later step is of another run, and is forgotten.

        Raises:
          BadInput: best.json is broken.
        """
        self.folder = Path(log_dir, "best")
        self._json = self.folder / "best.json"
        self.record = self._read()
        if self.record and last_step is not None and self.record["step"] > last_step:
            self._json.unlink()
            self.record = None

    def _read(self):
        if not self._json.is_file():
            return None
        try:
            record = json.loads(self._json.read_text())
            self.folder / record["checkpoint"], int(record["step"]), float(record["accuracy"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"{self._json} is broken ({error}); remove it, and the best of what comes is kept"
            ) from error
        return record

    @property
    def accuracy(self):
        """The highest validation accuracy so far, in [0, 1]; None before the first."""
        return self.record["accuracy"] if self.record else None

    @property
    def checkpoint(self):
        """The path of the best checkpoint; None before the first."""
        return str(self.folder / self.record["checkpoint"]) if self.record else None

    def offer(self, checkpoint, step, accuracy, loss):
        """Keeps `checkpoint` where its accuracy is higher than all before; says whether it was."""
        if self.record and accuracy <= self.record["accuracy"]:
            return False
        self.folder.mkdir(exist_ok=True)
        name = Path(checkpoint).name
        for file in Path(checkpoint).parent.glob(f"{name}.*"):
            with written_aside(self.folder / file.name) as aside:
                _link_or_copy(file, aside)
        self.record = {"step": step, "accuracy": accuracy, "loss": loss, "checkpoint": name}
        with written_aside(self._json) as aside:
            aside.write_text(json.dumps(self.record, indent=2) + "\n")
        for file in self.folder.glob("model.ckpt-*"):
            if not file.name.startswith(f"{name}."):
                file.unlink()
        return True


def _link_or_copy(source, target):
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links, as Colab's mounted drive
        shutil.copyfile(source, target)
