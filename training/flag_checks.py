"""What the flags of train_flowers.py need together, and defaults that depend on other flags."""

from pathlib import Path

from checkpointing.checkpoint_path import NONE, check_checkpoint_path
from checkpointing.files import refuse_glob_characters
from checkpointing.scope_names import in_scopes, split_scopes
from datasets import dataset_factory
from datasets.dataset_factory import DEFAULT_DATASET
from datasets.description import find_shards, read_labels
from nets.networks import check_image_size, find_network
from system.errors import BadInput
from system.files import has_files
from training.flag_rules import MODE_FLAGS, check_effects, check_features
from training.recipes import apply_recipe
from training.run_checkpoints import BestCheckpoint, find_weights, owner_of, saved_checkpoints
from training.run_record import read_run

EPOCHS = 70  # of 10 images per step: one GPU's night


def check_together(flags, given):
    """Applies the recipe, refuses what cannot work, and fills in defaults that depend on others.

    Args:
      flags: the flags, changed in place.
      given: the names of those that were given.

    Raises:
      BadInput: names the flag, what was expected, and the cure.
    """
    is_resumed = bool(flags.log_dir and saved_checkpoints(flags.log_dir))
    if flags.continue_from:
        fill_in_earlier_run(flags, given, flags.log_dir if is_resumed else flags.continue_from)
    network = fill_in_network(flags)
    fill_in_dataset(flags)
    if flags.checkpoint_path is None and network.checkpoint is None:
        flags.checkpoint_path = NONE
    apply_recipe(flags, given, network)
    check_effects(flags, given)
    check_train_image_size(flags, network)
    if flags.max_number_of_steps is None and flags.num_epochs is None:
        flags.num_epochs = EPOCHS
    if flags.checkpoint_exclude_scopes is None:
        flags.checkpoint_exclude_scopes = ",".join(network.head_scopes)
    flags.log_dir = str(Path(flags.log_dir or Path("runs", flags.dataset_name or DEFAULT_DATASET)))
    refuse_glob_characters(flags.log_dir)
    is_trial = any(getattr(flags, name, False) for name in MODE_FLAGS)
    if saved_checkpoints(flags.log_dir) and not is_trial:
        return  # a resumed run does not read its initial weights
    flags.checkpoint_path = check_checkpoint_path(flags.checkpoint_path, flags.model_name)
    check_features(flags, network.head_scopes)
    check_restored_head(flags, network.head_scopes)


def check_restored_head(flags, head_scopes):
    """Refuses to restore a head from a run with other classes, even if there are as many.

    Raises:
      BadInput: the classes of the checkpoint's run are not those of the dataset.
    """
    owner = owner_of(flags.checkpoint_path)
    if in_scopes(head_scopes[0], split_scopes(flags.checkpoint_exclude_scopes)) or not owner:
        return
    labels = read_run(owner).labels
    if has_files(flags.dataset_dir) and read_labels(flags.dataset_dir) != labels:
        raise BadInput(
            f"--checkpoint_path {flags.checkpoint_path}: the head is of the classes "
            f"{', '.join(labels)}, not of {', '.join(read_labels(flags.dataset_dir))}; leave "
            "--checkpoint_exclude_scopes out, which starts a new one"
        )


