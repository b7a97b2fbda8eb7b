import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from bad_input import BadInput
from datasets import factory
from datasets.factory import DATASETS, fetch, find_dataset

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_has_a_module_that_makes_it(name):
    module = importlib.import_module(find_dataset(name))
    assert callable(module.download_and_convert)
    assert callable(module.main)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mnst", "did you mean mnist"),
        ("flower", "did you mean flowers"),
        ("birds", "choose of flowers, mnist, digits"),
        ("", "choose of flowers, mnist, digits"),
    ],
)
def test_an_unknown_name_is_told_with_what_was_meant(name, hint):
    with pytest.raises(
        BadInput, match=f"--dataset_name: there is no dataset '{name}' to fetch; {hint}"
    ):
        find_dataset(name)


def test_fetch_calls_the_modules_function(tmp_path, monkeypatch):
    module = tmp_path / "tiny_dataset.py"
    module.write_text("def download_and_convert(dataset_dir):\n    return {'name': dataset_dir}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(factory.DATASETS, "tiny", "tiny_dataset")
    assert fetch("tiny", "data/tiny") == {"name": "data/tiny"}
    with pytest.raises(BadInput, match="there is no dataset 'none'"):
        fetch("none", "data/none")


def test_the_table_is_read_without_anything_heavy():
    script = (
        "import sys, datasets.factory, datasets.mnist, datasets.digits, datasets.flowers\n"
        "print([name for name in ('tensorflow', 'sklearn') if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", script]
    assert subprocess.check_output(command, cwd=ROOT, text=True).strip() == "[]"
