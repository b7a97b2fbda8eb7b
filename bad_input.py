"""The error of everything that a user can cure: a flag, a file, a record."""


class BadInput(Exception):
    """Names the flag, file or record, what was expected, and the cure, in one line.

    A script that ends with it prints that line, without a traceback, and exits with status 2.
    """
