"""Fine-tunes a slim network on photos.

    python train_flowers.py                               # flowers, from ImageNet weights
    python train_flowers.py --checkpoint_path none        # the same, from scratch
    python train_flowers.py --dataset_dir data/birds --log_dir runs/birds \\
        --model_name mobilenet_v1 --batch_size 32         # photos from convert_flowers.py
    python train_flowers.py --list_variables              # scopes to choose from
    tensorboard --logdir runs                             # look at it

Killed or stopped, it goes on where it was when it is started again with the same flags.
"""

import json
import signal

from datasets.description import read_labels
from flags import run
from nets.factory import check_image_size, find_network
from training.settings import check, check_dataset, fetch, has_files, settings_parser


def parse_flags(argv=None):
    """The flags, each checked; the tutorial's values where none is given."""
    parser = settings_parser(__doc__)
    parser.switch("list_variables", "print the network's variables by scope, and train nothing")
    return parser.parse_args(argv)


def print_variables(flags):
    """Lists the network's variables for as many classes as the dataset has, if there is one."""
    network = find_network(flags.model_name)
    image_size = flags.image_size or network.image_size
    check_image_size(flags.model_name, image_size)
    check_dataset(flags)
    is_here = has_files(flags.dataset_dir)
    num_classes = len(read_labels(flags.dataset_dir)) if is_here else network.published_classes
    from nets.variable_list import list_variables

    channels = 1 if flags.use_grayscale else network.channels
    print(*list_variables(flags.model_name, num_classes, image_size, channels), sep="\n")


def main(argv=None):
    """Checks the flags, fetches photos and first weights where they are not here, and trains."""
    flags = parse_flags(argv)
    if flags.list_variables:
        print_variables(flags)
        return 0
    del flags.list_variables  # no setting of a run
    check(flags)
    fetch(flags)
    # TensorFlow takes six seconds to import, so a mistyped flag is answered before.
    from training.fine_tuning import train

    result = train(flags)
    print(json.dumps(result))
    return 128 + signal.Signals[result["stopped_by"]] if "stopped_by" in result else 0


if __name__ == "__main__":
    run(main)
