"""Makes tf-slim 1.1.0 and TensorFlow's graph mode work on TensorFlow 2.21.

    from slim_on_tf2 import slim, tf

tf-slim 1.1.0 was written for the modules of TensorFlow 2.1. TensorFlow has since moved ten names
that it uses. `ALIASES` sets each of them, in memory, where tf-slim looks for it.

Three bugs of tf-slim 1.1.0 remain, in functions that this project does not use:
`assign_from_checkpoint` with partitioned variables, `streaming_covariance` after a first batch with
zero weight, and `streaming_concat` at some large sizes.
"""

import gc
import importlib
import os
import re
import sys
import tempfile
import warnings
from contextlib import contextmanager

_OPS = "tensorflow.python.ops"
_FRAMEWORK = "tensorflow.python.framework"
# The name that tf-slim uses -> the name in TensorFlow 2.21 and tf-keras 2.21.
ALIASES = {
    "tensorflow.python.layers.normalization.BatchNormalization": (
        "tf_keras.src.legacy_tf_layers.normalization.BatchNormalization"
    ),
    f"{_OPS}.control_flow_ops.case": f"{_OPS}.control_flow_case.case",
    f"{_OPS}.control_flow_ops.cond": f"{_OPS}.cond.cond",
    f"{_OPS}.control_flow_ops.Assert": f"{_OPS}.control_flow_assert.Assert",
    f"{_OPS}.control_flow_ops.while_loop": f"{_OPS}.while_loop.while_loop",
    f"{_OPS}.array_ops.stack": f"{_OPS}.array_ops_stack.stack",
    f"{_OPS}.array_ops.unstack": f"{_OPS}.array_ops_stack.unstack",
    f"{_FRAMEWORK}.ops.Tensor": f"{_FRAMEWORK}.tensor.Tensor",
    f"{_FRAMEWORK}.ops.IndexedSlices": f"{_FRAMEWORK}.indexed_slices.IndexedSlices",
    f"{_OPS}.variable_scope.variable": f"{_OPS}.variable_v1.VariableV1",
}

# Messages that TensorFlow's C++ code prints at every start, even if nothing is wrong. They are
# printed before the log level is read, so it cannot suppress them.
STARTUP_MESSAGES = re.compile(
    r"All log messages before absl::InitializeLog"
    r"|This TensorFlow binary is optimized"
    r"|To enable the following instructions"
    r"|oneDNN custom operations are on"
    r"|Could not find cuda drivers"
    r"|failed call to cuInit"
    r"|Unable to register cu(FFT|DNN|BLAS) factory"
    r"|computation placer already registered"
)


@contextmanager
def capture_stderr(lines):
    """Appends what is written to file descriptor 2, also by C++ code, to a list of lines."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            captured.seek(0)
            lines += captured.read().decode(errors="replace").splitlines()


@contextmanager
def suppress_startup_messages():
    """Suppresses `STARTUP_MESSAGES` on file descriptor 2; prints all other lines at the end."""
    lines = []
    try:
        with capture_stderr(lines):
            yield
    finally:
        for line in lines:
            if line.strip() and not STARTUP_MESSAGES.search(line):
                print(line, file=sys.stderr)


def set_aliases(aliases):
    """Sets each key of `aliases`, a dotted name, to the value of its source, another dotted name.

    Raises:
      ImportError: the installed TensorFlow does not have a source.
    """
    for alias, source in aliases.items():
        (module, name), (source_module, source_name) = alias.rsplit(".", 1), source.rsplit(".", 1)
        try:
            value = getattr(importlib.import_module(source_module), source_name)
            setattr(importlib.import_module(module), name, value)
        except (ImportError, AttributeError) as error:
            raise ImportError(
                f"tf-slim needs {alias}, which is {source} in TensorFlow 2.21; TensorFlow "
                f"{tf.__version__} does not have it ({error}). "
                "Install the tested versions: pip install -r requirements.txt"
            ) from error


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # suppresses INFO, prints warnings
# Lets XLA compile for the CPU too, where a session asks for it. TensorFlow reads it when it loads.
os.environ["TF_XLA_FLAGS"] = f"--tf_xla_cpu_global_jit {os.environ.get('TF_XLA_FLAGS', '')}".strip()
gc.disable()
with suppress_startup_messages():
    import tensorflow.compat.v1 as tf
    from tensorflow.python.util import deprecation

    # tf-slim uses many deprecated functions, which its users cannot change.
    deprecation._PRINT_DEPRECATION_WARNINGS = False
    set_aliases(ALIASES)
    _verbosity = tf.logging.get_verbosity()
    tf.logging.set_verbosity(tf.logging.ERROR)  # importing tf_slim logs a deprecation warning
    import tf_slim as slim

    tf.logging.set_verbosity(_verbosity)

# The deprecation warning of tf-keras for each layer.
warnings.filterwarnings("ignore", message=r"`(layer\.apply|tf\.layers\.\w+)` is deprecated")
tf.disable_eager_execution()
# tf-slim keeps variables in sets. With tensor equality, hashing them is slow, and building
# Inception-ResNet-V2 takes twice as long.
tf.disable_tensor_equality()
# A graph's objects live long. Looking for garbage among them every 700 objects, which is Python's
# default, takes a tenth of the time to build a large network.
gc.freeze()
gc.set_threshold(100_000)
gc.enable()

__all__ = ["slim", "tf"]
