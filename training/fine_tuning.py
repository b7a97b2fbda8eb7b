"""Fine-tuning from top to bottom: data, network and loss, first weights, session."""

import errno
import os
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from bad_input import BadInput
from datasets.batches import check_records, load_batch
from datasets.factory import DATASETS
from datasets.splits import get_split
from nets import keras_files, keras_weights, warm_start
from nets.checkpoint_files import check_whole, step_of
from nets.checkpoint_path import NONE
from nets.factory import NETWORKS, get_network_fn
from nets.variable_list import describe_training
from preprocessing.factory import get_preprocessing, to_pixels
from reporting.photo_grid import photo_grid
from slim_on_tf2 import slim, tf
from training import hooks, run_checkpoints
from training.device import describe_device, session_config
from training.evaluator import Diverged, Evaluator
from training.lock import alone_in
from training.metrics_log import MetricsLog
from training.model_stats_hook import ModelStats
from training.run_record import (
    Run,
    changed_flags,
    end_run,
    read_run,
    refuse_other_run,
    write_run,
)
from training.schedule import Schedule, batch_norm_decay, last_step, learning_rate
from training.settings import check, fetch, settings_parser
from training.step import next_batch, training_step, variables_to_train
from training.tensorboard_pages import write_session_end, write_session_start

PACKAGES = ("tensorflow", "tf_slim", "tf_keras", "numpy")
# The flags that only the first start of a run reads.
WARM_START = (
    "checkpoint_path",
    "checkpoint_exclude_scopes",
    "restore_moving_averages",
    "ignore_missing_vars",
)
CHECKPOINTS_KEPT = 5
SECONDS_BETWEEN_CHECKPOINTS = 600
PHOTOS_SHOWN = 25


def fine_tune(dataset, network, log_dir, **settings):
    """Trains a network on a dataset, or goes on with the run that `log_dir` holds.

    Args:
      dataset: the folder of its TFRecords, or the name of one that is fetched: flowers, mnist, ...
      network: a name of `nets.factory.NETWORKS`.
      log_dir: where the run goes.
      **settings: train_flowers.py's other flags by their names, such as num_epochs=20.

    Returns:
      As `train`.

    Raises:
      BadInput: as `train`; or a setting is not what its flag takes.
    """
    for name, value in {"dataset": dataset, "network": network, "log_dir": log_dir}.items():
        if value is None:
            raise BadInput(f"{name}: expected a name or a folder, got None")
    for name in {"dataset_name", "dataset_dir", "model_name"} & settings.keys():
        raise BadInput(f"{name}: is given by the first arguments, dataset and network")
    is_name = str(dataset) in DATASETS or not (Path(dataset).is_dir() or Path(dataset).parent.name)
    settings |= {"dataset_name" if is_name else "dataset_dir": dataset}
    flags = settings_parser(__doc__).checked(model_name=network, log_dir=log_dir, **settings)
    check(flags)
    fetch(flags)
    return train(flags)


def train(flags):
    """Trains a network as `flags` say, or goes on with the run that `flags.log_dir` holds.

    Args:
      flags: those of `settings_parser`, after `settings.check`.

    Returns:
      A dict: `steps`, `accuracy` (of the last validation, in [0, 1]), `best_accuracy`,
      `checkpoint` (the newest), `log_dir`; and `stopped_by` where a signal ended the run early.

    Raises:
      BadInput: a flag, the dataset, the checkpoint or the log_dir is at fault, or the loss was no
        longer a number; says which, and the cure.
    """
    _say(describe_device())
    photos, validation_photos = _read_splits(flags.dataset_dir, flags.dataset_name)
    steps = last_step(
        photos.num_samples, flags.batch_size, flags.num_epochs, flags.max_number_of_steps
    )
    schedule = Schedule(photos.num_samples, flags.batch_size, steps, flags.eval_steps)
    run = _describe_run(flags, photos)
    with alone_in(flags.log_dir), tf.Graph().as_default():
        tf.set_random_seed(flags.seed)
        newest, first_step = _find_start(flags.log_dir, run)
        batch = _next_batch(flags, run, photos, first_step)
        step = _training_step(flags, run, photos, batch)
        init_fn = _first_weights(flags, newest)
        if first_step and first_step >= steps:
            _say(f"Run: at step {first_step}, and the last is {steps}: nothing is left to train")
        else:
            _say(f"Run: from step {first_step} to {steps}, {flags.batch_size} photos a step")
        with _errors_explained(flags, photos, validation_photos):
            evaluator = Evaluator(run, validation_photos, flags.batch_size)
            best = run_checkpoints.Best(flags.log_dir, last_step=first_step if newest else -1)
            return _run_session(flags, run, schedule, step, first_step, init_fn, best, evaluator)


