"""Times training steps: this project in float32 and in mixed precision, Keras, and timm.

    python -m benchmarks.training                                  # four networks
    python -m benchmarks.training --model_names resnet_v1_50 --batch_size 32 --steps 20

The contestants of a network take turns, step by step, each in a process of its own: Adam, five
classes, the same random images, at the published image size. This project's networks also train
their auxiliary head, which those of Keras and timm lack. `mixed` is --mixed_precision with the
format that the machine computes fast; without one the row says so. timm runs where torch can be
imported. Columns: the seconds from the start of the process to the end of its first step, imports
included; the seconds of a step, min / median / max; the ratio of the median to that of Keras; and
the peak memory of the process.
"""

import importlib.util
import json
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from keras_conversion.layers import APPLICATIONS
from nets.networks import find_network
from system.flags import Parser, path, run_main, whole_number
from system.precision_names import OFF

CLASSES = 5
RATE = 1e-4
AUXILIARY_LOSS_WEIGHT = 0.4  # of train_flowers.py
NETWORKS = "inception_resnet_v2,resnet_v1_50,mobilenet_v1,mobilenet_v3_large"
# slim's name -> timm's
TIMM = {
    "inception_resnet_v2": "inception_resnet_v2",
    "mobilenet_v1": "mobilenetv1_100",
    "mobilenet_v3_large": "mobilenetv3_large_100",
    "resnet_v1_50": "resnet50",
}
REFERENCE = "keras float32"


def slim_train_op(name, batch_size):
    """Builds a slim network in the current graph, and returns the op that trains it for a step."""
    from nets.nets_factory import get_network_fn
    from slim_on_tf2 import slim, tf

    images, labels = make_batch(name, batch_size)
    images = tf.placeholder_with_default(images, images.shape)
    network_fn = get_network_fn(name, CLASSES, weight_decay=4e-5, is_training=True)
    logits, end_points = network_fn(images)
    tf.losses.sparse_softmax_cross_entropy(labels, logits)
    if "AuxLogits" in end_points:
        tf.losses.sparse_softmax_cross_entropy(
            labels, end_points["AuxLogits"], weights=AUXILIARY_LOSS_WEIGHT
        )
    return slim.learning.create_train_op(
        tf.losses.get_total_loss(), tf.train.AdamOptimizer(RATE), check_numerics=False
    )


def slim_step(name, batch_size, is_mixed):
    """Returns a function that trains a slim network for one step, as train_flowers.py does."""
    from slim_on_tf2 import tf
    from system.precision import fast_format
    from training.session import training_config

    train_op = slim_train_op(name, batch_size)
    session = tf.Session(config=training_config(fast_format() if is_mixed else OFF))
    session.run(tf.global_variables_initializer())
    return lambda: session.run(train_op)


def keras_step(name, batch_size):
    """Returns a function that trains the network of keras.applications for one step."""
    import keras

    from keras_conversion.files import build_application, eager_keras
    from slim_on_tf2 import tf

    images, labels = make_batch(name, batch_size)
    any_device = None  # and not the CPU, where weights are converted
    with eager_keras(), tf.device(any_device):
        model = build_application(name, CLASSES)
        model.compile(keras.optimizers.Adam(RATE), "sparse_categorical_crossentropy")

    def step():
        with eager_keras(), tf.device(any_device):
            return model.train_on_batch(images, labels)

    return step


def timm_step(name, batch_size):
    """Returns a function that trains timm's network for one step."""
    import timm
    import torch

    images, labels = make_batch(name, batch_size)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images = torch.tensor(images.transpose(0, 3, 1, 2)).to(device)
    labels = torch.tensor(labels).to(device)
    model = timm.create_model(TIMM[name], num_classes=CLASSES).to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), RATE)

    def step():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def make_batch(name, batch_size):
    """Returns random images in [-1, 1], float32 [batch, side, side, channels], and int64 labels."""
    network = find_network(name)
    shape = (batch_size, network.image_size, network.image_size, network.channels)
    images = np.random.default_rng(0).uniform(-1, 1, shape)
    return images.astype(np.float32), np.arange(batch_size) % CLASSES


