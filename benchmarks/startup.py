"""Times the start of a training: from the command to the end of its first step.

    python -m benchmarks.startup                                   # Inception-ResNet-V2
    python -m benchmarks.startup --other ../older_checkout --runs 5

Three commands take turns: train_flowers.py of this checkout, that of another one if --other is
given, and Keras, which trains the same network on images in memory (`benchmarks.training`). The
trainings of this project restore a checkpoint below the heads and read drawn images; Keras starts
from random weights. Prints the seconds, min / median / max, and the ratio of the medians to that of
Keras.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.training import CLASSES, REFERENCE, Contestant, missing
from nets.networks import find_network
from system.flags import Parser, path, run_main, whole_number

ROOT = Path(__file__).resolve().parent.parent
IMAGES_PER_CLASS = 20


def draw_dataset(folder):
    """Draws images in a folder and converts them; returns the path of the dataset, a str."""
    photos, dataset = folder / "photos", folder / "dataset"
    for command in (
        f"-m datasets.drawn --task flowers --photos_dir {photos} "
        f"--images_per_class {IMAGES_PER_CLASS}",
        f"convert_flowers.py --photos_dir {photos} --dataset_dir {dataset} "
        "--validation_fraction 0.25",
    ):
        subprocess.run(
            [sys.executable, *command.split()], cwd=ROOT, check=True, capture_output=True
        )
    return str(dataset)


def save_random_weights(folder, model_name):
    """Saves random weights of a network in a folder; returns the path, a str."""
    from nets.nets_factory import get_network_fn
    from slim_on_tf2 import slim, tf

    network = find_network(model_name)
    blank = tf.zeros([1, network.image_size, network.image_size, network.channels])
    with blank.graph.as_default(), tf.Session() as session:
        get_network_fn(model_name, CLASSES, is_training=True)(blank)
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver(slim.get_model_variables())
        return saver.save(session, str(folder / "pretrained" / "model.ckpt"))


def seconds_to_first_step(checkout, dataset, checkpoint, model_name, batch_size):
    """Runs train_flowers.py of a checkout until it reports its first step; returns the seconds."""
    with tempfile.TemporaryDirectory() as log_dir:
        command = [
            *(sys.executable, str(Path(checkout).resolve() / "train_flowers.py")),
            *("--dataset_dir", dataset, "--checkpoint_path", checkpoint, "--log_dir", log_dir),
            *("--model_name", model_name, "--batch_size", str(batch_size)),
            *("--max_number_of_steps", "100", "--summary_steps", "1"),
        ]
        started = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=log_dir) as process:
            for line in process.stdout:
                if "step 1/" in line:
                    process.kill()
                    return time.perf_counter() - started
    raise SystemExit(process.returncode or 1)  # its error is printed above


def seconds_of_keras(model_name, batch_size):
    """Trains the network of keras.applications for one step; returns the seconds."""
    contestant = Contestant(REFERENCE, model_name, batch_size)
    return contestant.finish()["first"]


def main(argv=None):
    """Prints the seconds of each command."""
    parser = Parser(__doc__)
    parser.flag("model_name", "NAME", str, "inception_resnet_v2", "network")
    parser.flag("batch_size", "N", whole_number(1), 10, "images per step")
    parser.flag("other", "DIR", path, None, "another checkout of this project")
    parser.flag("runs", "N", whole_number(1), 3, "starts of each command")
    flags = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        dataset = draw_dataset(Path(folder))
        weights = save_random_weights(Path(folder), flags.model_name)
        arguments = (dataset, weights, flags.model_name, flags.batch_size)
        commands = {"this checkout": lambda: seconds_to_first_step(ROOT, *arguments)}
        if flags.other:
            commands[flags.other] = lambda: seconds_to_first_step(flags.other, *arguments)
        if missing(REFERENCE, flags.model_name) is None:
            commands["Keras"] = lambda: seconds_of_keras(flags.model_name, flags.batch_size)
        found = {name: [] for name in commands}
        for _ in range(flags.runs):
            for name, command in commands.items():
                found[name].append(command())
    for name, seconds in found.items():
        median = statistics.median(seconds)
        ratio = f"{median / statistics.median(found['Keras']):.2f}" if "Keras" in found else "-"
        print(f"{name:30}{min(seconds):7.1f} /{median:7.1f} /{max(seconds):7.1f}{ratio:>8}")
    return 0


if __name__ == "__main__":
    run_main(main)
