"""One training step, as a function of one batch."""

from dataclasses import dataclass

from bad_input import BadInput
from nets.warm_start import in_scopes
from slim_on_tf2 import slim, tf
from training.optimizer import make_optimizer

# Szegedy et al. 2015, "Going Deeper with Convolutions", weighs its auxiliary heads 0.3; slim's
# training of the later Inception networks 0.4.
AUXILIARY_LOSS_WEIGHT = 0.4


@dataclass(frozen=True)
class Step:
    """A training step's tensors. One session.run of any but `batch` and `logits` trains."""

    batch: dict  # as `next_batch` gives it
    logits: object  # float32 [batch, classes]
    total_loss: object  # float32 scalar; NaN where the loss is infinite
    measures: dict  # name -> float32 scalar
    global_step: object  # int64 scalar, after the update


def next_batch(iterator):
    """The next batch of `iterator`, a dict, with `waited`: the seconds until it was there."""
    with tf.device("/cpu:0"):
        asked = tf.timestamp()
        with tf.control_dependencies([asked]):
            batch = iterator.get_next()
        with tf.control_dependencies(list(batch.values())):
            return batch | {"waited": tf.timestamp() - asked}


def variables_to_train(trainable_scopes):
    """The trainable variables in `trainable_scopes`; all of them where that is empty.

    Raises:
      BadInput: no trainable variable lies in these scopes.
    """
    variables = tf.trainable_variables()
    if not trainable_scopes:
        return variables
    chosen = [v for v in variables if in_scopes(v.op.name, trainable_scopes)]
    if not chosen:
        there = sorted({"/".join(v.op.name.split("/")[:2]) for v in variables})
        raise BadInput(
            f"--trainable_scopes {','.join(trainable_scopes)} names no variable of the network; "
            f"its scopes are {', '.join(there)}"
        )
    return chosen


def losses(logits, end_points, labels, label_smoothing=0.0):
    """The losses of a batch, as float32 scalars that add up to `total_loss`.

    Args:
      logits: float32 [batch, classes].
      end_points: the network's; its `AuxLogits`, where there are any, weigh 0.4.
      labels: int64 [batch].
      label_smoothing: the share of each label that is spread over all classes, in [0, 1).
    """
    one_hot = slim.one_hot_encoding(labels, logits.shape[-1])
    named = {
        "loss": tf.losses.softmax_cross_entropy(one_hot, logits, label_smoothing=label_smoothing)
    }
    if "AuxLogits" in end_points:
        named["auxiliary_loss"] = tf.losses.softmax_cross_entropy(
            one_hot,
            end_points["AuxLogits"],
            label_smoothing=label_smoothing,
            weights=AUXILIARY_LOSS_WEIGHT,
        )
    named["regularization_loss"] = tf.losses.get_regularization_loss()
    named["total_loss"] = tf.add_n(list(named.values()))
    return named


def training_step(
    batch,
    network_fn,
    optimizer_name,
    learning_rate,
    trainable_scopes=(),
    label_smoothing=0.0,
    moving_average_decay=None,
):
    """Builds the step that trains the network on `batch`.

    Args:
      batch: dict with `images` float32 [batch, height, width, 3] and `labels` int64 [batch].
      network_fn: images -> (logits, end_points), in training mode.
      optimizer_name: a key of `OPTIMIZERS`.
      learning_rate: float32 scalar tensor.
      trainable_scopes: scopes to train; all where empty.
      label_smoothing: as in `losses`.
      moving_average_decay: keeps exponential moving averages of the network's variables, which
        checkpoints hold beside them; None for none.

    Returns:
      A `Step`. Batch norm's moving averages and the global step are updated by the same run.

    Raises:
      BadInput: no trainable variable lies in `trainable_scopes`.
    """
    logits, end_points = network_fn(batch["images"])
    measures = losses(logits, end_points, batch["labels"], label_smoothing)
    total_loss = measures["total_loss"]
    right = tf.equal(tf.argmax(logits, -1), batch["labels"])
    measures["accuracy"] = tf.reduce_mean(tf.cast(right, tf.float32))
    measures["learning_rate"] = learning_rate
    train_op = slim.learning.create_train_op(
        total_loss,
        make_optimizer(optimizer_name, learning_rate),
        variables_to_train=variables_to_train(trainable_scopes),
        check_numerics=False,  # a hook looks at the loss, and says at which step it was lost
    )
    if moving_average_decay:
        train_op = _update_moving_averages(train_op, moving_average_decay)
    with tf.control_dependencies([train_op]):
        global_step = tf.train.get_global_step().read_value()
    finite_or_nan = tf.where(tf.is_finite(total_loss), total_loss, float("nan"))
    return Step(batch, logits, finite_or_nan, measures, global_step)


def _update_moving_averages(train_op, decay):
    """The op that updates the averages after `train_op`.

    The decay is less in the first steps, (1 + n) / (10 + n), so that the averages soon forget the
    values that the variables had before the first weights were restored.
    """
    averages = tf.train.ExponentialMovingAverage(decay, tf.train.get_global_step())
    with tf.control_dependencies([train_op]):
        return averages.apply(slim.get_model_variables())
