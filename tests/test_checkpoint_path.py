import pytest
from published_archives import NAME, tgz_bytes
from tiny_archives import names_in

from bad_input import BadInput
from nets.checkpoint_path import check, find


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder of the published checkpoints, with VGG 16 in it; also the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints" / NAME).mkdir(parents=True)
    (tmp_path / "checkpoints" / NAME / "vgg_16.ckpt").write_bytes(b"weights")
    return tmp_path / "checkpoints"


@pytest.mark.parametrize("given", [None, "imagenet", NAME])
def test_the_published_checkpoint_has_three_names(here, given):
    assert check(given, "vgg_16") == NAME
    assert find(given, "vgg_16", here) == str(here / NAME / "vgg_16.ckpt")
    assert find(check(given, "vgg_16"), "vgg_16") == f"checkpoints/{NAME}/vgg_16.ckpt"


def test_none_is_no_checkpoint(here):
    assert check("none", "vgg_a") == "none"
    assert find("none", "vgg_a") is None


def test_a_checkpoint_of_another_size_is_taken_and_of_another_network_is_not():
    assert check("mobilenet_v1_0.25_128", "mobilenet_v1_025") == "mobilenet_v1_0.25_128"
    assert check("mobilenet_v1_0.25_128") == "mobilenet_v1_0.25_128"
    with pytest.raises(BadInput, match="is of mobilenet_v1_025, not of vgg_16; give --model_name"):
        check("mobilenet_v1_0.25_128", "vgg_16")


@pytest.mark.parametrize(
    ("given", "model_name", "expected"),
    [
        ("vgg_16_2016_08_29", "vgg_16", "did you mean vgg_16_2016_08_28 or"),
        ("imagnet", "vgg_16", "did you mean imagenet"),
        ("inception_v3", "inception_v3", "that is a network; its own is imagenet"),
        ("zzz", "vgg_16", "there is no checkpoint zzz, .*python -m nets.checkpoints lists"),
        ("runs/vgg_16", "vgg_16", "there is no checkpoint runs/vgg_16: no such file"),
        ("weights.h5", "vgg_16", "there is no file weights.h5"),
        ("model.tar.gz", "vgg_16", "there is no file model.tar.gz"),
        (None, "vgg_a", "no checkpoint of vgg_a was published; .*none to train from scratch"),
        ("imagenet", None, "give --model_name"),
        (None, "vgg_61", "there is no network 'vgg_61'"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_fetched(here, given, model_name, expected):
    with pytest.raises(BadInput, match=expected) as raised:
        check(given, model_name)
    assert "\n" not in str(raised.value)


def test_a_path_is_what_it_was(run_dir):
    assert find(str(run_dir), "vgg_16") == str(run_dir / "model.ckpt-9")
    assert find(str(run_dir / "model.ckpt-6"), "vgg_16") == str(run_dir / "model.ckpt-6")


def test_a_file_in_the_working_directory_needs_no_slash(tmp_path, monkeypatch):
    (tmp_path / "vgg_16.ckpt").write_bytes(bytes.fromhex("57fb808b247547db"))  # as V1 files end
    monkeypatch.chdir(tmp_path)
    assert find("vgg_16.ckpt", "vgg_16") == "vgg_16.ckpt"


@pytest.mark.parametrize("name", ["w.weights.h5", "w.hdf5", "w.keras", "weights"])
def test_a_file_of_keras_is_left_to_who_reads_it(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x89HDF\r\n\x1a\n")
    assert find(str(tmp_path / name), "vgg_16") == str(tmp_path / name)


def test_an_archive_is_unpacked_when_it_is_looked_for(tmp_path):
    (tmp_path / "net.tar.gz").write_bytes(tgz_bytes(tmp_path))
    given = check(str(tmp_path / "net.tar.gz"), "vgg_16")
    assert "net" not in names_in(tmp_path)
    assert find(given, "vgg_16") == str(tmp_path / "net" / "vgg_16.ckpt")


def test_the_name_of_a_network_is_answered_with_its_own_checkpoint():
    with pytest.raises(BadInput, match="is imagenet, with --model_name mobilenet_v2_035"):
        check("mobilenet_v2_035")
