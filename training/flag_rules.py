"""Which flags of train_flowers.py need others: a flag that would have no effect is refused."""

from checkpointing.checkpoint_path import NONE
from system.errors import BadInput
from training.optimizers import OPTIMIZERS, optimizers_with

BALANCED = "balanced"  # the value of --class_weights that counts each class alike
RANGE_TEST = "range_test"  # the learning_rate_decay_type of --find_learning_rate
DECAY_TYPES = ("exponential", "cosine", "polynomial", "fixed")
HEAD = "HEAD"  # the value of --trainable_scopes that trains the last layer on cached features

# Flags, when they have an effect, and what to give for that.
_RULES = [
    (
        ("learning_rate_decay_factor", "num_epochs_per_decay"),
        lambda flags: flags.learning_rate_decay_type == "exponential",
        "--learning_rate_decay_type exponential",
    ),
    (
        ("end_learning_rate",),
        lambda flags: flags.learning_rate_decay_type in ("cosine", "polynomial"),
        "--learning_rate_decay_type cosine or polynomial",
    ),
    (
        (
            *("augmentation", "train_image_scale", "mixup_alpha", "cutmix_alpha"),
            *("freeze_batch_norm", "batch_norm_decay"),
        ),
        lambda flags: flags.trainable_scopes != HEAD,
        "another value of --trainable_scopes: HEAD trains on features, not on images",
    ),
    (
        ("learning_rate_multipliers", "layer_decay"),
        lambda flags: flags.trainable_scopes != HEAD,
        "another value of --trainable_scopes",
    ),
    (
        ("batch_norm_decay",),
        lambda flags: not flags.freeze_batch_norm,
        "no --freeze_batch_norm",
    ),
    (
        ("features_dir",),
        lambda flags: flags.head_init == "fit" or flags.trainable_scopes == HEAD,
        "--head_init fit or --trainable_scopes HEAD",
    ),
    (("class_weights",), lambda flags: not flags.balanced_sampling, "no --balanced_sampling"),
    (
        ("restore_moving_averages",),
        lambda flags: flags.checkpoint_path != NONE,
        "a --checkpoint_path",
    ),
    (
        ("max_number_of_steps",),
        lambda flags: flags.num_epochs is None,
        "no --num_epochs",
    ),
]
_OPTIMIZER_FLAGS = sorted({flag for row in OPTIMIZERS.values() for flag in row.flags.values()})
_CONTINUED = (
    "checkpoint_path",
    "checkpoint_exclude_scopes",
    "restore_moving_averages",
    "ignore_missing_vars",
    "head_init",
)


def check_effects(flags, given):
    """Refuses flags that have no effect with the others.

    Args:
      flags: the flags of train_flowers.py, with the recipe applied.
      given: the names of the flags that were given.

    Raises:
      BadInput: names the first flag without effect, and the cure.
    """
    for names, has_effect, cure in _RULES:
        for name in names:
            if name in given and not has_effect(flags):
                raise BadInput(f"--{name} has no effect here; leave it out, or give {cure}")
    for name in (*_OPTIMIZER_FLAGS, "opt_epsilon"):
        optimizers = optimizers_with(name)
        if name in given and flags.optimizer not in optimizers:
            raise BadInput(
                f"--{name} has no effect with --optimizer {flags.optimizer}; leave it out, or give "
                f"--optimizer {' or '.join(optimizers)}"
            )
    for name in _CONTINUED:
        if name in given and flags.continue_from:
            raise BadInput(f"--{name} cannot be combined with --continue_from, which restores all")


def check_features(flags):
    """Refuses features of a network whose layers below the head are not all restored.

    Raises:
      BadInput: names the flag, and the cure.
    """
    for flag, value in (("head_init", "fit"), ("trainable_scopes", HEAD)):
        if getattr(flags, flag) != value:
            continue
        if flags.checkpoint_path == NONE:
            raise BadInput(f"--{flag} {value} needs pretrained weights; give a --checkpoint_path")
        if flags.ignore_missing_vars:
            raise BadInput(f"--{flag} {value} cannot be combined with --ignore_missing_vars")
