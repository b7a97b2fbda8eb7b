"""log_dir/run.json: what a run is, so that the other scripts need only its log_dir.

Training writes it before the first step. Evaluation, prediction, export and a resumed training
read it.
"""

import dataclasses
import hashlib
import json
from dataclasses import MISSING, dataclass, field
from importlib.metadata import version
from pathlib import Path

from system.errors import BadInput
from system.files import atomic_write
from system.precision_names import OFF

PACKAGES = ("tensorflow", "tf_slim", "tf_keras", "numpy")
# Flags that only the first start of a run reads.
INITIAL_WEIGHTS_FLAGS = (
    "checkpoint_path",
    "checkpoint_exclude_scopes",
    "restore_moving_averages",
    "ignore_missing_vars",
    "continue_from",
    "head_init",
)


# A checkpoint cannot be restored into another network, label set or set of variables. Another batch
# size or number of examples would lose the position in the epoch.
_FIXED = {"fixed_on_resume": True}


@dataclass(frozen=True, kw_only=True)
class Run:
    """The settings of a run; defaults are those of runs recorded before the field existed."""

    model_name: str = field(metadata=_FIXED)
    image_size: int = field(metadata=_FIXED)
    preprocessing_name: str = field(metadata=_FIXED)
    use_grayscale: bool = field(metadata=_FIXED, default=False)
    labels: list = field(metadata=_FIXED)
    dataset_name: str
    dataset_dir: str
    optimizer: str = field(metadata=_FIXED)
    trainable_scopes: str | None = field(metadata=_FIXED)
    batch_size: int = field(metadata=_FIXED)
    num_examples: int = field(metadata=_FIXED)
    flags: dict
    versions: dict
    split_digests: dict = field(default_factory=dict)  # name -> `split_digest`; {} if not recorded
    mixed_precision: str = field(metadata=_FIXED, default=OFF)
    moving_average_decay: float | None = field(metadata=_FIXED, default=None)
    accumulate_steps: int = field(metadata=_FIXED, default=1)
    balanced_sampling: bool = field(metadata=_FIXED, default=False)
    layer_decay: float | None = field(metadata=_FIXED, default=None)
    learning_rate_multipliers: str | None = field(metadata=_FIXED, default=None)
    history: list = field(default_factory=list)  # flags changed on resume: step, flag, old, new
    time_is_up: bool = False  # whether --max_minutes ended it before its last step
    ended: bool = False  # whether nothing is left to train: last step reached, or loss diverged


def describe_run(flags, dataset, validation_dataset):
    """Returns the `Run` of a training.

    Args:
      flags: the flags of train_flowers.py, after `train_flags.check_together`.
      dataset: the training split, a `slim.dataset.Dataset`.
      validation_dataset: the validation split.
    """
    names = {each.name for each in dataclasses.fields(Run)}
    settings = {name: value for name, value in vars(flags).items() if name in names}
    settings |= {
        "labels": [dataset.labels_to_names[label] for label in range(dataset.num_classes)],
        "dataset_name": dataset.name,
        "dataset_dir": str(Path(flags.dataset_dir).resolve()),
        "num_examples": dataset.num_samples,
        "split_digests": {
            split.split_name: split_digest(split.digests) for split in (dataset, validation_dataset)
        },
        "flags": dict(vars(flags)),
        "versions": {package: version(package) for package in PACKAGES},
    }
    return Run(**settings)


def split_digest(digests):
    """Returns the identity of a split, of its images and their order.

    Args:
      digests: the SHA-256 of each of its shards, in order.
    """
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def write_run(log_dir, run):
    """Writes `run` to `log_dir`/run.json."""
    with atomic_write(Path(log_dir, "run.json")) as path:
        path.write_text(json.dumps(dataclasses.asdict(run), indent=2) + "\n")


def read_run(log_dir):
    """Reads the `Run` of `log_dir`.

    Raises:
      BadInput: the folder or its run.json is missing, is broken, or lacks a setting.
    """
    path = Path(log_dir, "run.json")
    cure = "give --log_dir a folder that train_flowers.py wrote"
    if not path.is_file():
        nearby = [near.parent for near in Path(log_dir).glob("*/run.json")]
        nearby += [up for up in Path(log_dir).parents if (up / "run.json").is_file()]
        suggestion = f", such as {sorted(nearby)[0]}" if nearby else ""
        raise BadInput(f"{path} does not exist; {cure}{suggestion}")
    try:
        settings = dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise BadInput(f"{path} is not the JSON of a run ({error}); {cure}") from error
    fields = dataclasses.fields(Run)
    required = [x.name for x in fields if x.default is x.default_factory is MISSING]
    lacking = [name for name in required if name not in settings]
    if lacking:
        raise BadInput(f"{path} lacks {', '.join(lacking)}; {cure}")
    run = Run(**{x.name: settings[x.name] for x in fields if x.name in settings})
    _check(run, path)
    return run


def _check(run, path):
    are_names = isinstance(run.labels, list) and all(isinstance(x, str) for x in run.labels)
    if not (are_names and run.labels):
        raise BadInput(f"{path}: expected a list of class names as labels, got {run.labels!r}")
    if not (isinstance(run.image_size, int) and run.image_size > 0):
        raise BadInput(f"{path}: expected image_size in pixels, got {run.image_size!r}")


def changed_flags(old, new):
    """Returns (name, old, new) of each flag that differs between two starts, except paths."""
    ignored = ("_dir", "_path", "_scopes", "_mirror")
    return [
        (name, old.flags[name], value)
        for name, value in new.flags.items()
        if not name.endswith(ignored) and name in old.flags and old.flags[name] != value
    ]


def check_same_run(old, new, log_dir):
    """Raises BadInput where the run `new` cannot resume from the checkpoints of the run `old`."""
    differences = [
        f"{name} {getattr(old, name)} there, {getattr(new, name)} here"
        for name in (each.name for each in dataclasses.fields(Run) if each.metadata == _FIXED)
        if getattr(old, name) != getattr(new, name)
    ]
    if differences:
        raise BadInput(
            f"--log_dir {log_dir} holds another run ({'; '.join(differences)}): give the same "
            "flags to resume it, or another --log_dir"
        )
    for split, digest in old.split_digests.items():
        if new.split_digests.get(split, digest) != digest:
            raise BadInput(
                f"--log_dir {log_dir} holds a run on other images: the split {split} of "
                f"{new.dataset_dir} is not that of its training; give --dataset_dir the same "
                "dataset, or another --log_dir"
            )
