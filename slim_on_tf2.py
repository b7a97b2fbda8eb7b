"""The ground floor: tf-slim 1.1.0 and TensorFlow's graph mode, ready for use.

    from slim_on_tf2 import slim, tf

tf-slim 1.1.0 was written for the module layout of 2020. TensorFlow has since moved ten names that
it touches; the table below puts each back where tf-slim looks for it, in memory alone. Nothing else
in the project knows of this.

Three bugs of tf-slim 1.1.0 have no alias that cures them, and the project uses none of the three:
`assign_from_checkpoint` with partitioned variables, `streaming_covariance` after a first batch of
zero weight, `streaming_concat` at some large sizes.
"""

import importlib
import os
import re
import sys
import tempfile
import warnings
from contextlib import contextmanager

# Where tf-slim looks (module, name), and where TensorFlow 2.21 and tf-keras 2.21 keep it.
ALIASES = {
    ("tensorflow.python.layers.normalization", "BatchNormalization"): (
        "tf_keras.src.legacy_tf_layers.normalization"
    ),
    ("tensorflow.python.ops.control_flow_ops", "case"): "tensorflow.python.ops.control_flow_case",
    ("tensorflow.python.ops.control_flow_ops", "cond"): "tensorflow.python.ops.cond",
    ("tensorflow.python.ops.control_flow_ops", "Assert"): (
        "tensorflow.python.ops.control_flow_assert"
    ),
    ("tensorflow.python.ops.control_flow_ops", "while_loop"): "tensorflow.python.ops.while_loop",
    ("tensorflow.python.ops.array_ops", "stack"): "tensorflow.python.ops.array_ops_stack",
    ("tensorflow.python.ops.array_ops", "unstack"): "tensorflow.python.ops.array_ops_stack",
    ("tensorflow.python.framework.ops", "Tensor"): "tensorflow.python.framework.tensor",
    ("tensorflow.python.framework.ops", "IndexedSlices"): (
        "tensorflow.python.framework.indexed_slices"
    ),
    ("tensorflow.python.ops.variable_scope", "variable"): "tensorflow.python.ops.variable_v1",
}
# The one alias whose name differs on the two sides.
RENAMED = {("tensorflow.python.ops.variable_scope", "variable"): "VariableV1"}

# What TensorFlow's C++ side says at each start on a machine where all is well. Its log level cannot
# keep these out, because they are written before the level is read.
START_UP_CHATTER = re.compile(
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
def stderr_held_back(lines):
    """Holds back what is written to file descriptor 2, by C++ too, and adds it to a list."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
            held.seek(0)
            lines += held.read().decode(errors="replace").splitlines()


@contextmanager
def without_start_up_chatter():
    """Holds back what is written to file descriptor 2, then passes on all but the known chatter."""
    lines = []
    try:
        with stderr_held_back(lines):
            yield
    finally:
        for line in lines:
            if line.strip() and not START_UP_CHATTER.search(line):
                print(line, file=sys.stderr)


def set_aliases(aliases=None):
    """Puts each name of `aliases` (default: `ALIASES`) where tf-slim looks for it.

    Raises:
      ImportError: names the alias whose source is not in the installed TensorFlow.
    """
    for (module, name), source in (ALIASES if aliases is None else aliases).items():
        source_name = RENAMED.get((module, name), name)
        try:
            value = getattr(importlib.import_module(source), source_name)
            setattr(importlib.import_module(module), name, value)
        except (ImportError, AttributeError) as error:
            raise ImportError(
                f"tf-slim needs {module}.{name}, which TensorFlow 2.21 keeps as "
                f"{source}.{source_name}; TensorFlow {tf.__version__} does not ({error}). "
                "Install the versions of requirements.txt: pip install -r requirements.txt"
            ) from error


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # information is kept out, warnings are not
with without_start_up_chatter():
    import tensorflow.compat.v1 as tf
    from tensorflow.python.util import deprecation

    # tf-slim calls much that TensorFlow deprecates; its users can do nothing about it.
    deprecation._PRINT_DEPRECATION_WARNINGS = False
    set_aliases()
    _verbosity = tf.logging.get_verbosity()
    tf.logging.set_verbosity(tf.logging.ERROR)  # tf-slim's own import touches a deprecated name
    import tf_slim as slim

    tf.logging.set_verbosity(_verbosity)

# The same, said by tf-keras at each layer.
warnings.filterwarnings("ignore", message=r"`(layer\.apply|tf\.layers\.\w+)` is deprecated")
tf.disable_eager_execution()
# tf-slim keeps variables in sets; hashing one is slow while `==` compares values, and the graph of
# Inception-ResNet-V2 takes twice as long to build.
tf.disable_tensor_equality()

__all__ = ["slim", "tf"]
