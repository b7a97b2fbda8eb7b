"""The flags of train_flowers.py: one table, with their defaults.

Free of TensorFlow, so that a wrong flag is answered at once.
"""

from pathlib import Path

from datasets.dataset_factory import DATASETS
from preprocessing.augmentations import AUGMENTATIONS
from preprocessing.schemes import PREPROCESSING
from system.errors import BadInput
from system.flags import (
    Parser,
    named_numbers,
    number,
    one_of,
    path,
    pixels,
    place,
    seed_number,
    whole_number,
)
from system.precision_names import AUTO, PRECISIONS
from training.flag_checks import EPOCHS, check_together, fill_in_dataset, fill_in_network
from training.flag_rules import BALANCED, CACHES, DECAY_TYPES, HEAD, MODE_FLAGS, OFF, ON
from training.optimizers import OPTIMIZERS
from training.recipes import RECIPES
from training.run_checkpoints import CRITERIA

# Said elsewhere at the start of a training, or of no influence on the weights.
NOT_SETTINGS = {
    *("dataset_name", "dataset_dir", "log_dir", "features_dir", "checkpoints_dir", "cache_dir"),
    *("checkpoints_mirror", "checkpoint_path", "checkpoint_exclude_scopes", "continue_from"),
    *("model_name", "image_size", "preprocessing_name", "recipe", "mixed_precision"),
}


def flags_parser(docstring=""):
    """Returns the `Parser` of a training; the defaults are the tutorial's."""
    parser = Parser(docstring)
    flag, switch = parser.flag, parser.switch
    steps, positive, length = whole_number(1), number(above=0), number(above=0, most=1e6)
    share, decay = number(least=0, below=1), number(above=0, below=1)

    flag("dataset_name", "NAME", path, None, f"dataset to download: {', '.join(DATASETS)}")
    flag("dataset_dir", "DIR", path, None, "TFRecords (default data/flowers, or data/NAME)")
    flag("log_dir", "DIR", path, None, "run folder (default runs/flowers, or runs/NAME)")
    kinds = one_of(CACHES)
    flag("cache", "WHAT", kinds, None, "keep the training images in memory: encoded, decoded")
    flag("cache_dir", "DIR", path, None, "keep them in a file of this folder instead")
    # The network, and what its images look like.
    flag("model_name", "NAME", str, "inception_resnet_v2", "network")
    flag("image_size", "PX", pixels, None, "side of its input (default the network's)")
    scale = number(above=0, most=2)
    flag("train_image_scale", "X", scale, 1.0, "training crops as a fraction of --image_size")
    schemes = one_of(PREPROCESSING)
    flag("preprocessing_name", "NAME", schemes, None, "scheme (default the network's)")
    switch("use_grayscale", "one channel; the first layer is not restored")
    # Pretrained weights: the published ones, without the heads, whose shape is that of the classes.
    flag("checkpoint_path", "WHICH", path, None, "name, path or none (default the published one)")
    flag("checkpoints_dir", "DIR", path, None, "published checkpoints (default checkpoints)")
    flag("checkpoints_mirror", "PLACE", place, None, "folder or URL of their archives")
    flag("checkpoint_exclude_scopes", "A,B", str, None, "scopes not to restore (default the heads)")
    switch("restore_moving_averages", "start from the checkpoint's averages of the weights")
    switch("ignore_missing_vars", "initialize what the checkpoint lacks at random")
    flag("continue_from", "RUN", path, None, "run whose weights, heads included, are trained on")
    flag(
        "head_init",
        "HOW",
        one_of(("zeros", "published", "fit")),
        "zeros",
        "initial head: zeros, published, fit (to frozen features)",
    )
    flag("features_dir", "DIR", path, "features", "where features of frozen networks are kept")
    # The length of the run: 70 epochs of 10 images per step take one GPU a night.
    flag("recipe", "NAME", one_of(RECIPES), "tutorial", "values of other flags: docs/recipes.md")
    flag("batch_size", "N", steps, 10, "images per step")
    flag("accumulate_steps", "N", steps, 1, "batches per step, whose gradients are averaged")
    flag("num_epochs", "X", length, None, f"passes over the training split (default {EPOCHS})")
    flag("max_number_of_steps", "N", whole_number(0), None, "last step, instead of --num_epochs")
    flag("max_minutes", "X", length, None, "minutes for this start; shortens the run to fit")
    flag(
        "early_stopping_epochs",
        "X",
        length,
        None,
        "epochs without a better validation that end the run",
    )
    flag("best_by", "METRIC", one_of(CRITERIA), "accuracy", f"of the best: {', '.join(CRITERIA)}")
    flag("trainable_scopes", "A,B", str, None, f"scopes to train, or {HEAD} (default all)")
    flag("seed", "N", seed_number, 0, "seed of shuffling, augmentation and initial weights")
    # Adam at a fifth of its usual rate spares the pretrained weights; the rate decays in stairs.
    flag("learning_rate", "X", positive, 0.0002, "initial learning rate, after the warmup")
    kinds = one_of(DECAY_TYPES)
    flag("learning_rate_decay_type", "HOW", kinds, "exponential", ", ".join(DECAY_TYPES))
    flag("learning_rate_decay_factor", "X", number(above=0, most=1), 0.7, "of each decay")
    flag("num_epochs_per_decay", "X", length, 2.0, "epochs between decays")
    flag("end_learning_rate", "X", number(least=0), 0.0, "final rate of cosine and polynomial")
    flag("warmup_epochs", "X", number(0, most=1e6), 0.0, "epochs in which the rate grows from zero")
    multipliers = named_numbers()
    flag("learning_rate_multipliers", "A=X,...", multipliers, None, "of the rate, by scope")
    flag(
        "layer_decay", "X", number(above=0, most=1), None, "multiplier of each block below the head"
    )
    flag("optimizer", "NAME", one_of(OPTIMIZERS), "adam", ", ".join(OPTIMIZERS))
    formats = one_of(PRECISIONS)
    flag("mixed_precision", "HOW", formats, AUTO, f"16-bit products: {', '.join(PRECISIONS)}")
    flag("xla", "HOW", one_of((ON, OFF)), OFF, "on compiles parts of a step by XLA; off")
    switch("recompute", "compute activations twice: less memory, more time")
    # The optimizers' parameters, with slim's names and values.
    flag("adam_beta1", "X", share, 0.9, "decay of Adam's mean gradient")
    flag("adam_beta2", "X", share, 0.999, "decay of its mean squared gradient")
    flag("opt_epsilon", "X", positive, None, "(default 1e-8, of rmsprop 1)")
    flag("momentum", "X", share, 0.9, "of --optimizer momentum")
    switch("nesterov", "Nesterov's momentum")
    flag("rmsprop_momentum", "X", share, 0.9, "of --optimizer rmsprop")
    flag("rmsprop_decay", "X", share, 0.9, "of its mean squared gradient")
    flag("adadelta_rho", "X", share, 0.95, "decay of adadelta's averages")
    flag("adagrad_initial_accumulator_value", "X", positive, 0.1, "of adagrad")
    flag("ftrl_learning_rate_power", "X", number(most=0), -0.5, "of ftrl")
    flag("ftrl_initial_accumulator_value", "X", number(least=0), 0.1, "of ftrl")
    flag("ftrl_l1", "X", number(least=0), 0.0, "of ftrl, strength of its L1 penalty")
    flag("ftrl_l2", "X", number(least=0), 0.0, "of ftrl, strength of its L2 penalty")
    flag("clip_gradient_norm", "X", positive, None, "largest norm of all gradients (default none)")
    # The published L2 factor; all else that regularizes is off, as in the tutorial.
    flag(
        "weight_decay",
        "X",
        number(least=0),
        0.00004,
        "factor of the weights' L2 loss; of adamw's decay",
    )
    flag("label_smoothing", "X", share, 0.0, "part of each label spread over all classes")
    flag("augmentation", "NAME", one_of(AUGMENTATIONS), "published", ", ".join(AUGMENTATIONS))
    flag("mixup_alpha", "X", number(least=0), 0.0, "mixes pairs of images; 0.2 is usual")
    flag("cutmix_alpha", "X", number(least=0), 0.0, "pastes parts of images; 1 is usual")
    flag("class_weights", "A=X,...", named_numbers(BALANCED), None, f"in the loss, or {BALANCED}")
    switch("balanced_sampling", "read images of smaller classes more often")
    flag("moving_average_decay", "X", decay, None, "decay of weight averages (default none)")
    flag("batch_norm_decay", "X", decay, None, "of its averages (default grows to 0.99)")
    switch("freeze_batch_norm", "keep the restored moving averages, in training too")
    # What is written: little enough for a night's disk, often enough to watch.
    flag("eval_steps", "N", steps, None, "steps between validations (default an epoch)")
    flag("save_steps", "N", steps, None, "steps between checkpoints (default 10 minutes)")
    flag("summary_steps", "N", steps, 10, "steps between summaries and console lines")
    return parser


