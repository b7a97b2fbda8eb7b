"""What a run needs around the network; and the four things to do with one model, from Python.

    from training import evaluate, export, fine_tune, predict

    fine_tune("data/birds", "mobilenet_v1", "runs/birds", num_epochs=20)
    evaluate("runs/birds")
    predict("runs/birds", ["heron.jpg"])
    export("runs/birds", "exports/birds")

The scripts are command lines over these functions. Each is imported when it is asked for, and
TensorFlow with the first, so that a script can check its flags before. That is also why this door
may name the two of the room above, `serving`.
"""

import importlib

# Function -> the module that it lives in.
_ACTIONS = {
    "fine_tune": "training.fine_tuning",
    "evaluate": "training.evaluation",
    "predict": "serving.prediction",
    "export": "serving.exporting",
}


def __getattr__(name):
    if name not in _ACTIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_ACTIONS[name]), name)


def __dir__():
    return sorted([*globals(), *_ACTIONS])
