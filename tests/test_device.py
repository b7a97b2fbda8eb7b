from types import SimpleNamespace

import pytest

from slim_on_tf2 import tf
from system import device

GPU = SimpleNamespace(name="/physical_device:GPU:0", device_type="GPU")


@pytest.mark.parametrize(
    ("gpus", "driver", "expected"),
    [
        ([], False, "Device: CPU"),
        ([], True, "Device: CPU. TensorFlow cannot use the GPU of this machine"),
        ([GPU], True, "Device: GPU NVIDIA H100"),
        ([GPU, GPU], True, "Device: GPU NVIDIA H100 (the first of 2)"),
    ],
)
def test_device_is_described_in_one_line(monkeypatch, tmp_path, gpus, driver, expected):
    file = tmp_path / "version"
    if driver:
        file.write_text("")
    monkeypatch.setattr(device, "DRIVER_FILES", (file,))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(
        tf.config.experimental, "get_device_details", lambda gpu: {"device_name": "NVIDIA H100"}
    )
    line = device.describe_device()
    assert line.startswith(expected)
    assert ("tensorflow[and-cuda]==" in line) == (driver and not gpus)


def test_hidden_gpu_needs_no_cure(monkeypatch, tmp_path):
    (tmp_path / "version").write_text("")
    monkeypatch.setattr(device, "DRIVER_FILES", (tmp_path / "version",))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert device.describe_device() == "Device: CPU. CUDA_VISIBLE_DEVICES hides the GPU"


def test_gpu_memory_is_allocated_as_needed():
    assert device.session_config().gpu_options.allow_growth
