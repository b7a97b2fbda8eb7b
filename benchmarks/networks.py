"""Compares all networks: parameters, difference from the published ones, time, memory.

    python -m benchmarks.networks                                   # all, an hour on two cores
    python -m benchmarks.networks --model_names mobilenet_v1,nasnet_mobile --batch_size 8

Columns: `parameters`, the trainable ones for five classes, with the auxiliary head; `golden` and
`keras`, the largest difference of a logit from the published network and from keras.applications
with the same weights, divided by the largest logit; `build`, the seconds to build the training
graph; `step`, the seconds per training step with Adam (min / median / max, after a first step that
is not counted) and the ratio of the median to that of the first network; `GB`, the peak memory of
the training process. Each network runs in its own process, at its published image size.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.training import CLASSES, slim_train_op
from nets.networks import NETWORKS, find_network
from system.flags import Parser, run_main, whole_number

TESTS = Path(__file__).resolve().parent.parent / "tests"  # has golden logits and their weights


def measure(name, batch_size, steps):
    """The measurements of one network: a dict, with times in seconds and memory in bytes."""
    parameters, build, times = time_training(name, batch_size, steps)
    # The peak of the process so far, so it is read before anything else is built.
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
    """Relative difference of logits from the published network; None without golden logits."""
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
    """Relative difference of logits from keras.applications; None if it lacks the network."""
    from keras_conversion.layers import APPLICATIONS

    if name not in APPLICATIONS:
        return None
    import golden_fill

    from keras_conversion.files import eager_keras
    from keras_conversion.models import to_keras
    from nets.nets_factory import get_network_fn
    from slim_on_tf2 import slim, tf

    images = golden_fill.images(NETWORKS[name].image_size)
    with tf.Graph().as_default():
        get_network_fn(name, CLASSES)(tf.constant(images))
        values = {
            v.op.name: golden_fill.variable_value(v.op.name, v.shape.as_list())
            for v in slim.get_model_variables()
        }
    model = to_keras(name, values, classifier_activation=None)
    keras_images = images[..., ::-1] if APPLICATIONS[name].is_bgr else images
    with eager_keras():
        expected = model(keras_images, training=False).numpy()
    return _difference(_slim_logits(name, images, CLASSES), expected)


def _slim_logits(name, images, num_classes):
    import golden_nets

    from nets.nets_factory import get_network_fn
    from slim_on_tf2 import tf

    with tf.Graph().as_default(), tf.Session() as session:
        logits, _ = get_network_fn(name, num_classes)(tf.constant(images))
        golden_nets.fill(session)
        return session.run(logits)


def _difference(logits, expected):
    return float(np.abs(logits - np.asarray(expected)).max() / np.abs(expected).max())


def time_training(name, batch_size, steps):
    """Number of trainable parameters, seconds to build the graph, and seconds of each step."""
    from slim_on_tf2 import tf

    with tf.Graph().as_default():
        start = time.perf_counter()
        train_op = slim_train_op(name, batch_size)
        build = time.perf_counter() - start
        parameters = sum(int(np.prod(v.shape.as_list())) for v in tf.trainable_variables())
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            ends = [time.perf_counter()]
            for _ in range(1 + steps):
                session.run(train_op)
                ends.append(time.perf_counter())
        return parameters, build, np.diff(ends)[1:].tolist()


def _measure_in_subprocess(name, flags):
    """Runs `measure` in its own process, so that the peak memory is that of this network."""
    command = [sys.executable, "-m", "benchmarks.networks", "--only", name]
    command += ["--batch_size", str(flags.batch_size), "--steps", str(flags.steps)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def _format_row(result, first):
    low, median, high = (f(result["step"]) for f in (min, np.median, max))

    def difference(name):
        return "-" if result[name] is None else f"{result[name]:.0e}"

    return (
        f"{result['network']:36}{result['image_size']:4}{result['parameters']:13,}"
        f"{difference('golden'):>8}{difference('keras'):>8}{result['build']:8.1f}"
        f"{low:12.2f} /{median:6.2f} /{high:6.2f}{median / np.median(first['step']):8.2f}"
        f"{result['memory'] / 1e9:8.1f}"
    )


def main(argv=None):
    """Prints the table, each row as soon as it is measured."""
    parser = Parser(__doc__)
    parser.flag("model_names", "A,B", str, ",".join(NETWORKS), "networks (default: all)")
    parser.flag("batch_size", "N", whole_number(1), 8, "images per training step")
    parser.flag("steps", "N", whole_number(1), 5, "number of timed training steps")
    parser.flag("only", "NAME", str, None, "measure one network in this process and print JSON")
    flags = parser.parse_args(argv)
    if flags.only:
        from system.device import describe_device

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
        result = _measure_in_subprocess(name, flags)
        if result is None:
            print(f"{name:36} failed; see the error above", flush=True)
            status = 1
            continue
        first = first or result
        print(_format_row(result, first), flush=True)
    return status


if __name__ == "__main__":
    run_main(main)
