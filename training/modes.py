"""What train_flowers.py does instead of training, by the flag that asks for it."""

from checkpointing.variable_list import list_variables_of_flags
from training.dry_run import dry_run
from training.rate_finder import find_learning_rate


def print_variables(flags, train):
    """Prints the network's variables by scope; returns 0, the exit status."""
    del train
    print(*list_variables_of_flags(flags), sep="\n")
    return 0


# Flag -> a function of the flags and of `train_flowers.train`; it returns the exit status.
MODES = {
    "list_variables": print_variables,
    "find_learning_rate": find_learning_rate,
    "dry_run": dry_run,
}


def take_mode(flags):
    """Removes the flags of `MODES`, which are no settings of a run.

    Returns:
      The function of the one that was given, or None.
    """
    given = [function for name, function in MODES.items() if vars(flags).pop(name)]
    return given[0] if given else None