def fill_in_earlier_run(flags, given, log_dir):
    """Takes network and images from the run in `log_dir`, all weights from `flags.continue_from`.

    Raises:
      BadInput: it is no run, has no checkpoint or other classes, or is the run that is to be
        trained.
    """
    if not flags.log_dir:
        raise BadInput("--continue_from needs a new --log_dir")
    if Path(flags.log_dir).resolve() == Path(flags.continue_from).resolve():
        raise BadInput(
            f"--continue_from {flags.continue_from} is the --log_dir itself; give a new --log_dir, "
            "or leave --continue_from out to resume the run"
        )
    if not Path(log_dir, "run.json").is_file():
        raise BadInput(f"--continue_from {log_dir} is not the folder of a run; give its log_dir")
    earlier = read_run(log_dir)
    for name in ("model_name", "image_size", "preprocessing_name", "use_grayscale"):
        if name in given and getattr(flags, name) != getattr(earlier, name):
            raise BadInput(
                f"--{name} {getattr(flags, name)}: --continue_from {flags.continue_from} was "
                f"trained with {getattr(earlier, name)}; leave the flag out"
            )
        setattr(flags, name, getattr(earlier, name))
    if not {"dataset_dir", "dataset_name"} & given:
        flags.dataset_dir = earlier.dataset_dir
    elif has_files(flags.dataset_dir) and read_labels(flags.dataset_dir) != earlier.labels:
        raise BadInput(
            f"--continue_from {flags.continue_from} has the classes {', '.join(earlier.labels)}, "
            f"{flags.dataset_dir} {', '.join(read_labels(flags.dataset_dir))}; give the run as "
            "--checkpoint_path instead, which starts new heads"
        )
    if log_dir != flags.log_dir:
        which = "best" if BestCheckpoint(log_dir).record else "latest"
        flags.checkpoint_path, flags.restore_moving_averages = find_weights(log_dir, which)
        flags.checkpoint_exclude_scopes = ""


def fill_in_network(flags):
    """Returns the `Network`, and fills in its image size, preprocessing and channels."""
    network = find_network(flags.model_name)
    flags.image_size = flags.image_size or network.image_size
    check_image_size(flags.model_name, flags.image_size)
    flags.preprocessing_name = flags.preprocessing_name or network.preprocessing
    flags.use_grayscale = flags.use_grayscale or network.channels == 1
    return network


def check_train_image_size(flags, network):
    """Refuses crops of another size than in evaluation that the network cannot take.

    Raises:
      BadInput: they are too small, or the network's variables fit one size only.
    """
    if flags.train_image_scale == 1:
        return
    if network.flattens:
        raise BadInput(
            f"--train_image_scale {flags.train_image_scale:g}: the variables of {flags.model_name} "
            "fit one image size only; leave the flag out"
        )
    size = train_image_size(flags)
    if size < network.smallest_image_size:
        raise BadInput(
            f"--train_image_scale {flags.train_image_scale:g}: {flags.model_name} needs at least "
            f"{network.smallest_image_size} pixels per side, got {size}; give a larger --image_size"
        )


def train_image_size(flags):
    """Returns the height and width of training's crops, in pixels.

    Random crops show objects larger than evaluation does, so that a smaller side in training is
    closer to it, and faster (Touvron et al. 2019, "Fixing the train-test resolution discrepancy").
    """
    return max(1, round(flags.image_size * flags.train_image_scale))


def fill_in_dataset(flags):
    """Fills in --dataset_dir, which has to exist unless the dataset is downloaded by its name.

    Raises:
      BadInput: there is no such folder or dataset, or the folder holds images without TFRecords.
    """
    named = flags.dataset_name or not flags.dataset_dir
    flags.dataset_dir = str(
        flags.dataset_dir or Path("data", flags.dataset_name or DEFAULT_DATASET)
    )
    if named and not has_files(flags.dataset_dir):
        dataset_factory.find_dataset(flags.dataset_name or DEFAULT_DATASET)
    elif not Path(flags.dataset_dir).is_dir():
        raise BadInput(
            f"--dataset_dir {flags.dataset_dir} is not a folder; convert_flowers.py makes one"
        )
    elif any(Path(flags.dataset_dir).glob("*/*.[jJ]*")) and not find_shards(flags.dataset_dir):
        raise BadInput(
            f"--dataset_dir {flags.dataset_dir} holds images and no TFRecords; make them: python "
            f"convert_flowers.py --photos_dir {flags.dataset_dir} --dataset_dir data/mine"
        )
