from types import SimpleNamespace

import pytest

from bad_input import BadInput
from slim_on_tf2 import tf
from training.fine_tuning import _errors_explained, fine_tune

FLAGS = {"batch_size": 64, "image_size": 299}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            tf.errors.ResourceExhaustedError(None, None, "x.tempstate1; No space left on device"),
            "No space left on device; the newest whole checkpoint is None. Make room",
        ),
        (RuntimeError("events.out; No space left on device"), "No space left on device; the"),
        (OSError(28, "No space left on device"), "No space left on device; the newest"),
        (
            tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
            "--batch_size 64 at 299 px needs more memory than the device has",
        ),
    ],
)
def test_a_full_disk_and_a_full_device_are_one_line_each(tmp_path, error, expected):
    half = tmp_path / "model.ckpt-4.data-00000-of-00001.tempstate77"
    half.write_text("half a checkpoint")
    flags = SimpleNamespace(log_dir=str(tmp_path), **FLAGS)
    with pytest.raises(BadInput) as found, _errors_explained(flags, None, None):
        raise error
    assert expected in str(found.value)
    assert "\n" not in str(found.value)
    assert half.exists() == ("No space" not in expected)


@pytest.mark.parametrize(
    ("arguments", "settings", "expected"),
    [
        (("mnits", "lenet", "log"), {}, "no dataset 'mnits' to fetch; did you mean mnist"),
        (("data/birds", "lenet", "log"), {}, "data/birds is no folder"),
        ((None, "lenet", "log"), {}, "dataset: expected a name or a folder, got None"),
        (("digits", None, "log"), {}, "network: expected a name or a folder, got None"),
        (("digits", "lenet", "log"), {"num_epoch": 3}, "num_epoch; did you mean --num_epochs"),
        (("digits", "lenet", "log"), {"model_name": "lenet"}, "is given by the first arguments"),
        (("digits", "lenet", "log"), {"batch_size": "x"}, "batch_size: expected a whole number"),
    ],
)
def test_a_call_that_cannot_work_is_one_line_and_writes_nothing(
    tmp_path, monkeypatch, arguments, settings, expected
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput) as found:
        fine_tune(*arguments, **settings)
    assert expected in str(found.value)
    assert "\n" not in str(found.value)
    assert list(tmp_path.iterdir()) == []


def test_another_error_of_the_system_is_not_explained_away(tmp_path):
    flags = SimpleNamespace(log_dir=str(tmp_path), **FLAGS)
    with pytest.raises(PermissionError), _errors_explained(flags, None, None):
        raise PermissionError(13, "Permission denied")
