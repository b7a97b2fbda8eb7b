import json
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
from published_archives import FILE, NAME, tgz_bytes
from tiny_archives import names_in
from tiny_checkpoint import save

from checkpointing.__main__ import main
from checkpointing.published import CHECKPOINTS
from slim_on_tf2 import tf
from system.errors import BadInput

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    monkeypatch.delenv("CHECKPOINTS_DIR", raising=False)
    monkeypatch.delenv("CHECKPOINTS_MIRROR", raising=False)


@pytest.fixture
def mirror(tmp_path):
    """A folder with the archive of VGG 16."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / FILE).write_bytes(tgz_bytes(tmp_path))
    return folder


def run(capsys, *argv):
    """Returns the lines that a command prints, and the JSON in the last one."""
    assert main([str(word) for word in argv]) == 0
    lines = capsys.readouterr().out.splitlines()
    return lines, json.loads(lines[-1])


def test_list_has_a_row_per_checkpoint(tmp_path, capsys):
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / "vgg_16.ckpt").touch()
    (tmp_path / "vgg_19_2016_08_28").mkdir()
    lines, result = run(capsys, "--checkpoints_dir", tmp_path)
    assert result == {"checkpoints": len(CHECKPOINTS), "downloaded": [NAME]}
    assert max(map(len, lines[:-1])) <= 160
    rows = {words[0]: words[1:] for words in map(str.split, lines[1:-1]) if len(words) == 6}
    assert set(rows) == set(CHECKPOINTS)
    assert rows[NAME][:4] == ["224", "71.5", "89.8", "yes"]
    assert rows["vgg_19_2016_08_28"][3] == "broken"
    assert rows["mobilenet_v1_0.5_160_2018_02_22"] == [
        "160",
        "59.1",
        "81.9",
        "no",
        "download.tensorflow.org/models/mobilenet_v1_2018_02_22/mobilenet_v1_0.5_160.tgz",
    ]
    assert rows["quantized_v2_96_35"][1:3] == ["-", "-"]
    assert "https://storage.googleapis.com/" in lines[0]
    addresses = {line.index(line.split()[-1]) for line in lines if line.startswith("  ")}
    assert addresses == {lines[0].index("https")}  # in one column


def test_list_of_one_network(tmp_path, capsys):
    lines, result = run(capsys, "--checkpoints_dir", tmp_path, "--model_name", "mobilenet_v3_small")
    assert [line.split()[0] for line in lines[1:-1]] == [
        "mobilenet_v3_small",
        "v3-small_224_1.0_float",
        "v3-small_224_1.0_uint8",
    ]
    assert result == {"checkpoints": 2, "downloaded": []}
    lines, _ = run(capsys, "--checkpoints_dir", tmp_path, "--model_name", "vgg_a")
    assert lines[0] == "No checkpoint of vgg_a was published"


@pytest.mark.parametrize(
    "wanted", [[NAME], [f"{NAME}, {NAME}"], ["imagenet", "--model_name", "vgg_16"]]
)
def test_download_by_name(tmp_path, capsys, mirror, wanted):
    here = tmp_path / "here"
    lines, result = run(
        capsys, "--download", *wanted, "--checkpoints_mirror", mirror, "--checkpoints_dir", here
    )
    assert result == {NAME: str(here / NAME / "vgg_16.ckpt")}
    assert lines[-2] == f"{NAME} is at {here / NAME / 'vgg_16.ckpt'}"
    assert names_in(here) == ["downloads.json", NAME]


@pytest.mark.parametrize("version", ["V1", "V2"])
def test_inspect_lists_variables_and_compares_them(tmp_path, capsys, version):
    checkpoint = save(tmp_path / "model.ckpt", getattr(tf.train.SaverDef, version))
    lines, result = run(capsys, "--inspect", checkpoint)
    assert result == {"checkpoint": checkpoint, "num_variables": 8, "num_parameters": 3271559}
    assert lines[0] == checkpoint
    assert any(line.split()[:2] == ["LeNet/fc4/biases", "[7]"] for line in lines)
    lines, result = run(capsys, "--inspect", checkpoint, "--model_name", "cifarnet")
    assert result["num_classes"] == 1001
    assert (result["matching"], result["shape_mismatch"], result["unused"]) == (0, 0, 8)
    assert "Missing in the checkpoint: 10" in lines
    assert "  CifarNet/conv1/weights" in lines


def test_inspect_counts_each_variable_of_the_network_once(tmp_path, capsys):
    checkpoint = save(tmp_path / "model.ckpt", tf.train.SaverDef.V2, channels=3)
    lines, result = run(capsys, "--inspect", checkpoint, "--model_name", "lenet")
    counts = [result[key] for key in ("matching", "missing", "shape_mismatch", "rgb_kernels")]
    assert counts == [7, 0, 0, 1]  # weights and biases of four layers
    place = lines.index("RGB kernels, where the network takes grayscale images: 1")
    assert lines[place + 1] == "  LeNet/conv1/weights"


@pytest.mark.parametrize("version", ["V1", "V2"])
def test_inspect_refuses_a_truncated_checkpoint(tmp_path, version):
    checkpoint = save(tmp_path / "model.ckpt", getattr(tf.train.SaverDef, version))
    file = Path(checkpoint if version == "V1" else f"{checkpoint}.data-00000-of-00001")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(BadInput, match="model.ckpt is (broken|not a complete checkpoint)"):
        main(["--inspect", checkpoint])


def test_inspect_compares_a_published_checkpoint_with_any_network(tmp_path, capsys, mirror):
    save(mirror / "vgg_16.ckpt", tf.train.SaverDef.V1)
    (tmp_path / "here").mkdir()
    (mirror / "vgg_16.ckpt").rename(tmp_path / "here" / "vgg_16.ckpt")
    lines, result = run(
        capsys, "--inspect", NAME, "--model_name", "lenet", "--checkpoints_dir", tmp_path / "here"
    )
    assert result["matching"] == 8
    assert "Compared with lenet for 7 classes:" in lines


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--model_name", "vgg_61"], "--model_name: there is no network 'vgg_61'"),
        (["--download", "vgg_16_2016_08_29"], "did you mean vgg_16_2016_08_28"),
        (["--download", "imagenet"], "give --model_name"),
        (["--download", " , "], "--download: expected names"),
        (["--download", NAME, "--inspect", NAME], "give one of them"),
        (["--download", "runs/net"], "there is no checkpoint runs/net"),
        (["--download", "none"], "--download: expected a published checkpoint, got 'none'"),
        (["--inspect", "none"], "--inspect none: expected the name or the path"),
        (["--inspect", "nowhere.ckpt"], "no file named nowhere.ckpt"),
        (["--inspect", "imagenet"], "give --model_name"),
    ],
)
def test_bad_flag_is_one_line(argv, expected):
    with pytest.raises(BadInput, match=expected) as raised:
        main(argv)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["w.h5", "weights"])
def test_keras_file_needs_model_name_whatever_its_name(tmp_path, name):
    with h5py.File(tmp_path / name, "w") as file:
        file["layers"] = [1.0]
    with pytest.raises(BadInput, match=f"{name}: .*--model_name"):
        main(["--inspect", str(tmp_path / name)])


def test_module_runs_from_the_shell():
    def shell(*argv):
        return subprocess.run(
            [sys.executable, "-m", "checkpointing", *argv],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )

    done = shell("--help")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) <= 30
    wrong = shell("--donwload", NAME)
    assert wrong.returncode == 2
    assert wrong.stderr.strip().endswith("unknown flag --donwload; did you mean --download?")
