"""Measures a trained network on a split: figures, plots, and a table of predictions.

    python eval_flowers.py                                     # the best checkpoint of runs/flowers
    python eval_flowers.py --log_dir runs/birds --split test   # another run, another split
    python eval_flowers.py --checkpoint latest                 # or a path
    python eval_flowers.py --watch                             # each new one of a training
    python eval_flowers.py --compare runs/flowers runs/birds   # evaluated runs side by side

What network, size and labels they are is read from log_dir/run.json. Writes to log_dir/eval:
report.html, metrics.json, predictions.csv, the plots predictions.png, mistakes.png,
confusion_matrix.png, calibration.png, per_class.png, learning_curves.png, and TensorBoard's pages.
"""

import json

from bad_input import BadInput
from flags import Parser, number, path, run, whole_number
from training import run_checkpoints
from training.run_record import read_run


def parse_flags(argv=None):
    """The flags, each checked."""
    parser = Parser(__doc__)
    flag, switch = parser.flag, parser.switch
    flag("log_dir", "DIR", path, "runs/flowers", "what train_flowers.py wrote")
    flag("checkpoint", "WHICH", str, "best", "best, latest, or a path")
    switch("moving_averages", "in the place of the weights")
    flag("split", "NAME", str, "validation", "split to read")
    flag("dataset_dir", "DIR", path, None, "TFRecords (default those of the training)")
    flag("eval_dir", "DIR", path, None, "to write to (default log_dir/eval, or /watch)")
    flag("batch_size", "N", whole_number(1), 32, "photos at once; no influence on the figures")
    switch("explain", "heat maps beside the mistakes: where the network saw its answer")
    switch("watch", "wait for new checkpoints, and evaluate each once, until the run has ended")
    flag(
        "timeout", "S", number(above=0), None, "with --watch: seconds without one (default no end)"
    )
    flag("compare", "RUN", str, None, "print runs that were evaluated side by side", nargs="+")
    switch("show", "open the plots in windows as well")
    flags = parser.parse_args(argv)
    _check_together(parser, flags)
    return flags


def _check_together(parser, flags):
    """Refuses flags that another one would leave without meaning."""
    given = {name for name, value in vars(flags).items() if value != parser.get_default(name)}
    for mode, others in (
        ("compare", given - {"compare"}),
        ("watch", given & {"checkpoint", "show"} if flags.watch else set()),
    ):
        if mode in given and others:
            raise BadInput(f"--{sorted(others)[0]} says nothing with --{mode}; leave one out")
    if flags.timeout is not None and not flags.watch:
        raise BadInput("--timeout is for --watch; give that too, or leave it out")


def show(plots):
    """Opens the plots in windows, one each, until they are closed."""
    import matplotlib.pyplot as plt

    if plt.get_backend().lower() == "agg":
        print("--show: there is no display to open a window on; the plots are files")
        return
    for plot in plots:
        plt.figure(plot.name).add_axes((0, 0, 1, 1), frame_on=False).imshow(plt.imread(plot))
    plt.show()


def describe(figures):
    """The lines that say what came out."""
    low, high = figures["accuracy_interval"]
    loss = "not finite" if figures["loss"] is None else f"{figures['loss']:.4f}"
    return [
        f"{figures['checkpoint']} at step {figures['global_step']}: streaming accuracy "
        f"{figures['streaming_accuracy']:.4f} over {figures['num_examples']} photos of "
        f"{figures['split']} (95 % interval {low:.4f} to {high:.4f}), loss {loss}",
        "Written:",
        *(f"  {file}" for file in figures["written"]),
    ]


def evaluations(flags):
    """Yields the figures of the checkpoint that is asked for, or of each new one."""
    from training import evaluation
    from training.device import describe_device

    print(describe_device(), flush=True)
    options = {
        "log_dir": flags.log_dir,
        "split": flags.split,
        "dataset_dir": flags.dataset_dir,
        "eval_dir": flags.eval_dir,
        "batch_size": flags.batch_size,
        "moving_averages": flags.moving_averages,
        "explain": flags.explain,
    }
    if flags.watch:
        yield from evaluation.watch(timeout=flags.timeout, **options)
    else:
        yield evaluation.evaluate(checkpoint=flags.checkpoint, **options)


def compare(log_dirs):
    """Prints runs that have been evaluated side by side; the last line is JSON."""
    from reporting import comparison

    compared = comparison.compare(log_dirs)
    print(*comparison.comparison_lines(compared), sep="\n")
    print(json.dumps(compared))


def main(argv=None):
    """Checks the flags, evaluates, and prints a last line of JSON for each checkpoint."""
    flags = parse_flags(argv)
    if flags.compare:
        compare(flags.compare)
        return
    if not flags.watch:
        read_run(flags.log_dir)
        run_checkpoints.find(flags.log_dir, flags.checkpoint)
    # From here on TensorFlow is imported, which takes six seconds.
    names = ("checkpoint", "global_step", "split", "num_examples", "accuracy", "loss", "eval_dir")
    for figures in evaluations(flags):
        print(*describe(figures)[: 1 if flags.watch else None], sep="\n")
        print(json.dumps({name: figures[name] for name in names}), flush=True)
        if flags.show:
            show([file for file in figures["written"] if file.suffix == ".png"])


if __name__ == "__main__":
    run(main)
