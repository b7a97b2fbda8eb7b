"""Reads checkpoints with TensorFlow: shapes, a digest, the global step, whether all is there."""

import hashlib
import re

from checkpointing.scope_names import in_scopes
from keras_conversion.file_types import is_keras_file
from keras_conversion.weights import read_keras_weights
from slim_on_tf2 import tf
from system.errors import BadInput

# What TensorFlow's reader raises for a broken file.
_UNREADABLE = (tf.errors.OpError, ValueError, RuntimeError, IndexError)


def open_checkpoint(path):
    """Returns TensorFlow's reader of a checkpoint (V1 file or V2 prefix).

    Raises:
      BadInput: the file is broken or not a checkpoint.
    """
    try:
        return tf.train.load_checkpoint(path)
    except _UNREADABLE as error:
        raise BadInput(
            f"{path} cannot be read as a checkpoint ({_first_line(error)}); download or save it "
            "again"
        ) from error


def read_shapes(path):
    """Returns a dict from the name of each variable in a checkpoint to its shape, a list.

    Raises:
      BadInput: the checkpoint cannot be read.
    """
    return open_checkpoint(path).get_variable_to_shape_map()


def global_step_of(path):
    """Returns the global step of a checkpoint; 0 if it holds none."""
    reader = open_checkpoint(path)
    return int(reader.get_tensor("global_step")) if reader.has_tensor("global_step") else 0


# Not slots of a variable, but an optimizer's or the run's own.
COUNTERS = re.compile(r"global_step|beta[12]_power(_\d+)?")
MOVING_AVERAGE = "ExponentialMovingAverage"  # the suffix of tf.train.ExponentialMovingAverage


def is_training_state(name, names):
    """Whether a name in a checkpoint is a counter or a slot, which lies in its variable's scope.

    Args:
      name: the name.
      names: all names in the checkpoint, a container.
    """
    return name.rpartition("/")[0] in names or bool(COUNTERS.fullmatch(name))


def weights_digest(path, model_name, excluded_scopes, moving_averages=False):
    """Returns a digest of a checkpoint's weights, the same for files with equal weights.

    Args:
      path: a V1 file, a V2 prefix or a Keras file.
      model_name: the network, which a Keras file does not name.
      excluded_scopes: scopes that do not count, such as the heads.
      moving_averages: whether the moving average of a variable counts instead of the variable.

    Returns:
      A SHA-256, 64 hexadecimal digits, of names and values. Optimizer slots do not count.

    Raises:
      BadInput: the checkpoint cannot be read.
    """
    if is_keras_file(path):
        values = read_keras_weights(path, model_name)
        names, read = set(values), values.__getitem__
    else:
        reader = open_checkpoint(path)
        names, read = set(reader.get_variable_to_shape_map()), reader.get_tensor
    digest = hashlib.sha256()
    for name in sorted(names):
        if is_training_state(name, names) or in_scopes(name, excluded_scopes):
            continue
        average = f"{name}/{MOVING_AVERAGE}"
        value = read(average if moving_averages and average in names else name)
        digest.update(name.encode() + value.tobytes())
    return digest.hexdigest()


def check_readable(path):
    """Reads every tensor of a checkpoint: a truncated data file may have an intact index.

    Raises:
      BadInput: a tensor cannot be read.
    """
    try:
        reader = tf.train.load_checkpoint(path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except _UNREADABLE as error:
        raise BadInput(
            f"{path} is broken ({_first_line(error)}); download or save it again"
        ) from error


def is_readable(path):
    """Whether every tensor of a checkpoint can be read; a crash may leave a truncated file."""
    try:
        check_readable(path)
    except BadInput:
        return False
    return True


def _first_line(error):
    return str(error).partition("\n")[0] or type(error).__name__
