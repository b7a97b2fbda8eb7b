"""Which flags of train_flowers.py need others: a flag that would have no effect is refused."""

from checkpointing.checkpoint_path import NONE
from checkpointing.scope_names import in_scopes, split_scopes
from system.errors import BadInput
from training.optimizers import OPTIMIZERS, optimizers_with

BALANCED = "balanced"  # the value of --class_weights that counts each class alike
CACHES = ("encoded", "decoded")  # the values of --cache
ON, OFF = "on", "off"  # the values of --xla
RANGE_TEST = "range_test"  # the learning_rate_decay_type of --find_learning_rate
DECAY_TYPES = ("exponential", "cosine", "polynomial", "fixed")
MODE_FLAGS = ("list_variables", "find_learning_rate", "dry_run")  # see `training.modes`
HEAD = "HEAD"  # the value of --trainable_scopes that trains the last layer on cached features

# Flags, when they have an effect, and with what they have none.
_RULES = [
    (
        ("learning_rate_decay_factor", "num_epochs_per_decay"),
        lambda flags: flags.learning_rate_decay_type == "exponential",
        "a --learning_rate_decay_type other than exponential",
    ),
    (
        ("end_learning_rate",),
        lambda flags: flags.learning_rate_decay_type in ("cosine", "polynomial"),
        "a --learning_rate_decay_type other than cosine and polynomial",
    ),
    (
        (
            *("augmentation", "train_image_scale", "mixup_alpha", "cutmix_alpha"),
            *("freeze_batch_norm", "batch_norm_decay"),
            *("learning_rate_multipliers", "layer_decay"),
        ),
        lambda flags: flags.trainable_scopes != HEAD,
        f"--trainable_scopes {HEAD}, which trains one layer on features",
    ),
    (("batch_norm_decay",), lambda flags: not flags.freeze_batch_norm, "--freeze_batch_norm"),
    (
        ("features_dir",),
        lambda flags: flags.head_init == "fit" or flags.trainable_scopes == HEAD,
        f"neither --head_init fit nor --trainable_scopes {HEAD}",
    ),
    (("cache_dir",), lambda flags: flags.cache is not None, "no --cache; give it too"),
    (
        ("cache",),
        lambda flags: flags.trainable_scopes != HEAD,
        f"--trainable_scopes {HEAD}, which reads features",
    ),
    (("class_weights",), lambda flags: not flags.balanced_sampling, "--balanced_sampling"),
    (
        ("restore_moving_averages", "ignore_missing_vars", "checkpoint_exclude_scopes"),
        lambda flags: flags.checkpoint_path != NONE,
        "--checkpoint_path none, or a network without a published checkpoint",
    ),
    (("max_number_of_steps",), lambda flags: flags.num_epochs is None, "--num_epochs"),
    (
        (
            *("learning_rate", "learning_rate_decay_type", "warmup_epochs", "end_learning_rate"),
            *("num_epochs", "max_number_of_steps", "max_minutes", "eval_steps", "summary_steps"),
        ),
        lambda flags: not getattr(flags, "find_learning_rate", False),
        "--find_learning_rate",
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
    for names, has_effect, other in _RULES:
        for name in names:
            if name in given and not has_effect(flags):
                raise BadInput(f"--{name} has no effect with {other}; leave one of them out")
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


def check_features(flags, head_scopes):
    """Refuses features of a network whose layers below the head are not all restored.

    Args:
      flags: the flags of train_flowers.py.
      head_scopes: the scopes of the network's classifiers, the main one first.

    Raises:
      BadInput: names the flag, and the cure.
    """
    if HEAD in split_scopes(flags.trainable_scopes) and flags.trainable_scopes != HEAD:
        raise BadInput(f"--trainable_scopes {HEAD} stands alone; give {head_scopes[0]} instead")
    excluded = split_scopes(flags.checkpoint_exclude_scopes)
    below_head = [scope for scope in excluded if not in_scopes(scope, head_scopes)]
    for flag, value in (("head_init", "fit"), ("trainable_scopes", HEAD)):
        if getattr(flags, flag) != value:
            continue
        if flags.checkpoint_path == NONE:
            raise BadInput(f"--{flag} {value} needs pretrained weights; give a --checkpoint_path")
        if flags.ignore_missing_vars:
            raise BadInput(f"--{flag} {value} cannot be combined with --ignore_missing_vars")
        if below_head:
            raise BadInput(
                f"--{flag} {value} needs every layer below the head restored; leave "
                f"{', '.join(below_head)} out of --checkpoint_exclude_scopes"
            )
    if flags.head_init == "fit" and not in_scopes(head_scopes[0], excluded):
        raise BadInput(
            f"--head_init fit: the head is restored; add {head_scopes[0]} to "
            "--checkpoint_exclude_scopes, or leave --head_init out"
        )
