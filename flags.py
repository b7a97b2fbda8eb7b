"""Command lines: flags that are checked at the door, a help page of one screen, one-line errors.

Nothing here imports TensorFlow, so that a mistyped flag is answered at once.
"""

import argparse
import difflib
import errno
import math
import numbers
import os
import signal
import sys
from pathlib import Path

from bad_input import BadInput

LARGEST = 3.4e38  # what a float32 holds


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` with a line a flag in its help, and a line an error."""

    def __init__(self, docstring):
        """Makes a parser whose description is the script's `docstring`, as it stands."""
        super().__init__(
            description=docstring.strip(),
            formatter_class=_OneLineAFlag,
            allow_abbrev=False,
            usage="%(prog)s [flags]",
        )

    def flag(self, name, metavar, kind, default, meaning, nargs=None):
        """Adds --`name`; `kind` is a function of its text, such as `whole_number(1)`."""
        self.add_argument(
            f"--{name}", metavar=metavar, type=kind, default=default, help=meaning, nargs=nargs
        )

    def switch(self, name, meaning):
        """Adds --`name`, which is off unless it is given."""
        self.add_argument(f"--{name}", action="store_true", help=meaning)

    def positional(self, name, metavar, meaning):
        """Adds words that are no flags, as many as are given, before and between the flags too."""
        self.add_argument(name, metavar=metavar, nargs="*", help=meaning)
        self.usage += f" {metavar}..."

    def parse_args(self, args=None, namespace=None):
        """As `ArgumentParser` does, and flags may stand between positional words."""
        return self.parse_intermixed_args(args, namespace)

    def checked(self, **values):
        """The flags of a call from Python: as `parse_args` gives them, each checked as its text is.

        Args:
          **values: by the flags' names; None, like a flag left out, is the default.

        Raises:
          BadInput: there is no flag of that name, or a value is not what the flag takes.
        """
        flags = self.parse_args([])
        for name, value in values.items():
            action = self._option_string_actions.get(f"--{name}")
            if action is None or name == "help":
                raise BadInput(f"unknown setting {name}; {self._hint(f'--{name}')}")
            kind = truth if action.nargs == 0 else action.type
            if value is not None:
                setattr(flags, name, checked_value(name, kind, value))
        return flags

    def _hint(self, unknown):
        close = difflib.get_close_matches(unknown, self._option_string_actions, n=1)
        return f"did you mean {close[0]}?" if close else "--help lists the flags"

    def error(self, message):
        """Prints one line, with the flag that was probably meant, and exits with status 2."""
        prefix = "unrecognized arguments: "
        if message.startswith(prefix):
            unknown = message[len(prefix) :].split()[0].split("=")[0]
            message = f"unknown flag {unknown}; {self._hint(unknown)}"
        elif message.startswith("argument "):
            message = message[len("argument ") :]
        self.exit(2, f"{self.prog}: {message}\n")


def checked_value(name, kind, value):
    """A value that a call from Python gave, as the flag of that name would have it.

    Args:
      name: of the argument.
      kind: the flag's type, such as `whole_number(1)`.
      value: a str, a number or a path, as the flag's text or what that means; None stays None.

    Raises:
      BadInput: the value is not what the flag takes.
    """
    if value is None:
        return None
    if not isinstance(value, str | numbers.Number | os.PathLike):
        raise BadInput(f"{name}: expected one value, a text or a number, got {value!r}")
    try:
        return kind(str(value))
    except argparse.ArgumentTypeError as error:
        raise BadInput(f"{name}: {error}") from error


class _OneLineAFlag(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog):
        super().__init__(prog, max_help_position=36, width=160)

    def _get_help_string(self, action):
        has_default = action.option_strings and action.nargs != 0 and action.default is not None
        if not has_default or "default" in action.help:
            return action.help
        return f"{action.help} (default %(default)s)"


def whole_number(least=0):
    """A flag's type: a whole number of at least `least`."""

    def parse(text):
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < least:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of at least {least}, got {text!r}"
            )
        return value

    return parse


def truth(text):
    """A switch's type in a call from Python: True or False."""
    if text not in ("True", "False"):
        raise argparse.ArgumentTypeError(f"expected True or False, got {text!r}")
    return text == "True"


def path(text):
    """A flag's type: the name of a file or folder, which is not empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"expected a path, got {text!r}")
    return text


def one_of(names):
    """A flag's type: one of `names`."""

    def parse(text):
        if text not in names:
            raise argparse.ArgumentTypeError(f"expected one of {', '.join(names)}, got {text!r}")
        return text

    return parse


def number(least=-math.inf, most=math.inf, *, above=-math.inf, below=math.inf):
    """A flag's type: a finite number in [least, most] and (above, below)."""
    bounds = {"at least": least, "at most": most, "above": above, "below": below}
    expected = " and ".join(f"{word} {x:g}" for word, x in bounds.items() if math.isfinite(x))

    def parse(text):
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (abs(value) < LARGEST and least <= value <= most and above < value < below):
            raise argparse.ArgumentTypeError(
                f"expected a number {expected}".rstrip() + f", got {text!r}"
            )
        return value

    return parse


def run(main):
    """Runs a script's `main`; exits with its status, or with a line and 2 where input was bad."""
    script = Path(sys.argv[0]).name
    try:
        status = main()
        sys.stdout.flush()
    except BadInput as error:
        print(f"{script}: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print(f"\n{script}: interrupted", file=sys.stderr)
        status = 128 + signal.SIGINT
    except BrokenPipeError:  # the reader of a pipe (head, less) has left; that is no error
        _forget_output()
        status = 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _forget_output()
        print(f"{script}: {error.strerror}: make room, and give the command again", file=sys.stderr)
        status = 2
    sys.exit(status)


def _forget_output():
    """Sends what is still to be printed nowhere, so that the end of Python does not fail on it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
