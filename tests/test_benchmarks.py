import subprocess
import sys
from pathlib import Path

import pytest

from bad_input import BadInput
from benchmarks import networks

ROOT = Path(networks.__file__).resolve().parent.parent


def test_the_table_has_a_line_a_network():
    command = "-m benchmarks.networks --model_names lenet --batch_size 2 --steps 1"
    done = subprocess.run(
        [sys.executable, *command.split()], cwd=ROOT, capture_output=True, text=True, check=True
    )
    (line,) = done.stdout.splitlines()[1:]
    name, side, parameters, golden, keras, *times = line.replace(" / ", " ").split()
    # Two convolutions of 5x5, a grid of 7x7, 1,024 features, 5 classes; with biases.
    count = 25 * 32 + 32 + 25 * 32 * 64 + 64 + 49 * 64 * 1024 + 1024 + 1024 * 5 + 5
    assert (name, side, parameters) == ("lenet", "28", f"{count:,}")
    assert float(golden) < 1e-3
    assert keras == "-"
    build, low, median, high, ratio, memory = map(float, times)
    assert build > 0 and 0 < low <= median <= high and ratio == 1 and memory > 0.1


def test_an_unknown_network_is_named():
    with pytest.raises(BadInput, match="there is no network 'lenot'; did you mean lenet"):
        networks.main(["--model_names", "lenot"])
