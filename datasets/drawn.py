"""Photos that the project draws itself, so that everything can be tried without a download.

    python -m datasets.drawn --task flowers --photos_dir data/drawn_flowers

Two tasks: the five flowers of the real photos, and ten other things of a garden to learn from
first. Things have their own shape, and differ in pose, size, place and number, in colour, light,
background and noise; classes share their colours, so that colour alone does not tell them apart.
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

import flags
from bad_input import BadInput
from datasets.drawing import flowers, garden
from datasets.drawing.scene import photograph
from files import folder_beside

PHOTOS_A_WORKER = 100  # fewer are drawn sooner than a process has started


def _class(paint, **colours):
    """What a class shows: the function that paints it, and how often that has which colour."""
    return paint, colours


TASKS = {
    "flowers": {
        "daisy": _class(flowers.daisy, white=6, pink=2, yellow=1, red=1),
        "dandelion": _class(flowers.dandelion, yellow=6, white=3, orange=1),
        "roses": _class(flowers.rose, red=5, pink=3, white=1, yellow=1),
        "sunflowers": _class(flowers.sunflower, yellow=7, orange=2, red=1),
        "tulips": _class(flowers.tulip, violet=3, pink=2, orange=2, red=2, yellow=1),
    },
    "garden": {
        "berries": _class(garden.berries, red=5, blue=3, orange=2),
        "butterflies": _class(garden.butterfly, orange=4, blue=4, yellow=1, white=1),
        "clovers": _class(garden.clover, green=5, pale_green=3, dark_green=2),
        "ferns": _class(garden.fern, green=4, pale_green=4, dark_green=1, orange=1),
        "lilies": _class(garden.lily, white=4, orange=4, pink=2),
        "maples": _class(garden.maple, red=4, orange=4, yellow=1, green=1),
        "mushrooms": _class(garden.mushroom, red=5, brown=4, cream=1),
        "snails": _class(garden.snail, cream=5, brown=3, pink=2),
        "succulents": _class(garden.succulent, pink=5, pale_green=4, red=1),
        "violets": _class(garden.violet, violet=6, yellow=2, magenta=1, blue=1),
    },
}


def draw(task, photos_dir, photos_per_class, size=128, seed=0, progress=True):
    """Draws a task's photos into `photos_dir/<class>/<00000>.jpg`, on all processor cores.

    The folder is drawn aside and renamed, so that it is whole or not there. A script that calls
    this must be guarded by `if __name__ == "__main__"`, because the workers import it again.

    Args:
      task: a key of `TASKS`.
      photos_dir: the new folder.
      photos_per_class: how many photos each class gets.
      size: the side of a photo in pixels.
      seed: makes other photos.
      progress: whether to show a progress bar.

    Raises:
      BadInput: there is no such task, or `photos_dir` already holds something.
    """
    if task not in TASKS:
        raise BadInput(f"there is no drawn task {task!r}; choose one of {', '.join(TASKS)}")
    photos_dir = Path(photos_dir).absolute()
    if photos_dir.exists() and not (photos_dir.is_dir() and not any(photos_dir.iterdir())):
        raise BadInput(
            f"{photos_dir} already holds something; name a new folder or remove this one"
        )
    photos_dir.parent.mkdir(parents=True, exist_ok=True)
    photos = [(name, index) for index in range(photos_per_class) for name in TASKS[task]]
    with folder_beside(photos_dir) as aside:
        for class_name in TASKS[task]:
            (aside / class_name).mkdir()
        write = partial(_write_photo, aside, task, size, seed)
        bar = tqdm(total=len(photos), desc=f"drawing {task}", unit="photo", disable=not progress)
        with bar:
            for _ in _on_all_cores(write, photos):
                bar.update()
        aside.replace(photos_dir)


def draw_photo(task, class_name, index, size=128, seed=0):
    """The photo number `index` of a class, as the bytes of an RGB JPEG of size x size pixels.

    It depends on nothing but the arguments; between machines, rounding may differ.
    """
    names = [zlib.crc32(name.encode()) for name in (task, class_name)]
    rng = np.random.default_rng([seed, *names, index])
    pixels = photograph(rng, size, *TASKS[task][class_name])
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=int(rng.integers(60, 96)))
    return file.getvalue()


def _write_photo(folder, task, size, seed, photo):
    class_name, index = photo
    path = folder / class_name / f"{index:05}.jpg"
    path.write_bytes(draw_photo(task, class_name, index, size, seed))


def _on_all_cores(function, items):
    """Yields `function` of each item, in any order."""
    workers = min(os.cpu_count() or 1, len(items) // PHOTOS_A_WORKER)
    if workers < 2:
        yield from map(function, items)
        return
    # Forked processes would inherit TensorFlow's threads, if the caller has any, in mid-flight.
    processes = multiprocessing.get_context("spawn")
    ignore_interrupt = (signal.SIGINT, signal.SIG_IGN)  # the caller answers Ctrl-C for all
    with processes.Pool(workers, signal.signal, ignore_interrupt) as pool:
        yield from pool.imap_unordered(function, items, chunksize=16)


def main():
    """Draws one task from the command line."""
    parser = flags.Parser(__doc__)
    parser.add_argument("--task", choices=TASKS, default="flowers", help="what to draw")
    parser.add_argument(
        "--photos_dir", metavar="DIR", type=Path, required=True, help="the new folder"
    )
    whole = flags.whole_number
    parser.add_argument(
        "--photos_per_class", metavar="N", type=whole(1), default=300, help="photos of each class"
    )
    parser.add_argument("--size", metavar="N", type=whole(16), default=128, help="side, in pixels")
    parser.add_argument("--seed", metavar="N", type=whole(), default=0, help="makes other photos")
    args = parser.parse_args()
    draw(args.task, args.photos_dir, args.photos_per_class, args.size, args.seed)
    print(f"{len(TASKS[args.task])} x {args.photos_per_class} photos in {args.photos_dir}")
    return 0


if __name__ == "__main__":
    flags.run(main)
