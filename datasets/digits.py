"""Handwritten digits from scikit-learn: 1,797 images, converted without a download.

    python -m datasets.digits --dataset_dir data/digits

Alpaydin, Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
1998: the 8 x 8 pixels of its test set, in 17 gray levels. They are enlarged to the layout of MNIST,
a white digit of 20 pixels on black in the center of 28 x 28 pixels, so that the same networks take
either.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from datasets.dataset_download import flags_parser, make_once, print_result
from datasets.grayscale_images import GrayscaleImage, encode_png
from datasets.shard_writer import write_dataset
from datasets.stratify import group_equals, stratify
from system.flags import run_main

MAX_LEVEL = 16  # of scikit-learn's gray levels
SIDE, DIGIT_SIDE = 28, 20  # pixels: LeCun et al. 1998, Section III.A
NUM_SHARDS = 5


def download_and_convert(dataset_dir, *, validation_fraction=0.1, seed=0, progress=True):
    """Creates the dataset of digits in `dataset_dir`, unless it is there already.

    The split depends on the pixels and the seed alone, and equal images stay in one split.

    Args:
      dataset_dir: the dataset's folder.
      validation_fraction: share of each class for validation, in (0, 1).
      seed: decides the split and the order of the records.
      progress: whether to show a progress bar on a terminal.

    Returns:
      The content of `dataset.json`, a dict.

    Raises:
      BadInput: the disk is full or read-only; or `dataset_dir` contains another dataset, or shards
        without `dataset.json`.
    """
    dataset_dir = Path(dataset_dir)

    def convert():
        groups, in_two_classes = group_equals(read_digits())
        splits = stratify(groups, validation_fraction, seed=seed)
        enlarged = {
            split: [replace(digit, pixels=enlarge(digit.pixels)) for digit in digits]
            for split, digits in splits.items()
        }
        description = {
            "name": "digits",
            "labels": [str(label) for label in range(10)],
            "skipped": [],
            "in_two_classes": [[digit.file for digit in group] for group in in_two_classes],
            "settings": {
                "num_shards": NUM_SHARDS,
                "validation_fraction": validation_fraction,
                "seed": seed,
            },
        }
        return write_dataset(dataset_dir, description, enlarged, encode_png, "png", progress)

    return make_once(dataset_dir, "digits", convert)


def read_digits():
    """Returns scikit-learn's digits in order: `GrayscaleImage`s of 8 x 8 pixels, 0 to 255."""
    digits = load_digits()
    pixels = np.rint(digits.images * (255 / MAX_LEVEL)).astype(np.uint8)
    return [
        GrayscaleImage(f"digits/{index:04d}.png", str(label), image)
        for index, (image, label) in enumerate(zip(pixels, digits.target))
    ]


def enlarge(pixels):
    """Enlarges a digit to the layout of MNIST.

    Args:
      pixels: uint8 [side, side], white on black.

    Returns:
      uint8 [28, 28]: the digit, resized bilinearly, in the central 20 x 20 pixels.
    """
    digit = Image.fromarray(pixels).resize((DIGIT_SIDE, DIGIT_SIDE), Image.Resampling.BILINEAR)
    return np.pad(np.asarray(digit), (SIDE - DIGIT_SIDE) // 2)


def main(argv=None):
    """Creates the dataset; the last line is JSON with the number of images in each split."""
    flags = flags_parser(__doc__, "data/digits").parse_args(argv)
    print_result(flags.dataset_dir, download_and_convert(flags.dataset_dir))
    return 0


if __name__ == "__main__":
    run_main(main)
