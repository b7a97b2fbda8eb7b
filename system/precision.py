"""Mixed precision: convolutions and matrix products in 16-bit numbers, all else in float32.

TensorFlow's graph rewriters place the casts when a session optimizes its graph. Variables, their
averages, the optimizer's state, losses and softmax stay float32, and so do checkpoints.
"""

import os
from pathlib import Path

from slim_on_tf2 import suppress_startup_messages, tf
from system.errors import BadInput
from system.precision_names import AUTO, BFLOAT16, FLOAT16, OFF

CPU_DESCRIPTION = Path("/proc/cpuinfo")
BFLOAT16_INSTRUCTIONS = {"avx512_bf16", "amx_bf16"}
# Parts of the values of ONEDNN_MAX_CPU_ISA that leave these instructions on.
UNLIMITED = ("BF16", "FP16", "AMX", "ALL", "DEFAULT")
TENSOR_CORES = (7, 0)  # the first compute capability that has them


def fast_format():
    """Returns the 16-bit format that this machine computes faster than float32, or `off`.

    On a GPU with tensor cores float16, on a CPU whose oneDNN has bfloat16 instructions bfloat16.
    """
    with suppress_startup_messages():
        gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return FLOAT16 if details.get("compute_capability", (0, 0)) >= TENSOR_CORES else OFF
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        return OFF
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "DEFAULT").upper()
    if not any(part in limit for part in UNLIMITED) or not CPU_DESCRIPTION.is_file():
        return OFF
    words = set(CPU_DESCRIPTION.read_text(errors="replace").split())
    return BFLOAT16 if words & BFLOAT16_INSTRUCTIONS else OFF


def choose_precision(asked, network, recorded=AUTO):
    """Returns what a --mixed_precision stands for on this machine: `off`, `bfloat16` or `float16`.

    Args:
      asked: a value of the flag; `auto` keeps what is recorded. If nothing is, it turns the
        machine's format on, except bfloat16 for networks with depthwise convolutions, which are
        slower with it.
      network: the `Network`.
      recorded: what the run began with, or `auto`.

    Raises:
      BadInput: a format is asked for that this machine does not compute fast.
    """
    fast = fast_format()
    if asked == AUTO and recorded != AUTO:
        return recorded
    if asked == AUTO:
        return OFF if fast == BFLOAT16 and network.has_depthwise else fast
    if asked not in (OFF, fast):
        lacking = {
            BFLOAT16: "a CPU with avx512_bf16 or amx_bf16, and no GPU",
            FLOAT16: "a GPU of compute capability 7.0 or higher",
        }[asked]
        cure = "off" if fast == OFF else f"{fast} or off"
        raise BadInput(f"--mixed_precision {asked} needs {lacking}; give {cure}")
    return asked


def computed_precision(precision):
    """Returns what a chosen precision is on this machine: `off` if it lacks the hardware."""
    return precision if precision == fast_format() else OFF


def describe_precision(precision):
    """Returns the lines about a chosen precision that a script prints at its start, a list."""
    if precision == OFF:
        return []
    if computed_precision(precision) == OFF:
        return [
            f"Mixed precision: float32 in place of {precision}, which this machine does not "
            "compute faster"
        ]
    return [f"Mixed precision: {precision}; --mixed_precision off computes all in float32"]


def rewrite_for(config, precision):
    """Turns the graph rewriter of a precision on, in a `ConfigProto`; nothing without hardware."""
    options, computed = config.graph_options.rewrite_options, computed_precision(precision)
    if computed == BFLOAT16:
        options.auto_mixed_precision_onednn_bfloat16 = options.ON
    elif computed == FLOAT16:
        options.auto_mixed_precision = options.ON
