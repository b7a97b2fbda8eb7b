"""The settings of a training: its flags with their defaults, what they have to be, what they fetch.

Nothing here imports TensorFlow, so that a mistyped flag is answered at once.
"""

from pathlib import Path

from bad_input import BadInput
from datasets.description import find_shards
from datasets.factory import DATASETS, find_dataset
from datasets.factory import fetch as fetch_dataset
from flags import Parser, number, one_of, path, whole_number
from nets import checkpoint_path
from nets.checkpoint_files import refuse_pattern
from nets.factory import check_image_size, find_network
from preprocessing.factory import PREPROCESSING
from training.optimizer import OPTIMIZERS
from training.run_checkpoints import saved_by_run

DATASET = "flowers"
DATASET_DIR, LOG_DIR = f"data/{DATASET}", f"runs/{DATASET}"


def settings_parser(docstring):
    """A `Parser` of all settings; the tutorial's values where none is given."""
    parser = Parser(docstring)
    flag, switch = parser.flag, parser.switch
    steps = whole_number(1)

    flag("dataset_name", "NAME", path, None, f"one of {', '.join(DATASETS)} is fetched")
    flag("dataset_dir", "DIR", path, None, f"TFRecords (default {DATASET_DIR}, or data/NAME)")
    flag("log_dir", "DIR", path, None, f"checkpoints, summaries (default {LOG_DIR}, or runs/NAME)")

    flag("model_name", "NAME", str, "inception_resnet_v2", "network")
    flag("image_size", "PX", steps, None, "side of its input (default the network's)")
    flag("preprocessing_name", "NAME", one_of(PREPROCESSING), None, "(default the network's)")
    switch("use_grayscale", "photos of one channel; the first layer is not restored")

    flag("checkpoint_path", "WHICH", path, None, "name, path or none (default the published one)")
    flag("checkpoints_dir", "DIR", path, None, "of published ones (default checkpoints)")
    flag("checkpoints_mirror", "PLACE", path, None, "folder or URL of their archives")
    flag("checkpoint_exclude_scopes", "A,B", str, None, "not restored (default its heads)")
    switch("restore_moving_averages", "begin with those of the checkpoint")
    switch("ignore_missing_vars", "restore what fits, and let the rest begin at random")

    flag("batch_size", "N", steps, 10, "photos a step")
    flag("num_epochs", "X", number(above=0), 70, "times through the photos")
    flag("max_number_of_steps", "N", whole_number(0), None, "last step, in place of --num_epochs")
    flag("trainable_scopes", "A,B", str, None, "train these alone (default all)")
    flag("seed", "N", whole_number(0), 0, "of order, distortions and random weights")
    _add_optimization(flag, switch)

    flag("eval_steps", "N", steps, None, "steps between validations (default an epoch)")
    flag("save_steps", "N", steps, None, "steps between checkpoints (default 10 minutes)")
    flag("summary_steps", "N", steps, 10, "steps between summaries and lines")
    return parser


def _add_optimization(flag, switch):
    positive, share = number(above=0), number(least=0, below=1)
    decay = number(above=0, below=1)
    flag("optimizer", "NAME", one_of(OPTIMIZERS), "adam", ", ".join(OPTIMIZERS))
    flag("learning_rate", "X", positive, 0.0002, "of the first step")
    flag("learning_rate_decay_factor", "X", number(above=0, most=1), 0.7, "the rate, times this")
    flag("num_epochs_per_decay", "X", positive, 2.0, "after so many epochs, in stairs")
    flag("weight_decay", "X", number(least=0), 0.00004, "factor of the L2 loss of the weights")
    flag("label_smoothing", "X", share, 0.0, "share of a label given to all classes")
    flag("moving_average_decay", "X", decay, None, "keeps averages of the weights (default none)")
    flag("batch_norm_decay", "X", decay, None, "of its moving averages (default grows to 0.99)")
    switch("freeze_batch_norm", "keep the restored averages, in training too")


def check(flags):
    """Refuses what cannot work, and fills in the defaults that depend on other flags.

    Args:
      flags: as `settings_parser` gives them.

    Raises:
      BadInput: names the flag, what was expected, and the cure.
    """
    network = find_network(flags.model_name)
    flags.image_size = flags.image_size or network.image_size
    check_image_size(flags.model_name, flags.image_size)
    flags.preprocessing_name = flags.preprocessing_name or network.preprocessing
    flags.use_grayscale = flags.use_grayscale or network.channels == 1
    check_dataset(flags)
    if flags.max_number_of_steps is not None:
        flags.num_epochs = None  # which is then not in force
    if flags.checkpoint_exclude_scopes is None:
        flags.checkpoint_exclude_scopes = ",".join(network.head_scopes)
    flags.log_dir = str(Path(flags.log_dir or Path("runs", flags.dataset_name or DATASET)))
    refuse_pattern(flags.log_dir)
    if not saved_by_run(flags.log_dir):
        if flags.checkpoint_path is None and network.checkpoint is None:
            flags.checkpoint_path = checkpoint_path.NONE
        flags.checkpoint_path = checkpoint_path.check(flags.checkpoint_path, flags.model_name)
        if flags.restore_moving_averages and flags.checkpoint_path == checkpoint_path.NONE:
            raise BadInput(
                "--restore_moving_averages: --checkpoint_path none has no moving averages; leave "
                "one of the two out"
            )


def check_dataset(flags):
    """Fills in --dataset_dir, which has to be there, but for a dataset that is fetched by its name.

    Raises:
      BadInput: there is no such folder, or no such dataset.
    """
    named = flags.dataset_name or not flags.dataset_dir
    flags.dataset_dir = str(flags.dataset_dir or Path("data", flags.dataset_name or DATASET))
    if named and not has_files(flags.dataset_dir):
        find_dataset(flags.dataset_name or DATASET)
    elif not Path(flags.dataset_dir).is_dir():
        raise BadInput(
            f"--dataset_dir {flags.dataset_dir} is no folder; convert_flowers.py makes one"
        )
    elif any(Path(flags.dataset_dir).glob("*/*.[jJ]*")) and not find_shards(flags.dataset_dir):
        raise BadInput(
            f"--dataset_dir {flags.dataset_dir} holds photos and no TFRecords; make them: "
            f"convert_flowers.py --photos_dir {flags.dataset_dir} --dataset_dir data/mine"
        )


def has_files(folder):
    """Whether anything is in `folder` but hidden files."""
    return any(Path(folder).glob("[!.]*"))


def fetch(flags):
    """Fetches what a new run lacks: the first weights, and the photos where none are."""
    if saved_by_run(flags.log_dir):
        return
    found = checkpoint_path.find(
        flags.checkpoint_path, flags.model_name, flags.checkpoints_dir, flags.checkpoints_mirror
    )
    flags.checkpoint_path = found or checkpoint_path.NONE
    if not has_files(flags.dataset_dir):
        fetch_dataset(flags.dataset_name or DATASET, flags.dataset_dir)
