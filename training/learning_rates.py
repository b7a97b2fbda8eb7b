"""Learning-rate schedules: pure functions of the step, so that a resumed run continues them."""

import math

from slim_on_tf2 import tf
from training.flag_rules import RANGE_TEST

NEGLIGIBLE = 0.01  # of the first rate: what trains below it hardly changes


def learning_rate_at(step, flags, schedule, last_step=None):
    """Returns the learning rate of a step.

    The exponential staircase counts epochs, as in the tutorial: `flags.learning_rate`, times
    `flags.learning_rate_decay_factor` after each `flags.num_epochs_per_decay` epochs. The others
    depend on the share of the run after the warmup. Cosine: Loshchilov & Hutter 2017, "SGDR",
    equation 5, without restarts. Polynomial: a line, as slim's polynomial of power 1. Both end at
    `flags.end_learning_rate`.

    The warmup (Goyal et al. 2017, "Accurate, Large Minibatch SGD", section 2.2) multiplies the
    rates of the first `flags.warmup_epochs` epochs by a factor that grows linearly to 1. A run that
    a time budget shortens has a warmup that is shorter by the same factor.

    Args:
      step: int64 scalar tensor, from 0.
      flags: the flags of train_flowers.py.
      schedule: the run's `Schedule`.
      last_step: int64 scalar tensor; None for `schedule.last_step`.

    Returns:
      A float32 scalar tensor.
    """
    warmup_steps = schedule.warmup_steps(flags.warmup_epochs)
    if last_step is None:
        last_step = schedule.last_step
    elif warmup_steps:
        shortened = tf.to_float(last_step) / schedule.last_step
        warmup_steps = tf.maximum(1.0, warmup_steps * shortened)
    kind, first, end = flags.learning_rate_decay_type, flags.learning_rate, flags.end_learning_rate
    if kind == "exponential":
        rate = tf.train.exponential_decay(
            first,
            step * schedule.batch_size,
            decay_steps=max(1, round(flags.num_epochs_per_decay * schedule.num_examples)),
            decay_rate=flags.learning_rate_decay_factor,
            staircase=True,
        )
    elif kind == RANGE_TEST:
        share = tf.cast(step, tf.float32) / tf.cast(last_step, tf.float32)
        rate = first * tf.pow(end / first, share)
    elif kind == "fixed":
        rate = tf.constant(first, tf.float32)
    else:
        steps = tf.maximum(tf.to_float(last_step) - warmup_steps, 1.0)
        share = tf.clip_by_value((tf.to_float(step) - warmup_steps) / steps, 0.0, 1.0)
        falling = 0.5 * (1 + tf.cos(math.pi * share)) if kind == "cosine" else 1 - share
        rate = end + (first - end) * falling
    if not flags.warmup_epochs:
        return rate
    return rate * tf.minimum(1.0, tf.to_float(step + 1) / warmup_steps)


def learning_rates(steps, flags, schedule):
    """Returns the learning rates of `steps`, a list of floats, without a graph of the network."""
    with tf.Graph().as_default(), tf.Session(config=tf.ConfigProto(device_count={"GPU": 0})) as s:
        step = tf.placeholder(tf.int64, [])
        rate = learning_rate_at(step, flags, schedule)
        return [float(s.run(rate, {step: at})) for at in steps]


def describe_learning_rate(flags, schedule, start_step):
    """Returns the lines about the learning rate that a training prints at its start.

    Args:
      flags: the flags of train_flowers.py.
      schedule: the run's `Schedule`.
      start_step: the step at which the training starts or resumes.
    """
    if not schedule.last_step:
        return []  # nothing is trained
    kind = flags.learning_rate_decay_type
    shape = {
        "exponential": f"times {flags.learning_rate_decay_factor:g} every "
        f"{flags.num_epochs_per_decay:g} epochs",
        "fixed": "fixed",
    }.get(kind, f"{kind} to {flags.end_learning_rate:g} at step {schedule.last_step}")
    warmup = f", warmup of {flags.warmup_epochs:g} epochs" if flags.warmup_epochs else ""
    peak = flags.learning_rate
    half = schedule.last_step // 2
    now, at_half = learning_rates([start_step, half], flags, schedule)
    resumed = f"; {now:.3g} at step {start_step}" if start_step else ""
    lines = [f"Learning rate: {peak:g}, {shape}{warmup}{resumed}"]
    is_warm = start_step >= schedule.warmup_steps(flags.warmup_epochs)
    if start_step and is_warm and start_step < schedule.last_step and now < NEGLIGIBLE * peak:
        lines.append(
            f"Warning: at {now:.2g}, {now / peak:.1g} of the first rate, the rest of this run "
            "changes little; to train on, give the finished run as --continue_from with a new "
            "--log_dir"
        )
    elif half > start_step and at_half < NEGLIGIBLE * peak:
        lines.append(
            f"Warning: the learning rate is {at_half:.2g} at step {half}, half of the run, below "
            f"{NEGLIGIBLE:.0%} of the first; give --learning_rate_decay_type cosine, or a larger "
            "--num_epochs_per_decay"
        )
    return lines
