"""Lets contestants take turns, and writes their images/s."""

import json

from system.files import atomic_write


def take_turns(contestants, rounds):
    """Measures contestants in turns, so that a change of the machine's speed affects all of them.

    Args:
      contestants: name -> a function that returns images/s, or a str: why it cannot run.
      rounds: turns of each.

    Returns:
      name -> a list of images/s, or the reason.
    """
    speeds = {name: [] if callable(each) else each for name, each in contestants.items()}
    running = {name: each for name, each in contestants.items() if callable(each)}
    for measure in running.values():  # the first time, buffers are filled and graphs optimized
        measure()
    for _ in range(rounds):
        for name, measure in running.items():
            speeds[name].append(measure())
    return speeds


def write_speeds(path, device, speeds):
    """Writes what `take_turns` returns, and a line about the machine, as JSON."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps({"device": device, "speeds": speeds}, indent=2) + "\n")
