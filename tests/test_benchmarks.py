import subprocess
import sys
from pathlib import Path

import golden_nets
import pytest

from benchmarks import networks
from system.errors import BadInput

ROOT = Path(networks.__file__).resolve().parent.parent


def test_table_has_one_row_per_network():
    command = "-m benchmarks.networks --model_names lenet --batch_size 2 --steps 1"
    done = subprocess.run(
        [sys.executable, *command.split()], cwd=ROOT, capture_output=True, text=True, check=True
    )
    (line,) = done.stdout.splitlines()[1:]
    name, side, parameters, golden, keras, *times = line.replace(" / ", " ").split()
    # Two 5x5 convolutions, a 7x7 grid, 1,024 features and 5 classes, with biases.
    count = 25 * 32 + 32 + 25 * 32 * 64 + 64 + 49 * 64 * 1024 + 1024 + 1024 * 5 + 5
    assert (name, side, parameters) == ("lenet", "28", f"{count:,}")
    assert float(golden) < golden_nets.ROUNDING
    assert keras == "-"
    build, low, median, high, ratio, memory = map(float, times)
    assert build > 0 and 0 < low <= median <= high and ratio == 1 and memory > 0.1


def test_unknown_network_is_rejected():
    with pytest.raises(BadInput, match="there is no network 'lenot'; did you mean lenet"):
        networks.main(["--model_names", "lenot"])
