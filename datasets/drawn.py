"""Draws labeled images, so that training can be tried without a download.

    python -m datasets.drawn --task flowers --photos_dir data/drawn_flowers

There are two tasks: the five classes of the flowers dataset, and ten other classes to pre-train
on. Objects vary in pose, size, position, number and color, images in light, background and noise.
Classes share their colors, so that color alone does not tell them apart.
"""

import io
import multiprocessing
import os
import signal
import zlib
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from datasets.drawing import flowers, garden
from datasets.drawing.scene import draw_scene
from system import flags
from system.errors import BadInput
from system.files import staging_folder

IMAGES_PER_WORKER = 100  # with fewer, starting a process takes longer than drawing

# task -> class -> the function that paints it, and the relative frequency of its colors
TASKS = {
    "flowers": {
        "daisy": (flowers.daisy, {"white": 6, "pink": 2, "yellow": 1, "red": 1}),
        "dandelion": (flowers.dandelion, {"yellow": 6, "white": 3, "orange": 1}),
        "roses": (flowers.rose, {"red": 5, "pink": 3, "white": 1, "yellow": 1}),
        "sunflowers": (flowers.sunflower, {"yellow": 7, "orange": 2, "red": 1}),
        "tulips": (
            flowers.tulip,
            {"violet": 3, "pink": 2, "orange": 2, "red": 2, "yellow": 1},
        ),
    },
    "garden": {
        "berries": (garden.berries, {"red": 5, "blue": 3, "orange": 2}),
        "butterflies": (garden.butterfly, {"orange": 4, "blue": 4, "yellow": 1, "white": 1}),
        "clovers": (garden.clover, {"green": 5, "pale_green": 3, "dark_green": 2}),
        "ferns": (garden.fern, {"green": 4, "pale_green": 4, "dark_green": 1, "orange": 1}),
        "lilies": (garden.lily, {"white": 4, "orange": 4, "pink": 2}),
        "maples": (garden.maple, {"red": 4, "orange": 4, "yellow": 1, "green": 1}),
        "mushrooms": (garden.mushroom, {"red": 5, "brown": 4, "cream": 1}),
        "snails": (garden.snail, {"cream": 5, "brown": 3, "pink": 2}),
        "succulents": (garden.succulent, {"pink": 5, "pale_green": 4, "red": 1}),
        "violets": (garden.violet, {"violet": 6, "yellow": 2, "magenta": 1, "blue": 1}),
    },
}


def draw(task, photos_dir, images_per_class, size=128, seed=0, progress=True):
    """Draws a task's images into `photos_dir/<class>/<00000>.jpg`, on all processor cores.

    The folder appears only when it is complete. A script that calls this must be guarded by
    `if __name__ == "__main__"`, because the worker processes import it again.

    Args:
      task: a key of `TASKS`.
      photos_dir: the new folder.
      images_per_class: the number of images of each class.
      size: the width and height of the images in pixels.
      seed: another seed gives other images.
      progress: whether to show a progress bar.

    Raises:
      BadInput: `task` is unknown, or `photos_dir` is not empty.
    """
    if task not in TASKS:
        raise BadInput(f"task: expected one of {', '.join(TASKS)}, got {task!r}")
    photos_dir = Path(photos_dir).absolute()
    if photos_dir.exists() and not (photos_dir.is_dir() and not any(photos_dir.iterdir())):
        raise BadInput(f"{photos_dir}: is not empty; delete it or choose another folder")
    photos_dir.parent.mkdir(parents=True, exist_ok=True)
    images = [(name, index) for index in range(images_per_class) for name in TASKS[task]]
    with staging_folder(photos_dir) as staging:
        for class_name in TASKS[task]:
            (staging / class_name).mkdir()
        write = partial(_write_image, staging, task, size, seed)
        done = _map_on_all_cores(write, images)
        for _ in tqdm(done, f"drawing {task}", len(images), unit="image", disable=not progress):
            pass
        staging.replace(photos_dir)


def draw_image(task, class_name, index, size=128, seed=0):
    """Draws image number `index` of a class: the bytes of an RGB JPEG of size x size pixels.

    The image depends only on the arguments; between machines, rounding may differ.
    """
    names = [zlib.crc32(name.encode()) for name in (task, class_name)]
    rng = np.random.default_rng([seed, *names, index])
    pixels = draw_scene(rng, size, *TASKS[task][class_name])
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=int(rng.integers(60, 96)))
    return file.getvalue()


def _write_image(folder, task, size, seed, image):
    class_name, index = image
    path = folder / class_name / f"{index:05}.jpg"
    path.write_bytes(draw_image(task, class_name, index, size, seed))


def _map_on_all_cores(function, items):
    """Yields `function` of each item, in any order."""
    workers = min(os.cpu_count() or 1, len(items) // IMAGES_PER_WORKER)
    if workers < 2:
        yield from map(function, items)
        return
    # A forked process would inherit the locks of the caller's TensorFlow threads, perhaps held.
    processes = multiprocessing.get_context("spawn")
    ignore_interrupt = (signal.SIGINT, signal.SIG_IGN)  # the caller handles Ctrl-C for all
    with processes.Pool(workers, signal.signal, ignore_interrupt) as pool:
        yield from pool.imap_unordered(function, items, chunksize=16)


def main():
    """Draws one task from the command line."""
    parser = flags.Parser(__doc__)
    flag, count = parser.flag, flags.whole_number
    flag("task", "NAME", flags.one_of(TASKS), "flowers", ", ".join(TASKS))
    parser.add_argument(
        "--photos_dir", metavar="DIR", type=Path, required=True, help="the new folder"
    )
    flag("images_per_class", "N", count(1), 300, "number of images of each class")
    flag("size", "PX", count(16), 128, "width and height")
    flag("seed", "N", count(), 0, "another seed gives other images")
    args = parser.parse_args()
    draw(args.task, args.photos_dir, args.images_per_class, args.size, args.seed)
    print(f"{len(TASKS[args.task])} x {args.images_per_class} images in {args.photos_dir}")
    return 0


if __name__ == "__main__":
    flags.run_main(main)
