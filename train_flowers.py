"""Fine-tunes a slim network on images.

    python train_flowers.py                               # flowers, from ImageNet weights
    python train_flowers.py --recipe best                 # docs/recipes.md
    python train_flowers.py --dataset_dir data/birds --log_dir runs/birds \\
        --model_name mobilenet_v1 --batch_size 32         # TFRecords from convert_flowers.py
    python train_flowers.py --dry_run                     # speed, memory and disk of the run
    python train_flowers.py --list_variables              # scopes for --trainable_scopes
    tensorboard --logdir runs                             # curves, images, graph

A run that was killed or stopped resumes when the same command is given again.
"""

from system.flags import parse_early, run_main
from train_flags import describe_settings, flags_of_call, parse_flags

if __name__ == "__main__":  # a wrong flag is answered before TensorFlow loads, which takes seconds
    FLAGS = parse_early(parse_flags, None, __doc__)

import json
import signal
import time
from functools import partial

from checkpointing.scope_names import split_scopes
from checkpointing.variable_list import describe_training
from checkpointing.warm_start import NO_VALUES, get_init_fn, get_variables_to_restore
from datasets.batches import examples_per_epoch, load_batch
from datasets.splits import get_split
from eval_flowers import build_evaluator
from evaluation.image_summary import ImageSummary
from evaluation.sample_size import describe_splits
from model_stats.hook import ModelStats
from nets.nets_factory import get_arg_scope
from nets.networks import find_network
from slim_on_tf2 import slim, tf
from system.console import outlive_console
from system.device import describe_device
from system.locks import lock_log_dir
from system.signals import stop_on_signal
from training import optimization
from training.class_weights import example_weights
from training.failures import explain_failures
from training.heads import get_head_init_fn
from training.inputs import check_splits, fetch_missing, next_batch
from training.layer_rates import rate_multipliers
from training.learning_rates import describe_learning_rate, learning_rate_at
from training.metrics_log import MetricsLog
from training.mixing import mix
from training.modes import take_mode
from training.progress import Progress
from training.resume import find_start
from training.run_checkpoints import BestCheckpoint
from training.run_end import describe_result, end_run
from training.run_precision import choose_run_precision
from training.run_record import describe_run
from training.schedule import make_schedule
from training.session import StopOnDivergence, get_scaffold, managed_session
from training.sources import get_source
from training.time_budget import TimeBudget
from training.validation import Validation

AUXILIARY_LOSS_WEIGHT = 0.4  # slim's for the later Inceptions; 0.3 in Szegedy et al. 2015


def fine_tune(dataset, network, log_dir, hooks=(), scaffold_fn=dict, **settings):
    """Trains a network on a dataset, or resumes the run in `log_dir`.

    Args:
      dataset: the folder of its TFRecords, or the name of one that is downloaded: flowers, ...
      network: a name of `nets.networks.NETWORKS`.
      log_dir: the run's folder.
      hooks: your own `tf.train.SessionRunHook`s.
      scaffold_fn: a function, called in the finished graph, that returns your own arguments of
        `tf.train.Scaffold` as a dict; `saver` and `init_fn` are taken.
      **settings: other flags of train_flowers.py by name, such as num_epochs=20.

    Returns:
      A dict: `steps`, `accuracy` (of the last validation, in [0, 1]), `best_accuracy`, `checkpoint`
      (the latest), `log_dir`; and `stopped_by` if a signal ended the run early.

    Raises:
      BadInput: a flag, the dataset, the checkpoint or the log_dir is at fault, or the loss is no
        longer finite; names it, and the cure.
    """
    return train(flags_of_call(dataset, network, log_dir, settings), hooks, scaffold_fn)


