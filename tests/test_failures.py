from types import SimpleNamespace

import pytest

from slim_on_tf2 import tf
from system.errors import BadInput
from train_flowers import fine_tune
from training.failures import explain_failures

FLAGS = {"batch_size": 64, "image_size": 299}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            tf.errors.ResourceExhaustedError(None, None, "x.tempstate1; No space left on device"),
            "No space left on device; the latest complete checkpoint is None. Free some space",
        ),
        (RuntimeError("events.out; No space left on device"), "No space left on device; the"),
        (OSError(28, "No space left on device"), "No space left on device; the latest"),
        (
            tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
            "--batch_size 64 at 299 px needs more memory than the device has",
        ),
    ],
)
def test_full_disk_and_lack_of_memory_are_one_line(tmp_path, error, expected):
    half = tmp_path / "model.ckpt-4.data-00000-of-00001.tempstate77"
    half.write_text("half a checkpoint")
    flags = SimpleNamespace(log_dir=str(tmp_path), **FLAGS)
    with pytest.raises(BadInput) as found, explain_failures(flags, []):
        raise error
    assert expected in str(found.value)
    assert "\n" not in str(found.value)
    assert half.exists() == ("No space" not in expected)


@pytest.mark.parametrize(
    ("arguments", "settings", "expected"),
    [
        (("mnits", "lenet", "log"), {}, "unknown dataset 'mnits'; did you mean mnist"),
        (("data/birds", "lenet", "log"), {}, "data/birds is not a folder"),
        ((None, "lenet", "log"), {}, "dataset: expected a name or a folder, got None"),
        (("digits", None, "log"), {}, "network: expected a name or a folder, got None"),
        (("digits", "lenet", "log"), {"num_epoch": 3}, "num_epoch; did you mean --num_epochs"),
        (("digits", "lenet", "log"), {"model_name": "lenet"}, "is given by the first arguments"),
        (("digits", "lenet", "log"), {"batch_size": "x"}, "batch_size: expected a whole number"),
    ],
)
def test_wrong_call_is_one_line_and_writes_nothing(
    tmp_path, monkeypatch, arguments, settings, expected
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput) as found:
        fine_tune(*arguments, **settings)
    assert expected in str(found.value)
    assert "\n" not in str(found.value)
    assert list(tmp_path.iterdir()) == []


def test_other_system_errors_are_raised_unchanged(tmp_path):
    flags = SimpleNamespace(log_dir=str(tmp_path), **FLAGS)
    with pytest.raises(PermissionError), explain_failures(flags, []):
        raise PermissionError(13, "Permission denied")
