"""The table of networks: parameters, distance from the published ones, time, memory.

    python -m benchmarks.networks                                   # all, an hour on two cores
    python -m benchmarks.networks --model_names mobilenet_v1,nasnet_mobile --batch_size 8

Columns: `parameters` that are trained, with heads of five classes, the auxiliary one included;
`golden` and `keras`, the largest difference of a logit from the published network's and from that
of keras.applications with the same weights, relative to the largest logit (golden figures at the
image size that they are known for); `build`, the seconds in which the training graph was built;
`step`, the seconds of a training step with Adam (min / median / max after one that is not counted),
and its ratio to that of the first network; `GB`, the largest memory of the process that trains.
Each network runs in a process of its own, at its published image size.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from flags import Parser, run, whole_number
from nets.factory import NETWORKS, find_network, get_network_fn

CLASSES = 5
TESTS = Path(__file__).resolve().parent.parent / "tests"  # golden figures, and weights for them


def measure(name, batch_size, steps):
    """All figures of one network; seconds, and bytes."""
    parameters, build, times = time_training(name, batch_size, steps)
    # Read before anything else is built: it is the most that the process has ever had.
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "network": name,
        "image_size": NETWORKS[name].image_size,
        "parameters": parameters,
        "golden": difference_from_golden(name),
        "keras": difference_from_keras(name),
        "build": build,
        "step": times,
        "memory": memory,
    }


def difference_from_golden(name):
    """How far logits are from the published network's; None where no such figures are known."""
    if not (TESTS / "golden" / f"{name}.json").is_file():
        return None
    import golden_fill
    import golden_nets

    golden = golden_nets.read(name)
    expected = golden.get("logits") or [golden.get("logits_first_three")]
    if expected == [None]:
        return None
    images = golden_fill.images(golden["image_size"], golden.get("channels", 3))
    logits = _slim_logits(name, images, golden["num_classes"])
    return _difference(logits[: len(expected), : len(expected[0])], expected)


def difference_from_keras(name):
    """How far logits are from those of the Keras model of the same weights; None without one."""
    from nets.keras_layers import APPLICATIONS

    if name not in APPLICATIONS:
        return None
    import golden_fill

    from nets.keras_files import eager_keras
    from nets.keras_models import to_keras
    from slim_on_tf2 import slim, tf

    images = golden_fill.images(NETWORKS[name].image_size)
    with tf.Graph().as_default():
        get_network_fn(name, CLASSES)(tf.constant(images))
        values = {
            v.op.name: golden_fill.variable_value(v.op.name, v.shape.as_list())
            for v in slim.get_model_variables()
        }
    model = to_keras(name, values, classifier_activation=None)
    of_keras = images[..., ::-1] if APPLICATIONS[name].is_bgr else images
    with eager_keras():
        expected = model(of_keras, training=False).numpy()
    return _difference(_slim_logits(name, images, CLASSES), expected)


def _slim_logits(name, images, num_classes):
    import golden_nets

    from slim_on_tf2 import tf

    with tf.Graph().as_default(), tf.Session() as session:
        logits, _ = get_network_fn(name, num_classes)(tf.constant(images))
        golden_nets.fill(session)
        return session.run(logits)


def _difference(logits, expected):
    return float(np.abs(logits - np.asarray(expected)).max() / np.abs(expected).max())


def time_training(name, batch_size, steps):
    """Parameters that are trained; seconds to build the graph; seconds of each step."""
    from slim_on_tf2 import tf
    from training.step import training_step

    row = NETWORKS[name]
    shape = (batch_size, row.image_size, row.image_size, row.channels)
    with tf.Graph().as_default():
        batch = {
            "images": tf.constant(np.random.RandomState(0).uniform(-1, 1, shape), tf.float32),
            "labels": tf.constant(np.arange(batch_size) % CLASSES, tf.int64),
        }
        start = time.perf_counter()
        tf.train.get_or_create_global_step()
        network_fn = get_network_fn(name, CLASSES, weight_decay=4e-5, is_training=True)
        step = training_step(batch, network_fn, "adam", tf.constant(1e-4))
        build = time.perf_counter() - start
        parameters = sum(int(np.prod(v.shape.as_list())) for v in tf.trainable_variables())
        return parameters, build, _time_steps(step, steps)


def _time_steps(step, steps):
    from slim_on_tf2 import tf

    times = []
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(1 + steps):
            start = time.perf_counter()
            session.run([step.global_step, step.total_loss])
            times.append(time.perf_counter() - start)
    return times[1:]


def _measured_apart(name, flags):
    """`measure` in a process of its own, so that memory is of this network alone."""
    command = [sys.executable, "-m", "benchmarks.networks", "--only", name]
    command += ["--batch_size", str(flags.batch_size), "--steps", str(flags.steps)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def _line(figures, first):
    low, median, high = (f(figures["step"]) for f in (min, np.median, max))

    def difference(name):
        return "-" if figures[name] is None else f"{figures[name]:.0e}"

    return (
        f"{figures['network']:36}{figures['image_size']:4}{figures['parameters']:13,}"
        f"{difference('golden'):>8}{difference('keras'):>8}{figures['build']:8.1f}"
        f"{low:12.2f} /{median:6.2f} /{high:6.2f}{median / np.median(first['step']):8.2f}"
        f"{figures['memory'] / 1e9:8.1f}"
    )


def main(argv=None):
    """Prints the table, a line a network as it is measured."""
    parser = Parser(__doc__)
    parser.flag("model_names", "A,B", str, ",".join(NETWORKS), "networks (default all)")
    parser.flag("batch_size", "N", whole_number(1), 8, "photos a training step")
    parser.flag("steps", "N", whole_number(1), 5, "training steps that are timed")
    parser.flag("only", "NAME", str, None, "measure this one here, and print JSON")
    flags = parser.parse_args(argv)
    if flags.only:
        from training.device import describe_device

        sys.path.append(str(TESTS))
        print(describe_device())
        print(json.dumps(measure(flags.only, flags.batch_size, flags.steps)))
        return 0
    names = flags.model_names.split(",")
    for name in names:
        find_network(name)
    print(
        f"{'network':36}{'px':>4}{'parameters':>13}{'golden':>8}{'keras':>8}{'build s':>8}"
        f"{'step s: min / median / max':>28}{'ratio':>8}{'GB':>8}"
    )
    first, status = None, 0
    for name in names:
        figures = _measured_apart(name, flags)
        if figures is None:
            print(f"{name:36} failed; see above", flush=True)
            status = 1
            continue
        first = first or figures
        print(_line(figures, first), flush=True)
    return status


if __name__ == "__main__":
    run(main)
