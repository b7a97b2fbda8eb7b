"""The handwritten digits that scikit-learn carries: 1,797 of them, converted without a download.

    python -m datasets.digits --dataset_dir data/digits

Alpaydin, Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
1998: the 8 x 8 pixels of its test set, in 17 greys. Laid out as MNIST's: a digit 20 pixels high,
white on black, in the middle of 28 x 28 pixels. So networks take either, and there is something to
train where MNIST cannot be fetched.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from datasets.grey_pictures import GreyPicture, encode_png
from datasets.published import command_line, make_once, print_result
from datasets.shard_writer import write_dataset
from datasets.stratify import group_equals, stratify
from flags import run

BRIGHTEST = 16  # of scikit-learn's greys
SIDE, DIGIT_SIDE = 28, 20  # pixels: LeCun et al. 1998, Section III.A
NUM_SHARDS = 5


def download_and_convert(dataset_dir, *, validation_fraction=0.1, seed=0, progress=True):
    """Makes the dataset of digits in `dataset_dir`, unless it is there already.

    Which digits are held out depends on their pixels and the seed alone, and equal ones stay on
    one side, as with photos. Of two processes the second waits for the first and finds its work
    done.

    Args:
      dataset_dir: where the dataset goes.
      validation_fraction: share of each class that is held out, in (0, 1).
      seed: decides which digits are held out, and the order of the records.
      progress: whether to show a progress bar on a terminal.

    Returns:
      The content of `dataset.json`, a dict.

    Raises:
      BadInput: no room on the disk, another dataset, or shards without `dataset.json`, in
        `dataset_dir`.
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
    """Returns scikit-learn's digits in their order: `GreyPicture`s of 8 x 8 pixels, 0 to 255."""
    from sklearn.datasets import load_digits  # here because it takes a second

    digits = load_digits()
    greys = np.rint(digits.images * (255 / BRIGHTEST)).astype(np.uint8)
    return [
        GreyPicture(f"digits/{index:04d}.png", str(label), pixels)
        for index, (pixels, label) in enumerate(zip(greys, digits.target))
    ]


def enlarge(pixels):
    """Lays a digit out as MNIST's are.

    Args:
      pixels: uint8 [side, side], white on black.

    Returns:
      uint8 [28, 28]: the digit, bilinear, in the middle 20 x 20 pixels, and black around it.
    """
    digit = Image.fromarray(pixels).resize((DIGIT_SIDE, DIGIT_SIDE), Image.Resampling.BILINEAR)
    return np.pad(np.asarray(digit), (SIDE - DIGIT_SIDE) // 2)


def main(argv=None):
    """Makes the dataset; the last line is JSON with the digits of each split."""
    flags = command_line(__doc__, "data/digits").parse_args(argv)
    print_result(flags.dataset_dir, download_and_convert(flags.dataset_dir))
    return 0


if __name__ == "__main__":
    run(main)
