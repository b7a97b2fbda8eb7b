"""The flags of eval_flowers.py with their defaults, and what they need together.

Free of TensorFlow, so that a wrong flag is answered at once.
"""

from evaluation.imagenet_labels import check_imagenet_dataset, holds_records
from evaluation.published_network import OPTIONS, add_flags, choose_network
from system.errors import BadInput
from system.flags import Parser, number, one_of, path, whole_number
from system.precision_names import AUTO, PRECISIONS
from training.run_checkpoints import find_checkpoint
from training.run_record import read_run


def parse_flags(argv=None, docstring=""):
    """Returns the flags, each checked by itself and all of them together."""
    parser = Parser(docstring)
    flag, switch = parser.flag, parser.switch
    flag("log_dir", "DIR", path, "runs/flowers", "run folder, written by train_flowers.py")
    flag("checkpoint", "WHICH", str, "best", "best, latest, or a path")
    switch("moving_averages", "evaluate these instead of the raw weights")
    add_flags(parser)
    flag("split", "NAME", str, "validation", "split to read")
    flag("dataset_dir", "DIR", path, None, "TFRecords (default those of the training)")
    flag("eval_dir", "DIR", path, None, "output (default eval, eval_SPLIT or watch in log_dir)")
    flag("batch_size", "N", whole_number(1), 32, "images per step; does not change the metrics")
    formats = one_of(PRECISIONS)
    flag("mixed_precision", "HOW", formats, AUTO, "16-bit products (default as in training)")
    switch("explain", "Grad-CAM heat maps beside the mistakes")
    switch("watch", "evaluate each new checkpoint once, until the run has ended")
    flag("timeout", "S", number(above=0), None, "with --watch: seconds to wait (default no limit)")
    flag("compare", "RUN", str, None, "print evaluated runs side by side", nargs="+")
    switch("show", "open the plots in windows as well")
    flags = parser.parse_args(argv)
    check_together(flags, parser.given(argv))
    return flags


def check_together(flags, given):
    """Refuses flags that exclude each other.

    Args:
      flags: the flags.
      given: the set of the names of those that were given.

    Raises:
      BadInput: names the flag, what was expected, and the cure.
    """
    for mode, others in (
        ("compare", given - {"compare"}),
        ("watch", given & {"checkpoint", "show"}),
    ):
        if mode in given and others:
            raise BadInput(f"--{sorted(others)[0]} cannot be combined with --{mode}")
    if flags.timeout is not None and not flags.watch:
        raise BadInput("--timeout requires --watch; add --watch, or leave it out")
    of_a_run = given & {"log_dir", "checkpoint", "moving_averages", "watch"}
    options = {name: getattr(flags, name) for name in OPTIONS}
    flags.network = choose_network(flags.model_name, options, sorted(of_a_run))
    if flags.network:
        _check_published(flags)
    elif not (flags.watch or flags.compare):
        read_run(flags.log_dir)
        find_checkpoint(flags.log_dir, flags.checkpoint)


def _check_published(flags):
    """Checks the images that a published network is to be evaluated on."""
    if flags.dataset_dir is None:
        raise BadInput(
            "--model_name needs --dataset_dir: TFRecords, or photos in one folder per class, "
            "labeled with ImageNet's classes"
        )
    check_imagenet_dataset(flags.dataset_dir, flags.model_name)
    if flags.split != "validation" and not holds_records(flags.dataset_dir):
        raise BadInput(
            f"--split {flags.split}: the photos in {flags.dataset_dir} are not split; leave it out"
        )
