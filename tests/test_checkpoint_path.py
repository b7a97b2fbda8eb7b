import pytest
from published_archives import NAME, tgz_bytes
from tiny_archives import names_in

from checkpointing.checkpoint_path import check_checkpoint_path
from checkpointing.download import resolve_checkpoint_path
from system.errors import BadInput


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder `checkpoints` with VGG 16, in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints" / NAME).mkdir(parents=True)
    (tmp_path / "checkpoints" / NAME / "vgg_16.ckpt").write_bytes(b"weights")
    return tmp_path / "checkpoints"


@pytest.mark.parametrize("given", [None, "imagenet", NAME])
def test_published_checkpoint_has_three_names(here, given):
    assert check_checkpoint_path(given, "vgg_16") == NAME
    assert resolve_checkpoint_path(given, "vgg_16", here) == str(here / NAME / "vgg_16.ckpt")
    assert resolve_checkpoint_path(NAME, "vgg_16") == f"checkpoints/{NAME}/vgg_16.ckpt"


def test_none_means_no_checkpoint(here):
    assert check_checkpoint_path("none", "vgg_a") == "none"
    assert resolve_checkpoint_path("none", "vgg_a") is None


def test_checkpoint_of_another_image_size_is_accepted_but_not_of_another_network():
    for model_name in ("mobilenet_v1_025", None):
        assert check_checkpoint_path("mobilenet_v1_0.25_128", model_name) == "mobilenet_v1_0.25_128"
    with pytest.raises(BadInput, match="is of mobilenet_v1_025, not of vgg_16; give --model_name"):
        check_checkpoint_path("mobilenet_v1_0.25_128", "vgg_16")


@pytest.mark.parametrize(
    ("given", "model_name", "expected"),
    [
        ("vgg_16_2016_08_29", "vgg_16", "did you mean vgg_16_2016_08_28 or"),
        ("imagnet", "vgg_16", "did you mean imagenet"),
        (
            "inception_v3",
            "inception_v3",
            "is a network; give imagenet with --model_name",
        ),
        (
            "zzz",
            "vgg_16",
            "no file named zzz; python -m checkpointing lists",
        ),
        ("runs/vgg_16", "vgg_16", "there is no checkpoint runs/vgg_16: no such file"),
        ("weights.h5", "vgg_16", "there is no file weights.h5"),
        ("model.tar.gz", "vgg_16", "there is no file model.tar.gz"),
        (None, "vgg_a", "no checkpoint of vgg_a was published; .*none to train from scratch"),
        ("imagenet", None, "give --model_name"),
        (None, "vgg_61", "there is no network 'vgg_61'"),
    ],
)
def test_bad_values_are_one_line_before_any_download(here, given, model_name, expected):
    with pytest.raises(BadInput, match=expected) as raised:
        check_checkpoint_path(given, model_name)
    assert "\n" not in str(raised.value)


def test_folder_and_prefix_are_resolved(run_dir):
    newest, older = str(run_dir / "model.ckpt-9"), str(run_dir / "model.ckpt-6")
    assert resolve_checkpoint_path(str(run_dir), "vgg_16") == newest
    assert resolve_checkpoint_path(older, "vgg_16") == older


def test_file_in_the_working_directory_needs_no_slash(tmp_path, monkeypatch):
    (tmp_path / "vgg_16.ckpt").write_bytes(bytes.fromhex("57fb808b247547db"))  # as V1 files end
    monkeypatch.chdir(tmp_path)
    assert resolve_checkpoint_path("vgg_16.ckpt", "vgg_16") == "vgg_16.ckpt"


@pytest.mark.parametrize("name", ["w.weights.h5", "w.hdf5", "w.keras", "weights"])
def test_keras_file_is_returned_as_it_is(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x89HDF\r\n\x1a\n")
    assert resolve_checkpoint_path(str(tmp_path / name), "vgg_16") == str(tmp_path / name)


def test_archive_is_unpacked_only_when_it_is_resolved(tmp_path):
    (tmp_path / "net.tar.gz").write_bytes(tgz_bytes(tmp_path))
    given = check_checkpoint_path(str(tmp_path / "net.tar.gz"), "vgg_16")
    assert "net" not in names_in(tmp_path)
    assert resolve_checkpoint_path(given, "vgg_16") == str(tmp_path / "net" / "vgg_16.ckpt")
