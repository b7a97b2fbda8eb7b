"""Runs a script in the process of the tests."""


def run(script, argv):
    """Calls `script.main` with the flags of the command line `argv`; returns the exit status."""
    return script.main(script.parse_flags(argv=[str(word) for word in argv]))
