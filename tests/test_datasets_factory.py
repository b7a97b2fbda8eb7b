import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from datasets import dataset_factory
from datasets.dataset_factory import DATASETS, fetch, find_dataset
from system.errors import BadInput

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_has_a_module_that_creates_it(name):
    module = importlib.import_module(find_dataset(name))
    assert callable(module.download_and_convert)
    assert callable(module.main)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mnst", "did you mean mnist[?] convert_flowers.py converts"),
        ("flower", "did you mean flowers[?]"),
        ("birds", "expected flowers, mnist, digits; convert_flowers.py converts"),
        ("", "expected flowers, mnist, digits;"),
    ],
)
def test_unknown_name_gets_a_hint(name, hint):
    with pytest.raises(BadInput, match=f"--dataset_name: unknown dataset '{name}'; {hint}"):
        find_dataset(name)


def test_fetch_calls_the_function_of_the_module(tmp_path, monkeypatch):
    module = tmp_path / "tiny_dataset.py"
    module.write_text("def download_and_convert(dataset_dir):\n    return {'name': dataset_dir}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(dataset_factory.DATASETS, "tiny", "tiny_dataset")
    assert fetch("tiny", "data/tiny") == {"name": "data/tiny"}
    with pytest.raises(BadInput, match="unknown dataset 'none'"):
        fetch("none", "data/none")


def test_table_needs_no_tensorflow():
    script = (
        "import sys, datasets.dataset_factory\n"
        "print([name for name in ('tensorflow', 'sklearn') if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", script]
    assert subprocess.check_output(command, cwd=ROOT, text=True).strip() == "[]"