def parse_flags(argv=None, docstring=""):
    """Returns the flags of a command line, each checked by itself and all of them together."""
    parser = flags_parser(docstring)
    parser.switch("list_variables", "print the network's variables by scope, and train nothing")
    parser.switch(
        "find_learning_rate", "draw the loss over the rate, in two minutes; train nothing"
    )
    parser.switch("dry_run", "train a few steps, print time, memory and disk of the run")
    flags = parser.parse_args(argv)
    modes = [name for name in MODE_FLAGS if getattr(flags, name)]
    if len(modes) > 1:
        raise BadInput(f"--{modes[0]} cannot be combined with --{modes[1]}; leave one of them out")
    if flags.list_variables:
        fill_in_network(flags)
        fill_in_dataset(flags)
    else:
        check_together(flags, parser.given(argv))
    return flags


def describe_settings(flags):
    """Returns the line with the recipe and each setting that differs from its default, a list."""
    defaults = flags_parser().defaults() | {"num_epochs": EPOCHS, "max_number_of_steps": None}
    settings = [
        f"{name} {value}"
        for name, value in vars(flags).items()
        if name in defaults and name not in NOT_SETTINGS and value not in (None, defaults[name])
    ]
    return [f"Recipe {flags.recipe}: {', '.join(settings) or 'the defaults'}"]


def flags_of_call(dataset, network, log_dir, settings):
    """Returns the flags of a call of `fine_tune`, checked like those of a command line.

    Args:
      dataset: the name of a dataset that is downloaded, or the folder of its TFRecords.
      network: the name of a network.
      log_dir: the run's folder.
      settings: the other flags, name -> value.

    Raises:
      BadInput: an argument is missing or given twice, or a value is not what its flag takes.
    """
    for name, value in {"dataset": dataset, "network": network, "log_dir": log_dir}.items():
        if value is None:
            raise BadInput(f"{name}: expected a name or a folder, got None")
    for name in {"dataset_name", "dataset_dir", "model_name"} & settings.keys():
        raise BadInput(f"{name}: is given by the first arguments, dataset and network")
    is_name = str(dataset) in DATASETS or not (Path(dataset).is_dir() or Path(dataset).parent.name)
    place = {"dataset_name" if is_name else "dataset_dir": dataset}
    flags = flags_parser().checked(model_name=network, log_dir=log_dir, **place, **settings)
    given = {name for name, value in settings.items() if value is not None}
    check_together(flags, given | {"model_name", "log_dir", *place})
    return flags
