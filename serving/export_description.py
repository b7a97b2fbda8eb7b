"""export.json: what was exported, what to feed and fetch, and how it compares."""

import json
from pathlib import Path

from preprocessing.preprocessing_factory import describe_preprocessing, needed_size
from serving.exported import (
    DESCRIPTION_FILE,
    EXTRA_ASSETS,
    IMAGE_BYTES,
    IMAGES,
    NETWORK_INPUTS,
    OUTPUTS,
    SIGNATURE,
)
from system.precision_names import OFF

# What a client sends, by the signature's input.
PHOTOS = {
    IMAGE_BYTES: "files in JPEG, PNG, GIF or BMP, decoded as in training; convert an image with "
    "EXIF orientation, with transparency, or a BMP with a palette to an upright RGB JPEG first, as "
    "predict_flowers.py does",
    IMAGES: "float32 in [0, 1]; red, green, blue",
}
# What to feed and fetch, by format.
TENSORS = {
    "saved_model": {
        "photos": PHOTOS,
        "signatures": {SIGNATURE: [IMAGE_BYTES], IMAGES: [IMAGES]},
        "outputs": list(OUTPUTS),
    },
    "frozen_graph": {
        "photos": PHOTOS,
        "inputs": [f"{IMAGE_BYTES}:0", f"{IMAGES}:0", NETWORK_INPUTS],
        "outputs": [f"{name}:0" for name in OUTPUTS],
    },
    "tflite": {"inputs": ["input"], "outputs": ["probabilities"]},
}


def write_description(folder, found, run):
    """Writes export.json.

    Args:
      folder: of the export.
      found: a dict with `format` and the results of the comparison.
      run: the exported `Run`.
    """
    network_input = {
        "side": run.image_size,
        "channels": 1 if run.use_grayscale else 3,
        "dtype": "float32",
        "preprocessing": run.preprocessing_name,
        "photo": describe_preprocessing(run.preprocessing_name),
        "needed_size": needed_size(run.preprocessing_name, run.image_size, run.image_size),
    }
    description = {
        "model_name": run.model_name,
        **TENSORS[found["format"]],
        "seen_by_the_network": network_input,
        "mixed_precision": {"training": run.mixed_precision, "export": OFF},
        **found,
    }
    place = EXTRA_ASSETS if found["format"] == "saved_model" else ""
    text = json.dumps(description, indent=2) + "\n"
    Path(folder, place, DESCRIPTION_FILE).write_text(text)