def _read_splits(dataset_dir, dataset_name):
    """The datasets to train on and to validate with."""
    photos, validation_photos = (
        get_split(split, dataset_dir, dataset_name) for split in ("train", "validation")
    )
    for split in (photos, validation_photos):
        if not split.num_samples:
            raise BadInput(
                f"{dataset_dir}: the split {split.split_name} holds no photo; convert more photos, "
                "or with another --validation_fraction"
            )
    _say(
        f"Data: {photos.num_samples} photos to train on and {validation_photos.num_samples} to "
        f"validate with, {photos.num_classes} classes, from {dataset_dir}"
    )
    return photos, validation_photos


@contextmanager
def _errors_explained(flags, photos, validation_photos):
    """Turns what TensorFlow says of a bad record, a full disk or a full GPU into one line."""
    try:
        yield
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError):
        check_records(photos)  # names the shard and the record, where one is at fault
        check_records(validation_photos)
        raise
    except (tf.errors.ResourceExhaustedError, OSError, RuntimeError) as error:
        # TensorFlow's event writer raises RuntimeError
        no_space = os.strerror(errno.ENOSPC)
        if no_space in str(error):
            run_checkpoints.remove_halves(flags.log_dir)
            raise BadInput(
                f"--log_dir {flags.log_dir}: {no_space}; the newest whole checkpoint is "
                f"{tf.train.latest_checkpoint(flags.log_dir)}. Make room and give the same "
                "command again"
            ) from error
        if isinstance(error, tf.errors.ResourceExhaustedError):
            raise BadInput(
                f"--batch_size {flags.batch_size} at {flags.image_size} px needs more memory than "
                "the device has; give a smaller one"
            ) from error
        raise


def _describe_run(flags, photos):
    return Run(
        model_name=flags.model_name,
        image_size=flags.image_size,
        preprocessing_name=flags.preprocessing_name,
        use_grayscale=flags.use_grayscale,
        labels=[photos.labels_to_names[label] for label in range(photos.num_classes)],
        dataset_name=photos.name,
        dataset_dir=str(Path(flags.dataset_dir).resolve()),
        optimizer=flags.optimizer,
        trainable_scopes=flags.trainable_scopes,
        moving_average_decay=flags.moving_average_decay,
        batch_size=flags.batch_size,
        num_examples=photos.num_samples,
        flags=dict(vars(flags)),
        versions={package: version(package) for package in PACKAGES},
    )


def _find_start(log_dir, run):
    """The newest checkpoint in `log_dir` and its step, or None and 0; writes run.json."""
    run_checkpoints.remove_halves(log_dir)
    newest = run_checkpoints.newest_whole(log_dir)
    if newest:
        if not Path(log_dir, "run.json").is_file():
            raise BadInput(
                f"{log_dir} holds checkpoints and no run.json, so nobody knows what they are of; "
                "give another --log_dir (they can be --checkpoint_path)"
            )
        old = read_run(log_dir)
        refuse_other_run(old, run, log_dir)
        # What the run began from stays on record; it is not read again.
        run.flags.update({name: old.flags.get(name) for name in WARM_START})
        for change in changed_flags(old, run):
            _say(f"Changed: {change}")
    write_run(log_dir, run)
    return newest, step_of(newest) if newest else 0


def _next_batch(flags, run, photos, first_step):
    batches = load_batch(
        photos,
        flags.batch_size,
        run.image_size,
        run.image_size,
        is_training=True,
        preprocess=get_preprocessing(
            run.preprocessing_name, is_training=True, use_grayscale=run.use_grayscale
        ),
        seed=flags.seed,
        first_example=first_step * flags.batch_size,
    )
    iterator = tf.data.make_initializable_iterator(batches)
    tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    return next_batch(iterator)


def _training_step(flags, run, photos, batch):
    scopes = warm_start.split_scopes(flags.trainable_scopes)
    global_step = tf.train.get_or_create_global_step()
    network_fn = get_network_fn(
        run.model_name,
        photos.num_classes,
        weight_decay=flags.weight_decay,
        is_training=True,
        batch_norm_decay=flags.batch_norm_decay or batch_norm_decay(global_step),
        # A layer that does not train keeps the moving averages that it was restored with.
        freeze_batch_norm=flags.freeze_batch_norm
        or (bool(scopes) and (lambda scope: not warm_start.in_scopes(scope, scopes))),
    )
    rate = learning_rate(global_step, flags, photos.num_samples)
    step = training_step(
        batch,
        network_fn,
        flags.optimizer,
        rate,
        scopes,
        flags.label_smoothing,
        flags.moving_average_decay,
    )
    trained = describe_training(variables_to_train(scopes), tf.trainable_variables())
    _say(
        f"Network: {run.model_name} at {run.image_size} px; {trained}"
        f"{', batch norm frozen' if flags.freeze_batch_norm else ''}"
    )
    return step


