"""Command lines: flags that are checked at the door, a help page of one screen, one-line errors.

Nothing here imports TensorFlow, so that a mistyped flag is answered at once.
"""

import argparse
import difflib
import math
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

    def flag(self, name, metavar, kind, default, meaning):
        """Adds --`name`; `kind` is a function of its text, such as `whole_number(1)`."""
        self.add_argument(f"--{name}", metavar=metavar, type=kind, default=default, help=meaning)

    def switch(self, name, meaning):
        """Adds --`name`, which is off unless it is given."""
        self.add_argument(f"--{name}", action="store_true", help=meaning)

    def error(self, message):
        """Prints one line, with the flag that was probably meant, and exits with status 2."""
        prefix = "unrecognized arguments: "
        if message.startswith(prefix):
            unknown = message[len(prefix) :].split()[0].split("=")[0]
            close = difflib.get_close_matches(unknown, self._option_string_actions, n=1)
            hint = f"did you mean {close[0]}?" if close else "--help lists the flags"
            message = f"unknown flag {unknown}; {hint}"
        elif message.startswith("argument "):
            message = message[len("argument ") :]
        self.exit(2, f"{self.prog}: {message}\n")


class _OneLineAFlag(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog):
        super().__init__(prog, max_help_position=36, width=160)

    def _get_help_string(self, action):
        if action.nargs == 0 or action.default is None or "default" in action.help:
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
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)
