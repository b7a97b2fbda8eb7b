"""Which device a run uses, in one line, and the session's settings for it."""

import os
from pathlib import Path

from slim_on_tf2 import tf, without_start_up_chatter

# What NVIDIA's driver shows of itself, whether TensorFlow can use it or not.
DRIVER_TRACES = (Path("/proc/driver/nvidia/version"), Path("/dev/nvidia0"))


def describe_device():
    """One line: the GPU in use, or the CPU, and the cure where TensorFlow cannot use a GPU."""
    with without_start_up_chatter():
        gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        more = f" (the first of {len(gpus)})" if len(gpus) > 1 else ""
        return f"Device: GPU {details.get('device_name', gpus[0].name)}{more}"
    if any(trace.exists() for trace in DRIVER_TRACES):
        if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
            return "Device: CPU. CUDA_VISIBLE_DEVICES hides the GPU"
        return (
            "Device: CPU. There is a GPU that TensorFlow cannot use; the cure: "
            f"pip install 'tensorflow[and-cuda]=={tf.__version__}'"
        )
    return "Device: CPU"


def session_config():
    """A `ConfigProto` that takes a GPU's memory as it is needed, not all of it at the start."""
    config = tf.ConfigProto(allow_soft_placement=True)
    config.gpu_options.allow_growth = True
    return config
