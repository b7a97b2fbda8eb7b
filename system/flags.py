"""Command lines: flags with checked values, a short --help, errors of one line."""

import argparse
import contextlib
import difflib
import errno
import math
import numbers
import os
import re
import signal
import sys
from pathlib import Path

from system.console import discard_output
from system.errors import BadInput
from system.signals import end_on_sigterm

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # of an address, such as gs://
URL = re.compile(r"(https?|file)://")
LARGEST = 3.4e38  # about the largest float32


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` with one line per flag in --help, and one line per error."""

    def __init__(self, docstring):
        """Creates a parser whose description is the script's `docstring`, unchanged."""
        super().__init__(
            description=docstring.strip(),
            formatter_class=_OneLinePerFlag,
            allow_abbrev=False,
            prog=_script_name(),
            usage="%(prog)s [flags]",
        )

    def flag(self, name, metavar, kind, default, meaning, nargs=None):
        """Adds --`name`; `kind` converts and checks its text, such as `whole_number(1)`."""
        self.add_argument(
            f"--{name}", metavar=metavar, type=kind, default=default, help=meaning, nargs=nargs
        )

    def switch(self, name, meaning):
        """Adds --`name`, a flag without a value that is off by default."""
        self.add_argument(f"--{name}", action="store_true", help=meaning)

    def positional(self, name, metavar, meaning):
        """Adds any number of positional arguments, which may stand before and between flags."""
        self.add_argument(name, metavar=metavar, nargs="*", help=meaning)
        self.usage += f" {metavar}..."

    def parse_args(self, args=None, namespace=None):
        """Parses flags and positional arguments in any order."""
        return self.parse_intermixed_args(args, namespace)

    def given(self, args=None):
        """Returns the names of the flags on a command line, a set of str."""
        unset = object()
        namespace = argparse.Namespace(**dict.fromkeys(self._names(), unset))
        super().parse_known_args(args, namespace)
        return {name for name, value in vars(namespace).items() if value is not unset}

    def defaults(self):
        """Returns the default of each flag, name -> value."""
        return {name: self.get_default(name) for name in self._names()}

    def _names(self):
        return [action.dest for action in self._actions if action.dest != "help"]

    def checked(self, **values):
        """Returns the flags of a call from Python, checked like those of a command line.

        Args:
          **values: flag name -> value; None stands for the default.

        Raises:
          BadInput: there is no flag of that name, or it does not accept the value.
        """
        flags = self.parse_args([])
        for name, value in values.items():
            action = self._option_string_actions.get(f"--{name}")
            if action is None or name == "help":
                raise BadInput(f"unknown setting {name}; {self._hint(f'--{name}')}")
            kind = boolean if action.nargs == 0 else action.type
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
    """Returns an argument of a call from Python, converted and checked like the flag's text.

    Args:
      name: the argument's name, for the error message.
      kind: the flag's type, such as `whole_number(1)`.
      value: a str, number or path; None is returned unchanged.

    Raises:
      BadInput: the flag does not accept the value.
    """
    if value is None:
        return None
    if not isinstance(value, str | numbers.Number | os.PathLike):
        raise BadInput(f"{name}: expected a single string, number or path, got {value!r}")
    try:
        return kind(str(value))
    except argparse.ArgumentTypeError as error:
        raise BadInput(f"{name}: {error}") from error


class _OneLinePerFlag(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog):
        super().__init__(prog, max_help_position=36, width=160)

    def _get_help_string(self, action):
        has_default = action.option_strings and action.nargs != 0 and action.default is not None
        if not has_default or "default" in action.help:
            return action.help
        return f"{action.help} (default %(default)s)"


def whole_number(least=0, most=10**9):
    """Returns a flag type: a whole number from `least` to `most`."""

    def parse(text):
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            is_large = value is not None and value > most
            bound = f"at most {most:,}" if is_large else f"at least {least}"
            raise argparse.ArgumentTypeError(f"expected a whole number of {bound}, got {text!r}")
        return value

    return parse


pixels = whole_number(1, 10_000)  # the flag type of a side of a network's input
seed_number = whole_number(0, 2**63 - 1)  # the flag type of a seed


def boolean(text):
    """The flag type of a switch in a call from Python: True or False."""
    if text not in ("True", "False"):
        raise argparse.ArgumentTypeError(f"expected True or False, got {text!r}")
    return text == "True"


def path(text):
    """A flag type: the path of a local file or folder, not empty; `~` is the home folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"expected a path, got {text!r}")
    if SCHEME.match(text):
        raise argparse.ArgumentTypeError(
            f"expected a local path, got {text!r}; copy it here first, or mount it as a folder"
        )
    return str(Path(text).expanduser()) if text.startswith("~") else text


def place(text):
    """A flag type: a local path, or an address that begins with http, https or file."""
    return text if URL.match(text) else path(text)


def one_of(names):
    """Returns a flag type: one of `names`."""

    def parse(text):
        if text not in names:
            raise argparse.ArgumentTypeError(f"expected one of {', '.join(names)}, got {text!r}")
        return text

    return parse


def named_numbers(*words, above=0.0):
    """Returns a flag type: `NAME=2.5,...` with numbers above `above`, or one of `words`.

    The text is returned unchanged; `parse_named_numbers` reads it.
    """
    kind = number(above=above)

    def parse(text):
        if text in words:
            return text
        for item in text.split(","):
            name, equals, value = item.rpartition("=")
            if not (name and equals):
                expected = " or ".join((*words, "NAME=NUMBER,..."))
                raise argparse.ArgumentTypeError(f"expected {expected}, got {item!r}")
            kind(value)
        if len(parse_named_numbers(text)) < len(text.split(",")):
            raise argparse.ArgumentTypeError(f"expected each name once, got {text!r}")
        return text

    return parse


def parse_named_numbers(text):
    """Returns the numbers in the text of a `named_numbers` flag, name -> float; {} for None."""
    items = (item.rpartition("=") for item in (text or "").split(",") if item)
    return {name: float(value) for name, _, value in items}


def number(least=-math.inf, most=math.inf, *, above=-math.inf, below=math.inf):
    """Returns a flag type: a finite number in [least, most] and in (above, below)."""
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


def parse_early(parse_flags, *args):
    """Returns `parse_flags(*args)`, called before a script's slow imports; exits as `run_main`."""
    with _one_line_errors():
        return parse_flags(*args)


def run_main(main):
    """Runs a script's `main`; exits with its status, or with one line and status 2 on bad input."""
    with _one_line_errors(), end_on_sigterm(_script_name()):
        status = main()
        sys.stdout.flush()
    sys.exit(status)


@contextlib.contextmanager
def _one_line_errors():
    """Ends the process with one line on stderr for an error that the user can fix."""
    script = _script_name()
    try:
        yield
        return
    except BadInput as error:
        print(f"{script}: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print(f"\n{script}: interrupted", file=sys.stderr)
        status = 128 + signal.SIGINT
    except BrokenPipeError:  # the reader of a pipe, such as head, has left; this is not an error
        discard_output(sys.stdout)
        status = 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        discard_output(sys.stdout)
        print(f"{script}: {error.strerror}: free some space and try again", file=sys.stderr)
        status = 2
    sys.exit(status)


def _script_name():
    """Returns the name of the running script, or the command of a package."""
    path = Path(sys.argv[0])
    return f"python -m {path.parent.name}" if path.name == "__main__.py" else path.name
