"""log_dir/run.json: what a run is, so that nothing has to be said twice.

Training writes it before its first step; evaluation, and a training that goes on, read it.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from bad_input import BadInput
from files import written_aside

# What a checkpoint cannot be restored without: another network, label set or set of variables.
# Another batch size or another number of photos would also lose the place in the epoch.
SHAPING = (
    "model_name",
    "image_size",
    "preprocessing_name",
    "use_grayscale",
    "labels",
    "optimizer",
    "trainable_scopes",
    "moving_average_decay",
    "batch_size",
    "num_examples",
)
# What runs of before these settings did; their run.json does not say it.
EARLIER = {"use_grayscale": False, "moving_average_decay": None, "ended": False}


@dataclass(frozen=True)
class Run:
    """What a run is: what shapes its checkpoints, its flags, and the versions it ran with."""

    model_name: str
    image_size: int
    preprocessing_name: str
    use_grayscale: bool
    labels: list
    dataset_name: str
    dataset_dir: str
    optimizer: str
    trainable_scopes: str | None
    batch_size: int
    num_examples: int
    flags: dict
    versions: dict
    moving_average_decay: float | None = None
    ended: bool = False  # whether nothing is left to train: the last step, or a diverged loss


def write_run(log_dir, run):
    """Writes `run` to `log_dir`/run.json."""
    with written_aside(Path(log_dir, "run.json")) as aside:
        aside.write_text(json.dumps(dataclasses.asdict(run), indent=2) + "\n")


def end_run(log_dir):
    """Writes into `log_dir`/run.json that the run has ended, for those who wait for it."""
    write_run(log_dir, dataclasses.replace(read_run(log_dir), ended=True))


def read_run(log_dir):
    """Reads the `Run` of `log_dir`.

    Raises:
      BadInput: the folder or its run.json is missing, broken, or lacks a setting.
    """
    path = Path(log_dir, "run.json")
    cure = "give --log_dir a folder that train_flowers.py wrote"
    if not path.is_file():
        nearby = [near.parent for near in Path(log_dir).glob("*/run.json")]
        nearby += [up for up in Path(log_dir).parents if (up / "run.json").is_file()]
        meant = f", such as {sorted(nearby)[0]}" if nearby else ""
        raise BadInput(f"{path} is missing; {cure}{meant}")
    try:
        settings = json.loads(path.read_text())
        known = EARLIER | settings
        run = Run(**{field.name: known[field.name] for field in dataclasses.fields(Run)})
    except (ValueError, TypeError) as error:
        raise BadInput(f"{path} is not the JSON of a run ({error}); {cure}") from error
    except KeyError as error:
        raise BadInput(f"{path} lacks {error}; {cure}") from error
    _check(run, path)
    return run


def _check(run, path):
    labels_are_names = isinstance(run.labels, list) and all(isinstance(x, str) for x in run.labels)
    if not (labels_are_names and run.labels):
        raise BadInput(f"{path}: expected a list of names under labels, got {run.labels!r}")
    if not (isinstance(run.image_size, int) and run.image_size > 0):
        raise BadInput(f"{path}: expected a number of pixels as image_size, got {run.image_size!r}")


def changed_flags(old, new):
    """What a run goes on with in another way than before, in words; without paths."""
    places = ("_dir", "_path", "_scopes", "_mirror")
    names = [name for name in new.flags if name in old.flags and not name.endswith(places)]
    return [
        f"{name} {old.flags[name]} before, {new.flags[name]} now"
        for name in names
        if old.flags.get(name) != new.flags[name]
    ]


def refuse_other_run(old, new, log_dir):
    """Raises BadInput where the run `new` cannot go on from the checkpoints of the run `old`."""
    differences = [
        f"{name} {getattr(old, name)} there, {getattr(new, name)} here"
        for name in SHAPING
        if getattr(old, name) != getattr(new, name)
    ]
    if differences:
        raise BadInput(
            f"{log_dir} holds another run ({'; '.join(differences)}): "
            "give the same flags to go on with it, or another --log_dir"
        )
