"""A network with its published checkpoint, used without training: `--model_name`.

    network = find_published("mobilenet_v1")
    checkpoint = network.fetch()              # downloads it once

Free of TensorFlow, so that a wrong flag is answered at once.
"""

from dataclasses import dataclass
from importlib.metadata import version

from checkpointing.checkpoint_path import NONE, check_checkpoint_path
from checkpointing.download import resolve_checkpoint_path
from checkpointing.published import CHECKPOINTS
from keras_conversion.file_types import KERAS_SUFFIXES
from nets.imagenet_classes import class_names
from nets.networks import NETWORKS, check_image_size, find_network
from system.errors import BadInput
from system.flags import checked_value, path, pixels, place
from system.precision_names import AUTO
from training.run_record import PACKAGES, Run

OPTIONS = ("checkpoint_path", "checkpoints_dir", "checkpoints_mirror", "image_size")


@dataclass(frozen=True)
class PublishedNetwork:
    """A network, its checkpoint, and where that is found.

    Attributes:
      run: a `Run` with the network, its image size and preprocessing, and ImageNet's class names.
      checkpoint_path: a name of `CHECKPOINTS`, or a path.
      checkpoints_dir, checkpoints_mirror: as for `download.fetch_published`.
    """

    run: Run
    checkpoint_path: str
    checkpoints_dir: str | None = None
    checkpoints_mirror: str | None = None

    def fetch(self):
        """Returns the path of the checkpoint; downloads and unpacks it if necessary.

        Raises:
          BadInput: as `download.resolve_checkpoint_path`.
        """
        return resolve_checkpoint_path(
            self.checkpoint_path, self.run.model_name, self.checkpoints_dir, self.checkpoints_mirror
        )

    def describe(self):
        """Returns the line that the scripts print."""
        return (
            f"Network: {self.run.model_name} at {self.run.image_size} px, "
            f"{len(self.run.labels):,} classes, checkpoint {self.checkpoint_path}"
        )


def find_published(
    model_name,
    checkpoint_path=None,
    checkpoints_dir=None,
    checkpoints_mirror=None,
    image_size=None,
):
    """Finds a network with its published checkpoint; downloads nothing yet.

    Args:
      model_name: a key of `networks.NETWORKS` with a published checkpoint.
      checkpoint_path: as --checkpoint_path of train_flowers.py; by default the published one.
      checkpoints_dir, checkpoints_mirror: as for `download.fetch_published`.
      image_size: side of the network's input in pixels; by default that of the published checkpoint
        named by `checkpoint_path`, else the network's.

    Returns:
      A `PublishedNetwork`.

    Raises:
      BadInput: there is no such network or checkpoint, the network has no published checkpoint, or
        the image size is too small.
    """
    network = find_network(model_name)
    if network.checkpoint is None:
        published = (name for name, row in NETWORKS.items() if row.checkpoint)
        raise BadInput(
            f"--model_name: no checkpoint of {model_name} was published; give --log_dir a run of "
            f"your own, or one of {', '.join(published)}"
        )
    image_size = checked_value("image_size", pixels, image_size)
    where = check_checkpoint_path(
        checked_value("checkpoint_path", path, checkpoint_path), model_name
    )
    if where == NONE:
        raise BadInput(
            f"--checkpoint_path {NONE} has no weights to predict with; leave it out for the "
            "published checkpoint"
        )
    if where.endswith(KERAS_SUFFIXES):
        raise BadInput(
            f"--checkpoint_path {where} is a Keras file, which only train_flowers.py reads; leave "
            "it out for the published checkpoint, or give a TensorFlow checkpoint"
        )
    if image_size is None:
        image_size = getattr(CHECKPOINTS.get(where), "image_size", network.image_size)
    check_image_size(model_name, image_size)
    run = Run(
        model_name=model_name,
        image_size=image_size,
        preprocessing_name=network.preprocessing,
        use_grayscale=network.channels == 1,
        labels=class_names(model_name),
        dataset_name="imagenet",
        dataset_dir="",
        mixed_precision=AUTO,
        # What a training would add.
        optimizer="",
        trainable_scopes=None,
        batch_size=0,
        num_examples=0,
        flags={},
        versions={package: version(package) for package in PACKAGES},
    )
    return PublishedNetwork(
        run,
        where,
        checked_value("checkpoints_dir", path, checkpoints_dir),
        checked_value("checkpoints_mirror", place, checkpoints_mirror),
    )


def add_flags(parser):
    """Adds --model_name and `OPTIONS` to a `system.flags.Parser`."""
    flag = parser.flag
    flag("model_name", "NAME", str, None, "published network, instead of a run")
    flag("checkpoint_path", "WHICH", path, None, "its checkpoint: name, path (default published)")
    flag("checkpoints_dir", "DIR", path, None, "published checkpoints (default checkpoints)")
    flag("checkpoints_mirror", "PLACE", place, None, "folder or URL of their archives")
    flag("image_size", "PX", pixels, None, "side of its input (default the network's)")


def choose_network(model_name, options, given, prefix="--"):
    """Returns the `PublishedNetwork` of a command line or of a call, or None without a name.

    Args:
      model_name: a key of `networks.NETWORKS`, or None.
      options: a dict from the names of `OPTIONS` to their values; None where not given.
      given: names of other arguments that were given and that need a run or an export.
      prefix: what precedes a name in a message: nothing for arguments of a call.

    Raises:
      BadInput: as `find_published`; or the arguments exclude each other.
      TypeError: there is no option of that name.
    """
    unknown = sorted(options.keys() - set(OPTIONS))
    if unknown:
        raise TypeError(f"unexpected keyword argument {unknown[0]!r}")
    if model_name is not None:
        for name in given:
            raise BadInput(
                f"{prefix}{name} cannot be combined with {prefix}model_name, a published network "
                "without a run"
            )
        return find_published(model_name, **options)
    for name, value in options.items():
        if value is not None:
            raise BadInput(f"{prefix}{name} requires {prefix}model_name, a published network")
    return None
