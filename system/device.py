"""The device of a run, described in one line, and the session settings for it."""

import os
from pathlib import Path

from slim_on_tf2 import suppress_startup_messages, tf
from system.precision import rewrite_for
from system.precision_names import OFF

# Files of NVIDIA's driver, which exist whether or not TensorFlow can use the GPU.
DRIVER_FILES = (Path("/proc/driver/nvidia/version"), Path("/dev/nvidia0"))


def describe_device():
    """Returns a line that names the GPU or the CPU, and the cure for an unusable GPU."""
    with suppress_startup_messages():
        gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        more = f" (the first of {len(gpus)})" if len(gpus) > 1 else ""
        return f"Device: GPU {details.get('device_name', gpus[0].name)}{more}"
    if any(file.exists() for file in DRIVER_FILES):
        if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
            return "Device: CPU. CUDA_VISIBLE_DEVICES hides the GPU"
        return (
            "Device: CPU. TensorFlow cannot use the GPU of this machine; run "
            f"pip install 'tensorflow[and-cuda]=={tf.__version__}'"
        )
    return "Device: CPU"


def session_config(precision=OFF):
    """Returns a `ConfigProto` that allocates GPU memory as needed instead of all at the start.

    Args:
      precision: mixed precision as from `precision.choose_precision`.
    """
    config = tf.ConfigProto(allow_soft_placement=True)
    config.gpu_options.allow_growth = True
    rewrite_for(config, precision)
    return config
