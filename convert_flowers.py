"""Converts photos, in one folder a class or in a list, into sharded TFRecords to train on.

    python convert_flowers.py --photos_dir flower_photos --dataset_dir data/flowers
    python convert_flowers.py --photos_list photos.csv --dataset_dir data/flowers
    python train_flowers.py --dataset_dir data/flowers

A list is a CSV file in UTF-8 with the header file,label; files are named from its folder on.
Any JPEG, PNG, BMP, GIF (first frame), WebP or TIFF photo will do. Which photos are held out for
validation depends on their content and --seed alone, so it is the same on every machine. Equal
photos stay on one side; a photo that lies in two classes is left out. dataset.json, in the
dataset's folder, lists everything that was left out and why.
"""

import json
from pathlib import Path

from bad_input import BadInput
from datasets.description import DESCRIPTION_FILE
from datasets.photo_lists import list_photos
from datasets.shards import write_shards
from flags import Parser, number, one_of, run, whole_number

MOST_LISTED = 10


def parse_flags(argv=None):
    """Returns the flags, each number checked, the photos and the dataset's folder given."""
    parser = Parser(__doc__)
    flag = parser.flag
    flag("photos_dir", "DIR", Path, None, "photos, a folder for each class")
    flag("photos_list", "FILE", Path, None, "in place of the folder: CSV, the header file,label")
    flag("dataset_dir", "DIR", Path, None, "where the dataset goes: a folder that holds none yet")
    flag("dataset_name", "NAME", str, "flowers", "what the shards' names begin with")
    flag("num_shards", "N", whole_number(1), 5, "files for each split")
    flag("validation_fraction", "X", number(above=0, below=1), 0.1, "held out of each class")
    flag("test_fraction", "X", number(0, below=1), 0.0, "the same for a test split; 0 is none")
    flag("seed", "N", whole_number(), 0, "decides which photos are held out")
    flag("on_bad_photo", "WHAT", one_of(("skip", "fail")), "skip", "skip and list it, or fail")
    flags = parser.parse_args(argv)
    if flags.photos_dir and flags.photos_list:
        raise BadInput("--photos_list takes the place of --photos_dir: leave out one of the two")
    if not (flags.dataset_dir and (flags.photos_dir or flags.photos_list)):
        raise BadInput(
            "--photos_dir and --dataset_dir are needed, such as --photos_dir flower_photos "
            "--dataset_dir data/flowers; or --photos_list photos.csv in place of --photos_dir"
        )
    return flags


def check_classes(flags):
    """Raises `BadInput` where the photos are of one class, which leaves nothing to tell apart."""
    if len(list_photos(flags.photos_dir, flags.photos_list).classes) > 1:
        return
    if flags.photos_list is not None:
        raise BadInput(f"{flags.photos_list}: lists one class, expected two or more")
    raise BadInput(
        f"{flags.photos_dir}: holds one class folder, expected two or more; "
        f"did you mean {flags.photos_dir.resolve().parent}?"
    )


def print_counts(description):
    """Prints how many photos of each class each split holds."""
    labels, splits = description["labels"], description["splits"]
    width = max(len(name) for name in [*labels, "class"])
    print("\n" + "class".ljust(width), *(name.rjust(10) for name in [*splits, "all"]))
    rows = [(label, [split["classes"][label] for split in splits.values()]) for label in labels]
    rows.append(("all", [split["num_examples"] for split in splits.values()]))
    for name, counts in rows:
        print(name.ljust(width), *(f"{count:10,}" for count in [*counts, sum(counts)]))


def print_left_out(description, dataset_dir):
    """Prints what is not in the dataset and why, the beginning of it."""
    lines = [f"{' = '.join(files)}: in two classes" for files in description["in_two_classes"]]
    lines += [f"{bad['file']}: {bad['reason']}" for bad in description["skipped"]]
    print(f"\nleft out: {len(lines) or 'nothing'}")
    for line in lines[:MOST_LISTED]:
        print(f"  {line}")
    if len(lines) > MOST_LISTED:
        print(f"  ... and more: see skipped in {dataset_dir / DESCRIPTION_FILE}")


def main(argv=None):
    """Converts and says what came out; the last line is JSON."""
    flags = parse_flags(argv)
    check_classes(flags)
    description = write_shards(**vars(flags))
    print_counts(description)
    print_left_out(description, flags.dataset_dir)
    result = {
        "dataset_dir": str(flags.dataset_dir),
        "labels": description["labels"],
        "num_examples": {
            name: split["num_examples"] for name, split in description["splits"].items()
        },
        "skipped": len(description["skipped"]),
        "in_two_classes": len(description["in_two_classes"]),
    }
    print("\n" + json.dumps(result))
    return 0


if __name__ == "__main__":
    run(main)
