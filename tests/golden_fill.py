"""Deterministic weights and inputs: the same name and shape give the same numbers anywhere.

The figures in tests/golden/ were made with these by the published networks and preprocessing.
"""

import zlib

import numpy as np


def variable_value(name, shape):
    """float32 value of the variable `name` (no ':0') of `shape`."""
    rng = np.random.RandomState(zlib.crc32(name.encode()) % (2**32))
    leaf = name.rsplit("/", 1)[-1]
    if leaf == "moving_variance":
        value = rng.uniform(0.5, 1.5, shape)
    elif leaf == "gamma":
        value = rng.uniform(0.8, 1.2, shape)
    elif leaf in ("moving_mean", "beta", "biases"):
        value = rng.normal(0.0, 0.1, shape)
    elif leaf == "depthwise_weights":
        value = rng.normal(0.0, np.sqrt(2.0 / (shape[0] * shape[1])), shape)
    else:
        value = rng.normal(0.0, np.sqrt(2.0 / np.prod(shape[:-1])), shape)
    return value.astype(np.float32)


def images(size, channels=3, batch=2, seed=0):
    """float32 [batch, size, size, channels] uniform in [-1, 1)."""
    shape = (batch, size, size, channels)
    return np.random.RandomState(seed).uniform(-1, 1, shape).astype(np.float32)
