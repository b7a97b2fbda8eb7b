"""Converts a checkpoint of a slim network to a Keras model.

    python -m checkpointing.to_keras --model_name inception_v3 \\
        --checkpoint_path runs/flowers/best/model.ckpt-1000 --output flowers.keras
"""

import json
from pathlib import Path

from checkpointing.files import locate_checkpoint
from keras_conversion.layers import APPLICATIONS, find_application
from nets.networks import find_network
from system.errors import BadInput
from system.flags import Parser, one_of, path, pixels, run_main


def parse_flags(argv=None):
    """Returns the checked flags.

    Raises:
      BadInput: a flag other than --image_size is missing, or --output does not end in `.keras`.
    """
    parser = Parser(__doc__)
    flag = parser.flag
    flag("model_name", "NAME", one_of(tuple(APPLICATIONS)), None, "network of the checkpoint")
    flag("checkpoint_path", "PATH", path, None, "TensorFlow checkpoint: file, prefix or folder")
    flag("output", "FILE", path, None, "Keras model to write; its name ends in .keras")
    flag("image_size", "PX", pixels, None, "side of its images (default as published)")
    flags = parser.parse_args(argv)
    if None in (flags.model_name, flags.checkpoint_path, flags.output):
        raise BadInput(
            "--model_name, --checkpoint_path and --output are needed, such as --model_name "
            "inception_v3 --checkpoint_path log_dir/model.ckpt-1000 --output flowers.keras"
        )
    if Path(flags.output).suffix != ".keras":
        raise BadInput(f"--output: expected a name that ends in .keras, got {flags.output!r}")
    return flags


def main(argv=None):
    """Converts and verifies the model; the last line is JSON."""
    flags = parse_flags(argv)
    checkpoint = locate_checkpoint(flags.checkpoint_path)
    # Imported here because TensorFlow takes seconds, and a wrong flag is answered before.
    from checkpointing.reading import check_readable, open_checkpoint
    from keras_conversion.models import save_keras_model
    from slim_on_tf2 import suppress_startup_messages, tf

    with suppress_startup_messages():
        tf.config.list_physical_devices()  # initializes the GPU driver, which may log a lot
    check_readable(checkpoint)
    reader = open_checkpoint(checkpoint)
    application = find_application(flags.model_name)
    names = [name for layer in application.layers() for name in layer.variables]
    values = {name: reader.get_tensor(name) for name in names if reader.has_tensor(name)}
    difference = save_keras_model(flags.model_name, values, flags.output, flags.image_size)
    print(
        f"Wrote {flags.output}: its log-probabilities differ from those of {flags.model_name} by "
        f"at most {difference:.0e} of the largest"
    )
    size = flags.image_size or find_network(flags.model_name).image_size
    colors = "BGR minus the ImageNet mean" if application.is_bgr else "RGB in [-1, 1]"
    print(
        f"Input: float images of {size} px, preprocessed as in training (published: {colors}). "
        "Output: a probability for each class, in the order of labels.txt"
    )
    result = {
        "output": flags.output,
        "model_name": flags.model_name,
        "checkpoint": checkpoint,
        "largest_difference": difference,
    }
    print("\n" + json.dumps(result))
    return 0


if __name__ == "__main__":
    run_main(main)
