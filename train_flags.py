"""The flags of train_flowers.py: the table with its defaults, and what they need together.

Free of TensorFlow, so that a wrong flag is answered at once.
"""

from pathlib import Path

from checkpointing.checkpoint_path import NONE, check_checkpoint_path
from checkpointing.files import refuse_glob_characters
from datasets import dataset_factory
from datasets.dataset_factory import DATASETS, DEFAULT_DATASET
from datasets.description import find_shards
from nets.networks import check_image_size, find_network
from preprocessing.schemes import PREPROCESSING
from system.errors import BadInput
from system.files import has_files
from system.flags import Parser, number, one_of, path, whole_number
from training.optimizers import OPTIMIZERS
from training.run_checkpoints import saved_checkpoints


def flags_parser(docstring=""):
    """Returns the `Parser` of a training; the defaults are the tutorial's."""
    parser = Parser(docstring)
    flag, switch = parser.flag, parser.switch
    steps, positive = whole_number(1), number(above=0)
    share, decay = number(least=0, below=1), number(above=0, below=1)

    flag("dataset_name", "NAME", path, None, f"dataset to download: {', '.join(DATASETS)}")
    flag("dataset_dir", "DIR", path, None, "TFRecords (default data/flowers, or data/NAME)")
    flag("log_dir", "DIR", path, None, "run folder (default runs/flowers, or runs/NAME)")
    # The network, and what its images look like.
    flag("model_name", "NAME", str, "inception_resnet_v2", "network")
    flag("image_size", "PX", steps, None, "side of its input (default the network's)")
    schemes = one_of(PREPROCESSING)
    flag("preprocessing_name", "NAME", schemes, None, "scheme (default the network's)")
    switch("use_grayscale", "one channel; the first layer is not restored")
    # Pretrained weights: the published ones, without the heads, whose shape is that of the classes.
    flag("checkpoint_path", "WHICH", path, None, "name, path or none (default the published one)")
    flag("checkpoints_dir", "DIR", path, None, "published checkpoints (default checkpoints)")
    flag("checkpoints_mirror", "PLACE", path, None, "folder or URL of their archives")
    flag("checkpoint_exclude_scopes", "A,B", str, None, "scopes not to restore (default the heads)")
    switch("restore_moving_averages", "start from the checkpoint's averages of the weights")
    switch("ignore_missing_vars", "initialize what the checkpoint lacks at random")
    # The length of the run: 70 epochs of 10 images per step take one GPU a night.
    flag("batch_size", "N", steps, 10, "images per step")
    flag("num_epochs", "X", positive, 70, "passes over the training split")
    flag("max_number_of_steps", "N", whole_number(0), None, "last step, instead of --num_epochs")
    flag("trainable_scopes", "A,B", str, None, "scopes to train (default all)")
    flag("seed", "N", whole_number(0), 0, "seed of shuffling, augmentation and initial weights")
    # Adam at a fifth of its usual rate spares the pretrained weights; the rate decays in stairs.
    flag("optimizer", "NAME", one_of(OPTIMIZERS), "adam", ", ".join(OPTIMIZERS))
    flag("learning_rate", "X", positive, 0.0002, "initial learning rate")
    flag("learning_rate_decay_factor", "X", number(above=0, most=1), 0.7, "factor of each decay")
    flag("num_epochs_per_decay", "X", positive, 2.0, "epochs between decays")
    # The published L2 factor; smoothing and averages are off, as in the tutorial.
    flag("weight_decay", "X", number(least=0), 0.00004, "factor of the weights' L2 loss")
    flag("label_smoothing", "X", share, 0.0, "part of each label spread over all classes")
    flag(
        "moving_average_decay",
        "X",
        decay,
        None,
        "decay of weight averages (default none)",
    )
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
    flags = parser.parse_args(argv)
    if flags.list_variables:
        fill_in_network(flags)
        fill_in_dataset(flags)
    else:
        check_together(flags)
    return flags


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
    check_together(flags)
    return flags


def check_together(flags):
    """Refuses what cannot work, and fills in the defaults that depend on other flags.

    Raises:
      BadInput: names the flag, what was expected, and the cure.
    """
    network = fill_in_network(flags)
    fill_in_dataset(flags)
    if flags.max_number_of_steps is not None:
        flags.num_epochs = None  # not in force
    if flags.checkpoint_exclude_scopes is None:
        flags.checkpoint_exclude_scopes = ",".join(network.head_scopes)
    flags.log_dir = str(Path(flags.log_dir or Path("runs", flags.dataset_name or DEFAULT_DATASET)))
    refuse_glob_characters(flags.log_dir)
    if saved_checkpoints(flags.log_dir):
        return  # a resumed run does not read its initial weights
    if flags.checkpoint_path is None and network.checkpoint is None:
        flags.checkpoint_path = NONE
    flags.checkpoint_path = check_checkpoint_path(flags.checkpoint_path, flags.model_name)
    if flags.restore_moving_averages and flags.checkpoint_path == NONE:
        raise BadInput(
            "--restore_moving_averages cannot be combined with --checkpoint_path none, which has "
            "no moving averages"
        )


def fill_in_network(flags):
    """Returns the `Network`, and fills in its image size, preprocessing and channels."""
    network = find_network(flags.model_name)
    flags.image_size = flags.image_size or network.image_size
    check_image_size(flags.model_name, flags.image_size)
    flags.preprocessing_name = flags.preprocessing_name or network.preprocessing
    flags.use_grayscale = flags.use_grayscale or network.channels == 1
    return network


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
