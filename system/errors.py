"""The exception for everything that a user can fix: a flag, a file, a record."""


class BadInput(Exception):
    """One line that names the flag, file or record, what was expected, and the cure.

    A script that raises it prints that line without a traceback and exits with status 2.
    """
