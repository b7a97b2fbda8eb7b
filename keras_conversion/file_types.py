"""Recognizes Keras files without importing TensorFlow, Keras or h5py."""

from pathlib import Path

KERAS_SUFFIXES = (".h5", ".hdf5", ".keras")
_SIGNATURES = (b"\x89HDF\r\n\x1a\n", b"PK\x03\x04")  # HDF5; a .keras file is a zip archive


def is_keras_file(path):
    """Whether `path` looks like a Keras file, by its suffix or its first bytes."""
    path = Path(path)
    if path.suffix in KERAS_SUFFIXES:
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(8).startswith(_SIGNATURES)
