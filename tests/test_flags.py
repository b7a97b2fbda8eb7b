import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from system.errors import BadInput
from system.flags import (
    Parser,
    number,
    one_of,
    path,
    pixels,
    place,
    run_main,
    seed_number,
    whole_number,
)

ROOT = Path(__file__).parent.parent


def parser():
    """A parser with a flag of each type."""
    made = Parser("Does something.")
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
        (["--steps", "1" + 30 * "0"], f"of at most 1,000,000,000, got '1{30 * '0'}'"),
        (["--steps", 5000 * "9"], f"a whole number of at least 1, got '{5000 * '9'}'"),
        (["--rate", "0"], "--rate: expected a number at most 1 and above 0, got '0'"),
        (["--rate", "nan"], "--rate: expected a number at most 1 and above 0, got 'nan'"),
        (["--place", ""], "--place: expected a path, got ''"),
        (
            ["--place", "gs://bucket/run"],
            "--place: expected a local path, got 'gs://bucket/run'; copy it here first, or mount "
            "it as a folder",
        ),
        (
            ["--place", "file:///run"],
            "--place: expected a local path, got 'file:///run'; copy it here first, or mount it as "
            "a folder",
        ),
        (["--rate", "1e39"], "--rate: expected a number at most 1 and above 0, got '1e39'"),
        (["--rate", "inf"], "--rate: expected a number at most 1 and above 0, got 'inf'"),
        (["--rate", "x"], "--rate: expected a number at most 1 and above 0, got 'x'"),
        (["--kind", "lbfgs"], "--kind: expected one of sgd, adam, got 'lbfgs'"),
        (["--step", "3"], "unknown flag --step; did you mean --steps?"),
        (["--zzz=3"], "unknown flag --zzz; --help lists the flags"),
    ],
)
def test_invalid_flag_is_named_in_one_line_with_status_2(words, expected, capsys):
    with pytest.raises(SystemExit) as end:
        parser().parse_args(words)
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert message.rstrip().endswith(expected)


def test_valid_flags_have_their_types():
    parsed = parser().parse_args(["--steps", "3", "--rate", "1", "--fast"])
    assert (parsed.steps, parsed.rate, parsed.kind, parsed.fast) == (3, 1.0, "adam", True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], []),
        (["a.jpg", "-"], ["a.jpg", "-"]),
        (["--steps", "3", "a.jpg"], ["a.jpg"]),
        (["a.jpg", "--fast", "b.jpg", "--steps=3", "c.jpg"], ["a.jpg", "b.jpg", "c.jpg"]),
    ],
)
def test_positional_arguments_stand_anywhere(words, expected):
    made = parser()
    made.positional("photos", "PHOTO", "what to look at")
    assert made.parse_args(words).photos == expected
    assert made.checked(steps=3).photos == []


def test_mistyped_flag_is_not_a_positional_argument(capsys):
    made = parser()
    made.positional("photos", "PHOTO", "what to look at")
    with pytest.raises(SystemExit):
        made.parse_args(["a.jpg", "--step", "3", "b.jpg"])
    assert "unknown flag --step; did you mean --steps?" in capsys.readouterr().err


def test_help_names_positional_arguments():
    made = parser()
    made.positional("photos", "PHOTO", "what to look at")
    page = made.format_help()
    assert "[flags] PHOTO..." in page
    assert any(line.split() == ["PHOTO", "what", "to", "look", "at"] for line in page.splitlines())


def test_help_shows_each_default_once_on_the_line_of_its_flag():
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
def test_run_main_turns_an_error_into_a_line_and_a_status(error, status, line, capsys):
    def main():
        raise error

    with pytest.raises(SystemExit) as end:
        run_main(main)
    assert end.value.code == status
    assert capsys.readouterr().err.endswith(line)


def test_full_disk_behind_stdout_is_one_line():
    code = "from system import flags; flags.run_main(lambda: print('x' * 9000))"
    with open("/dev/full", "w") as full:  # noqa: PTH123 -- a device
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert done.stderr == "-c: No space left on device: free some space and try again\n"


def test_call_from_python_is_checked_like_a_command_line():
    given = parser().checked(steps="7", rate=0.25, fast=True, place=None)
    assert vars(given) == vars(parser().parse_args(["--steps=7", "--rate=0.25", "--fast"]))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"steps": 0}, "steps: expected a whole number of at least 1, got '0'"),
        ({"step": 7}, "unknown setting step; did you mean --steps?"),
        ({"fast": "no"}, "fast: expected True or False, got 'no'"),
        ({"help": True}, "unknown setting help; did you mean --help?"),
        ({"where": ["a", "b"]}, "where: expected a single string, number or path, got ['a', 'b']"),
    ],
)
def test_invalid_argument_of_a_call_from_python_is_named(values, expected):
    with pytest.raises(BadInput) as error:
        parser().checked(**values)
    assert str(error.value) == expected


@pytest.mark.parametrize(
    "script",
    [
        "train_flowers",
        "eval_flowers",
        "convert_flowers",
        "predict_flowers",
        "export_flowers",
    ],
)
def test_help_fits_a_screen_and_needs_no_tensorflow(script):
    code = f"""
import runpy, sys
sys.argv = ["{script}.py", "--help"]
try:
    runpy.run_path("{script}.py", run_name="__main__")
finally:
    assert "tensorflow" not in sys.modules
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    lines = done.stdout.splitlines()
    assert len(lines) <= (90 if script == "train_flowers" else 50)
    assert max(map(len, lines)) <= 111


def test_tilde_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert parser().parse_args(["--place=~/run"]).place == "/home/me/run"
    assert parser().parse_args(["--place", "runs/~x"]).place == "runs/~x"


def test_place_may_be_an_address():
    for address in ("https://example.org/a", "http://example.org", "file:///mirror"):
        assert place(address) == address
    with pytest.raises(argparse.ArgumentTypeError, match="local path, got 's3://mirror'"):
        place("s3://mirror")


def test_seeds_and_sides_have_their_bounds():
    assert seed_number(str(2**63 - 1)) == 2**63 - 1
    for kind, text in ((seed_number, str(2**63)), (pixels, "10001"), (pixels, "0")):
        with pytest.raises(argparse.ArgumentTypeError, match="expected a whole number of at"):
            kind(text)
