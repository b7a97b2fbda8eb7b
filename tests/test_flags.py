import subprocess
import sys

import pytest

from bad_input import BadInput
from flags import Parser, number, one_of, path, run, whole_number


def parser():
    """A parser with a flag of each type."""
    made = Parser("Does a thing.")
    made.flag("steps", "N", whole_number(1), 10, "how many steps")
    made.flag("rate", "X", number(above=0, most=1), 0.5, "how fast")
    made.flag("kind", "NAME", one_of(("sgd", "adam")), "adam", "which kind")
    made.flag("place", "DIR", path, "here", "what place")
    made.flag("where", "DIR", str, None, "what place (default here)")
    made.switch("fast", "hurry")
    return made


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--steps", "0"], "--steps: expected a whole number of at least 1, got '0'"),
        (["--steps", "2.5"], "--steps: expected a whole number of at least 1, got '2.5'"),
        (["--rate", "0"], "--rate: expected a number at most 1 and above 0, got '0'"),
        (["--rate", "nan"], "--rate: expected a number at most 1 and above 0, got 'nan'"),
        (["--place", ""], "--place: expected a path, got ''"),
        (["--rate", "1e39"], "--rate: expected a number at most 1 and above 0, got '1e39'"),
        (["--rate", "inf"], "--rate: expected a number at most 1 and above 0, got 'inf'"),
        (["--rate", "x"], "--rate: expected a number at most 1 and above 0, got 'x'"),
        (["--kind", "lbfgs"], "--kind: expected one of sgd, adam, got 'lbfgs'"),
        (["--step", "3"], "unknown flag --step; did you mean --steps?"),
        (["--zzz=3"], "unknown flag --zzz; --help lists the flags"),
    ],
)
def test_a_wrong_flag_is_one_line_that_names_it_and_status_2(words, expected, capsys):
    with pytest.raises(SystemExit) as end:
        parser().parse_args(words)
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert message.rstrip().endswith(expected)


def test_good_flags_have_their_types():
    parsed = parser().parse_args(["--steps", "3", "--rate", "1", "--fast"])
    assert (parsed.steps, parsed.rate, parsed.kind, parsed.fast) == (3, 1.0, "adam", True)


def test_help_shows_each_default_once_on_the_flags_line():
    page = parser().format_help()
    for line in (
        "--steps N  how many steps (default 10)",
        "--rate X  how fast (default 0.5)",
        "--where DIR  what place (default here)",
        "--fast  hurry",
    ):
        flag, meaning = line.split("  ")
        assert any(part.split() == [*flag.split(), *meaning.split()] for part in page.splitlines())


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (BadInput("photo x is broken; leave it out"), 2, "photo x is broken; leave it out\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_run_turns_an_error_into_a_line_and_a_status(error, status, line, capsys):
    def main():
        raise error

    with pytest.raises(SystemExit) as end:
        run(main)
    assert end.value.code == status
    assert capsys.readouterr().err.endswith(line)


@pytest.mark.parametrize("script", ["train_flowers", "eval_flowers", "convert_flowers"])
def test_help_fits_a_screen_and_needs_no_tensorflow(script):
    code = f"""
import sys, {script}
try:
    {script}.parse_flags(["--help"])
finally:
    assert "tensorflow" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 110