def train(flags, hooks=(), scaffold_fn=dict):
    """Trains as the flags of `train_flags.py` say; otherwise as `fine_tune`."""
    started = time.monotonic()
    print(describe_device(), flush=True)
    fetch_missing(flags)
    dataset = get_split("train", flags.dataset_dir, flags.dataset_name)
    validation_dataset = get_split("validation", flags.dataset_dir, flags.dataset_name)
    check_splits(dataset, validation_dataset, flags.class_weights)
    schedule = make_schedule(flags, examples_per_epoch(dataset, flags.balanced_sampling))
    flags.mixed_precision = choose_run_precision(flags)
    run = describe_run(flags, dataset, validation_dataset)
    with lock_log_dir(flags.log_dir), tf.Graph().as_default():
        tf.set_random_seed(flags.seed)
        checkpoint, start_step = find_start(flags.log_dir, run, schedule)  # None, 0: new
        about = [*describe_settings(flags), *describe_splits(flags, dataset, validation_dataset)]
        about += describe_learning_rate(flags, schedule, start_step)
        print(*about, sep="\n", flush=True)

        # Data: augmented batches in a new order each epoch; a resumed run skips what it has read.
        # If only the head trains, features of the images replace them.
        source = get_source(flags, dataset, checkpoint)
        batches = load_batch(
            source.dataset,
            flags.batch_size,
            height=source.size,
            width=source.size,
            is_training=True,
            preprocess=source.preprocess,
            seed=flags.seed,
            first_example=start_step * schedule.batch_size,
            balanced=flags.balanced_sampling,
        )
        batch = next_batch(batches)
        labels = slim.one_hot_encoding(batch["labels"], dataset.num_classes)
        global_step = tf.train.get_or_create_global_step()
        images, labels = mix(
            batch["images"], labels, flags.seed, global_step, flags.mixup_alpha, flags.cutmix_alpha
        )

        # Network: layers that do not train keep the moving averages that they were restored with.
        trainable_scopes = split_scopes(source.trainable_scopes)
        arg_scope = get_arg_scope(
            flags.model_name,
            weight_decay=0.0 if flags.optimizer == "adamw" else flags.weight_decay,
            batch_norm_decay=flags.batch_norm_decay or optimization.batch_norm_decay(global_step),
            freeze_batch_norm=flags.freeze_batch_norm
            or optimization.outside_scopes(trainable_scopes),
        )
        with slim.arg_scope(arg_scope):
            logits, end_points = source.network(images, dataset.num_classes, is_training=True)

        # Initial weights: the run's own checkpoint, else pretrained weights without the heads.
        init_fn = NO_VALUES
        if checkpoint:
            print(f"Resuming from {checkpoint}; --checkpoint_path is not read", flush=True)
        else:
            variables_to_restore = get_variables_to_restore(
                exclude_scopes=split_scopes(flags.checkpoint_exclude_scopes),
                optional_scopes=find_network(flags.model_name).head_scopes,
            )
            restore_fn = get_init_fn(
                flags.checkpoint_path,
                variables_to_restore,
                flags.model_name,
                restore_moving_averages=flags.restore_moving_averages,
                ignore_missing_vars=flags.ignore_missing_vars,
            )
            init_fn = get_head_init_fn(flags, dataset, logits, end_points, restore_fn)

        # Losses: softmax cross-entropy, the same for the auxiliary head, and regularization.
        smoothing, weights = flags.label_smoothing, example_weights(flags, dataset, labels)
        loss = tf.losses.softmax_cross_entropy(labels, logits, weights, label_smoothing=smoothing)
        metrics = {"loss": loss}
        if "AuxLogits" in end_points:
            metrics["auxiliary_loss"] = auxiliary_loss = tf.losses.softmax_cross_entropy(
                labels, end_points["AuxLogits"], AUXILIARY_LOSS_WEIGHT * weights, smoothing
            )
            tf.summary.scalar("losses/auxiliary", auxiliary_loss)
        regularization_loss = tf.losses.get_regularization_loss()
        total_loss = tf.losses.get_total_loss()
        accuracy = tf.reduce_mean(tf.to_float(tf.equal(tf.argmax(logits, 1), tf.argmax(labels, 1))))

        # Optimization: create_train_op also updates the moving averages of batch norm.
        budget = TimeBudget(flags, started, schedule, validation_dataset.num_samples)
        learning_rate = learning_rate_at(global_step, flags, schedule, budget.last_step)
        variables_to_train = optimization.get_variables_to_train(trainable_scopes)
        multipliers = rate_multipliers(flags, variables_to_train)
        optimizer = optimization.configure_optimizer(flags, learning_rate, multipliers)
        train_op = slim.learning.create_train_op(
            total_loss, optimizer, variables_to_train=variables_to_train, check_numerics=False
        )
        train_op, init_fn = optimization.add_moving_averages(flags, train_op, init_fn)
        with tf.control_dependencies([train_op]):
            step_after = global_step.read_value()
        trained = describe_training(variables_to_train, tf.trainable_variables())
        print(f"Network: {flags.model_name} at {flags.image_size} px; {trained}", flush=True)

        # Summaries: one line each, here or anywhere in the network. The metrics are averaged
        # between two console lines and written to metrics.csv.
        tf.summary.scalar("losses/cross_entropy", loss)
        tf.summary.scalar("losses/regularization", regularization_loss)
        tf.summary.scalar("losses/total", total_loss)
        tf.summary.scalar("accuracy", accuracy)
        tf.summary.scalar("learning_rate", learning_rate)
        summary_op = tf.summary.merge_all()
        metrics |= {"regularization_loss": regularization_loss, "total_loss": total_loss}
        fetches = {"metrics": metrics | {"accuracy": accuracy}, "waited": batch["waited"]}
        accumulate = optimization.accumulate_fn(optimizer, fetches)
        fetches |= {"step": step_after, "learning_rate": learning_rate}

        # Managed session: restores or initializes, saves checkpoints, runs the hooks and yours.
        scaffold = get_scaffold(init_fn, scaffold_fn)
        log = MetricsLog(flags.log_dir, schedule, start_step)
        log.add_settings(vars(flags), run.versions)
        hooks = [StopOnDivergence(total_loss), budget, *hooks]
        if source.is_images:
            shown = ImageSummary(images, tf.argmax(labels, 1), run, schedule, log)
            hooks += [ModelStats(logits, flags.log_dir, images), shown]
        with (
            explain_failures(flags, [dataset, validation_dataset]),
            stop_on_signal("saving a checkpoint, then stopping") as stop,
            managed_session(flags, scaffold, hooks) as session,
        ):
            best = BestCheckpoint(flags.log_dir, flags.best_by)
            best.discard_after(start_step if checkpoint else -1)  # of another run
            evaluator = partial(build_evaluator, run, validation_dataset, flags.batch_size)
            validation = Validation(flags, schedule, evaluator, scaffold.saver, log, best, stop)
            progress = Progress(flags, schedule, log, start_step)
            step = start_step
            if schedule.validates(step) and step not in log.validations():
                validation.run(session, step)  # an earlier session was killed before its end
            while not (validation.is_over(step) or stop or session.should_stop()):
                is_due = schedule.summarizes(step + 1)
                progress.start()
                for _ in range(flags.accumulate_steps - 1):
                    progress.add(session.run_step_fn(accumulate))
                results = session.run({**fetches, "summary": summary_op} if is_due else fetches)
                progress.add(results)
                step = int(results["step"])
                if schedule.summarizes(step):
                    log.add_summary(step, results.get("summary"))
                    progress.report(step, results["learning_rate"])
                if schedule.validates(step):
                    validation.run(session, step)
        if validation.is_over(step):
            end_run(flags.log_dir, succeeded=True, time_is_up=budget.is_up)
    return describe_result(flags.log_dir, step, validation, stop)


def main(flags):
    """Trains, or does what another mode asks for; the last line of a training is JSON."""
    mode = take_mode(flags)
    if mode:
        return mode(flags, train)
    with outlive_console():  # metrics.csv and TensorBoard have the figures too
        result = train(flags)
        print(json.dumps(result))
    return 128 + signal.Signals[result["stopped_by"]] if "stopped_by" in result else 0


if __name__ == "__main__":
    run_main(lambda: main(FLAGS))
