"""Fine-tunes a network as Keras's guide to transfer learning does, for comparison.

    python -m benchmarks.keras_transfer --dataset_dir data/flowers --model_name mobilenet_v1 \\
        --checkpoint_path imagenet --image_size 128 --head_epochs 2 --epochs 4

Converts a slim checkpoint to a Keras model. A new head with dropout is trained on the frozen
network (Adam, 0.001), then all layers at a low rate, with batch norm in inference mode. Training
images are flipped and rotated by up to a tenth of a turn, on top of the preprocessing that
evaluation uses. Validations are printed as by train_flowers.py; the last line is JSON.

https://keras.io/guides/transfer_learning
"""

import json
import math
from pathlib import Path

from checkpointing.checkpoint_path import NONE, check_checkpoint_path
from keras_conversion.file_types import is_keras_file
from keras_conversion.layers import APPLICATIONS, find_application
from nets.networks import check_image_size, find_network
from system.errors import BadInput
from system.flags import Parser, number, one_of, path, pixels, run_main, seed_number, whole_number

HEAD_LEARNING_RATE = 1e-3
DROPOUT = 0.2
ROTATION = 0.1  # of a turn, in both directions


def parse_flags(argv=None):
    """Returns the flags, each checked by itself and all of them together."""
    parser = Parser(__doc__)
    flag = parser.flag
    flag("dataset_dir", "DIR", path, "data/flowers", "TFRecords")
    flag("model_name", "NAME", one_of(tuple(APPLICATIONS)), "mobilenet_v1", "network")
    flag("checkpoint_path", "WHICH", path, None, "pretrained weights (default the published ones)")
    flag("image_size", "PX", pixels, None, "side of its input (default the network's)")
    flag("batch_size", "N", whole_number(1), 32, "images per step")
    flag("seed", "N", seed_number, 0, "seed of shuffling, augmentation and the head")
    flag("head_epochs", "N", whole_number(0), 2, "epochs that train the head alone")
    flag("epochs", "N", whole_number(0), 4, "epochs that train all layers")
    flag("learning_rate", "X", number(above=0), 0.0001, "of these")
    flags = parser.parse_args(argv)
    flags.image_size = flags.image_size or find_network(flags.model_name).image_size
    check_image_size(flags.model_name, flags.image_size)
    if not Path(flags.dataset_dir).is_dir():
        raise BadInput(
            f"--dataset_dir {flags.dataset_dir} is not a folder; convert_flowers.py makes one"
        )
    if not flags.head_epochs + flags.epochs:
        raise BadInput("--head_epochs 0 --epochs 0 trains nothing; give one of them")
    flags.checkpoint_path = check_checkpoint_path(flags.checkpoint_path, flags.model_name)
    if flags.checkpoint_path == NONE:
        raise BadInput("--checkpoint_path none: expected pretrained weights")
    return flags


def read_values(flags):
    """Returns the values of the network's variables in the checkpoint, slim's name -> array."""
    from checkpointing.download import resolve_checkpoint_path
    from checkpointing.reading import open_checkpoint
    from keras_conversion.weights import read_keras_weights

    checkpoint = resolve_checkpoint_path(flags.checkpoint_path, flags.model_name)
    if is_keras_file(checkpoint):
        return read_keras_weights(checkpoint, flags.model_name)
    reader = open_checkpoint(checkpoint)
    layers = find_application(flags.model_name).layers()
    names = [name for layer in layers for name in layer.variables]
    return {name: reader.get_tensor(name) for name in names if reader.has_tensor(name)}


def build_model(flags, values, num_classes):
    """Builds the network without its last layer, and a model with a new head on top of it.

    Args:
      flags: the flags.
      values: the pretrained weights, as from `read_values`.
      num_classes: the number of classes of the new head.

    Returns:
      (base, model), Keras models; `model` maps preprocessed images, float32
      [batch, image_size, image_size, 3], to logits [batch, num_classes]. Call this function, and
      use both models, in `eager_keras()`.
    """
    import keras

    from keras_conversion.models import to_keras

    converted = to_keras(flags.model_name, values, flags.image_size)
    application = find_application(flags.model_name)
    last = list(application.layers())[-1]
    # A copy, because `to_keras` places the weights on the CPU.
    base = keras.Model(converted.input, converted.get_layer(last.name).input, name="base")
    weights = base.get_weights()
    base = keras.models.clone_model(base)
    base.set_weights(weights)

    images = keras.Input(base.input_shape[1:])
    x = keras.layers.RandomFlip("horizontal", seed=flags.seed)(images)
    x = keras.layers.RandomRotation(ROTATION, seed=flags.seed)(x)
    if application.is_bgr:
        x = keras.layers.Lambda(lambda rgb: rgb[..., ::-1])(x)
    x = base(x, training=False)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dropout(DROPOUT)(x)
    return base, keras.Model(images, keras.layers.Dense(num_classes, name="head")(x))


