"""Reads checkpoints with TensorFlow: variable shapes, the global step, and whether all is there."""

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