def _first_weights(flags, newest):
    """A function of a session that restores the first weights, or None where none are wanted."""
    if newest:
        _say(f"Going on from {newest}; --checkpoint_path and what goes with it is not read")
        return None
    if flags.checkpoint_path == NONE:
        _say("First weights: random")
        return None
    excluded = warm_start.split_scopes(flags.checkpoint_exclude_scopes)
    variables = slim.get_model_variables()
    heads = NETWORKS[flags.model_name].head_scopes  # not each of them at each size
    warm_start.check_scopes([scope for scope in excluded if scope not in heads], variables)
    values = _keras_values(flags)
    found = warm_start.compare(
        flags.checkpoint_path, variables, excluded, flags.restore_moving_averages, values
    )
    warm_start.check(found, flags.model_name, flags.ignore_missing_vars)
    if flags.restore_moving_averages:
        warm_start.check_moving_averages(found)
    for line in found.describe():
        _say(line)
    restore = warm_start.restore_fn(found)
    return lambda scaffold, session: restore(session)


def _keras_values(flags):
    """slim's name -> array of a Keras file; None where --checkpoint_path is TensorFlow's, whole."""
    if keras_files.is_keras_file(flags.checkpoint_path):
        return keras_weights.read(flags.checkpoint_path, flags.model_name)
    check_whole(flags.checkpoint_path)
    return None


def _run_session(flags, run, schedule, step, first_step, init_fn, best, evaluator):
    saver = tf.train.Saver(max_to_keep=CHECKPOINTS_KEPT, save_relative_paths=True)
    log = MetricsLog(flags.log_dir, schedule, first_step)
    log.add_settings(vars(flags) | run.versions)
    write_session_start(flags.log_dir, vars(flags))
    leave = hooks.LeaveOnSignal()
    done = first_step
    try:
        with tf.train.MonitoredTrainingSession(
            checkpoint_dir=flags.log_dir,
            scaffold=tf.train.Scaffold(saver=saver, init_fn=init_fn),
            hooks=[
                ModelStats(step.logits, flags.log_dir, step.batch["images"]),
                tf.train.NanTensorHook(step.total_loss),
                hooks.Progress(step, schedule, log, flags.summary_steps),
                hooks.PhotoGrid(step, first_step, schedule, log, _photo_drawer(run)),
                _checkpoint_saver(flags, saver),
                hooks.Validation(
                    step, evaluator, schedule, log, best, saver, flags.log_dir, leave.is_due
                ),
                leave,
            ],
            save_checkpoint_secs=None,
            save_checkpoint_steps=None,
            save_summaries_steps=None,
            save_summaries_secs=None,
            log_step_count_steps=None,
            config=session_config(),
        ) as session:
            while done < schedule.last_step and not session.should_stop():
                done = int(session.run(step.global_step))
    except tf.train.NanLossDuringTrainingError:
        _end_diverged(flags.log_dir, Diverged(done))
    except Diverged as diverged:
        _end_diverged(flags.log_dir, diverged)
    finally:
        leave.give_back()
    if done >= schedule.last_step:
        _end(flags.log_dir, succeeded=True)
    return _result(flags.log_dir, done, log, best, leave)


def _checkpoint_saver(flags, saver):
    """TensorFlow's hook: at the start, the end, and every so many steps or minutes between."""
    return tf.train.CheckpointSaverHook(
        flags.log_dir,
        save_steps=flags.save_steps,
        save_secs=None if flags.save_steps else SECONDS_BETWEEN_CHECKPOINTS,
        saver=saver,
        save_graph_def=False,
    )


def _photo_drawer(run):
    pixels_of = to_pixels(run.preprocessing_name)

    def draw(images, labels):
        titles = [run.labels[label] for label in labels[:PHOTOS_SHOWN]]
        return photo_grid(
            pixels_of(images[:PHOTOS_SHOWN]),
            titles,
            "What the network sees",
            "The first photos of an epoch, distorted as in training",
        )

    return draw


def _end(log_dir, succeeded):
    """Tells those who wait for the run that nothing more will come."""
    write_session_end(log_dir, succeeded)
    end_run(log_dir)


def _end_diverged(log_dir, diverged):
    """Forgets the checkpoint, if there is one, of the weights that are lost."""
    good = run_checkpoints.forget(log_dir, diverged.step)
    _end(log_dir, succeeded=False)
    raise BadInput(
        f"{diverged}; the last good checkpoint is {good or 'the one it began with'}. "
        "Try again with a lower --learning_rate and another --log_dir"
    ) from None


def _result(log_dir, done, log, best, leave):
    accuracies = list(log.validations().values())
    result = {
        "steps": done,
        "accuracy": round(accuracies[-1], 6) if accuracies else None,
        "best_accuracy": None if best.accuracy is None else round(best.accuracy, 6),
        "checkpoint": tf.train.latest_checkpoint(log_dir),
        "log_dir": log_dir,
    }
    return result | ({"stopped_by": leave.received.name} if leave.received else {})


def _say(line):
    """Prints a line at once, also into a pipe or a file that somebody follows."""
    print(line, flush=True)
