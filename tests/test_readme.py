"""What the README shows is run as it stands there."""

import re
import tarfile
from pathlib import Path

import pytest
from tiny_photos import write_photos
from tiny_run import CLASSES, make_dataset

from checkpointing.download import archive_file
from nets.nets_factory import get_network_fn
from nets.networks import NETWORKS
from slim_on_tf2 import slim, tf

README = Path(__file__).resolve().parent.parent / "README.md"


def python_example():
    """The one block of Python in the README that imports the project."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    (example,) = (block for block in blocks if "from train_flowers import" in block)
    return example


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A mirror that has the checkpoint of the example's network, with random weights."""
    name = re.search(r'fine_tune\(".*?", "(\w+)"', python_example())[1]
    with tf.Graph().as_default(), tf.Session() as session:
        get_network_fn(name, 1001)(tf.zeros([1, 96, 96, 3]))
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver(slim.get_model_variables())
        saver.save(session, str(tmp_path / "made" / "model.ckpt"), write_meta_graph=False)
    archive = tmp_path / "mirror" / archive_file(NETWORKS[name].checkpoint)
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        for file in sorted((tmp_path / "made").iterdir()):
            tar.add(file, file.name)
    monkeypatch.setenv("CHECKPOINTS_MIRROR", str(archive.parent))


def test_the_four_actions_from_python(tmp_path, monkeypatch, published, capfd):
    monkeypatch.chdir(tmp_path)
    make_dataset(tmp_path / "made").rename(tmp_path / "birds")
    Path("data").mkdir()
    Path("birds").rename("data/birds")
    write_photos(Path("holiday"), dict.fromkeys(CLASSES, 1))
    exec(compile(python_example(), str(README), "exec"), {})
    said = capfd.readouterr().out.splitlines()
    predicted = [line.split() for line in said if line.startswith("holiday/")]
    assert [line[0] for line in predicted] == [f"holiday/{name}/0.jpg" for name in CLASSES]
    assert all(line[1] in CLASSES and 1 / 3 <= float(line[2]) <= 1 for line in predicted)
    assert Path("runs/birds/eval/report.html").is_file()
    assert Path("exports/birds/1/saved_model.pb").is_file()