CONTESTANTS = {
    "slim float32": lambda name, batch_size: slim_step(name, batch_size, is_mixed=False),
    "slim mixed": lambda name, batch_size: slim_step(name, batch_size, is_mixed=True),
    REFERENCE: keras_step,
    "timm float32": timm_step,
}


def missing(contestant, name):
    """Returns why a contestant cannot run here, or None."""
    if contestant == "slim mixed":
        from system.precision import fast_format

        return "the machine has no fast 16-bit format" if fast_format() == OFF else None
    if contestant == REFERENCE:
        return None if name in APPLICATIONS else "keras.applications lacks it"
    if contestant == "timm float32":
        if name not in TIMM:
            return "no name in timm is known"
        found = all(importlib.util.find_spec(module) for module in ("torch", "timm"))
        return None if found else "torch and timm are not installed"
    return None


class Contestant:
    """A process that trains, one step for each line that it is sent."""

    def __init__(self, contestant, name, batch_size):
        """Starts the process, and waits for the end of its first step."""
        command = [sys.executable, "-m", "benchmarks.training", "--child", contestant]
        command += ["--model_names", name, "--batch_size", str(batch_size)]
        started = time.perf_counter()
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._read()
        self.first, self.steps = time.perf_counter() - started, []

    def step(self):
        """Trains one step."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self.steps.append(float(self._read()))

    def finish(self):
        """Ends the process; returns its measurements, seconds and bytes."""
        self._process.stdin.close()
        memory = int(self._read())
        self._process.wait()
        return {"first": self.first, "steps": self.steps, "memory": memory}

    def _read(self):
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(self._process.wait() or 1)  # its error is printed above
        return line


def serve(make_step, name, batch_size):
    """Trains a step for each line of stdin, and prints its seconds; at the end the memory."""
    step = make_step(name, batch_size)
    step()
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        step()
        print(time.perf_counter() - started, flush=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def measure(name, batch_size, steps):
    """Measures all contestants of one network; returns contestant -> measurements or reason."""
    found = {each: missing(each, name) for each in CONTESTANTS}
    running = {
        each: Contestant(each, name, batch_size) for each, reason in found.items() if reason is None
    }
    for _ in range(steps):
        for contestant in running.values():
            contestant.step()
    return found | {each: contestant.finish() for each, contestant in running.items()}


def format_rows(name, found):
    """Returns the lines of the table for one network."""
    reference = found[REFERENCE]
    for contestant, result in found.items():
        if isinstance(result, str):
            yield f"{name:22}{contestant:15}{result}"
            continue
        low, median, high = (f(result["steps"]) for f in (min, np.median, max))
        of_keras = "-"
        if isinstance(reference, dict):
            of_keras = f"{median / np.median(reference['steps']):.2f}"
        yield (
            f"{name:22}{contestant:15}{result['first']:8.1f}"
            f"{low:12.3f} /{median:7.3f} /{high:7.3f}{of_keras:>9}{result['memory'] / 1e9:7.1f}"
        )


def main(argv=None):
    """Prints the table, network by network."""
    parser = Parser(__doc__)
    parser.flag("model_names", "A,B", str, NETWORKS, "networks")
    parser.flag("batch_size", "N", whole_number(1), 8, "images per step")
    parser.flag("steps", "N", whole_number(1), 5, "timed steps, after the first")
    parser.flag("json", "FILE", path, None, "also write the measurements to this file")
    parser.flag("child", "NAME", str, None, "run one contestant, for the parent process")
    flags = parser.parse_args(argv)
    names = flags.model_names.split(",")
    for name in names:
        find_network(name)
    if flags.child:
        serve(CONTESTANTS[flags.child], names[0], flags.batch_size)
        return 0
    from system.device import describe_device

    print(f"{describe_device()}; {platform.machine()}; {flags.batch_size} images per step")
    print(
        f"{'network':22}{'':15}{'first s':>8}{'step s: min / median / max':>29}{'of Keras':>9}"
        f"{'GB':>7}"
    )
    found = {}
    for name in names:
        found[name] = measure(name, flags.batch_size, flags.steps)
        print(*format_rows(name, found[name]), sep="\n", flush=True)
    if flags.json:
        Path(flags.json).write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    run_main(main)