class Batches:
    """Batches of both splits, preprocessed as for train_flowers.py's evaluation."""

    def __init__(self, flags):
        """Opens the dataset of the flags; raises BadInput if a split is missing or broken."""
        from datasets.splits import get_split
        from training.inputs import check_splits

        self._flags = flags
        self.train, self.validation = (
            get_split(name, flags.dataset_dir) for name in ("train", "validation")
        )
        check_splits(self.train, self.validation)
        self.steps_per_epoch = math.ceil(self.train.num_samples / flags.batch_size)

    def read(self, split, first_step=0):
        """Returns a `tf.data.Dataset` of (images, labels), endless for the training split."""
        from datasets.batches import load_batch
        from preprocessing.preprocessing_factory import get_preprocessing
        from slim_on_tf2 import tf

        flags = self._flags
        scheme = find_network(flags.model_name).preprocessing
        batches = load_batch(
            split,
            flags.batch_size,
            height=flags.image_size,
            width=flags.image_size,
            is_training=split is self.train,
            preprocess=get_preprocessing(scheme, is_training=False),
            seed=flags.seed,
            first_example=first_step * flags.batch_size,
        )
        batches = batches.map(lambda batch: (batch["images"], batch["labels"]))
        if split is self.train:
            return batches
        # Keras warns at the end of data whose size it does not know.
        count = math.ceil(split.num_samples / flags.batch_size)
        return batches.apply(tf.data.experimental.assert_cardinality(count))


def train(flags):
    """Trains the head, then all layers; prints each validation.

    Returns:
      A dict: `steps`, `accuracy` (of the last validation), `best_accuracy`.
    """
    from keras_conversion.files import eager_keras
    from slim_on_tf2 import tf

    with eager_keras() as keras, tf.device(None):  # on the GPU, if there is one
        keras.utils.set_random_seed(flags.seed)
        batches = Batches(flags)
        base, model = build_model(flags, read_values(flags), batches.train.num_classes)
        accuracies, step = [], 0
        for epochs, rate, is_trained in (
            (flags.head_epochs, HEAD_LEARNING_RATE, False),
            (flags.epochs, flags.learning_rate, True),
        ):
            base.trainable = is_trained
            model.compile(
                keras.optimizers.Adam(rate),
                keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                metrics=["accuracy"],
            )
            if epochs:
                model.fit(
                    batches.read(batches.train, step),
                    epochs=epochs,
                    steps_per_epoch=batches.steps_per_epoch,
                    validation_data=batches.read(batches.validation),
                    callbacks=[_report_validations(batches, step, accuracies)],
                    verbose=0,
                )
            step += epochs * batches.steps_per_epoch
    return {"steps": step, "accuracy": accuracies[-1], "best_accuracy": max(accuracies)}


def _report_validations(batches, first_step, accuracies):
    """Returns a callback that prints the validation of each epoch and appends its accuracy."""
    import keras

    def report(epoch, logs):
        is_best = logs["val_accuracy"] > max(accuracies, default=-1)
        accuracies.append(round(logs["val_accuracy"], 6))
        print(
            f"validation  step {first_step + (epoch + 1) * batches.steps_per_epoch}  "
            f"loss {logs['val_loss']:.4f}  accuracy {logs['val_accuracy']:.3f} of "
            f"{batches.validation.num_samples} images{', best so far' if is_best else ''}",
            flush=True,
        )

    return keras.callbacks.LambdaCallback(on_epoch_end=report)


def main(argv=None):
    """Trains; the last line is JSON."""
    flags = parse_flags(argv)
    from system.device import describe_device

    print(describe_device(), flush=True)
    print(json.dumps(train(flags)))
    return 0


if __name__ == "__main__":
    run_main(main)
