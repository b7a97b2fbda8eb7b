"""The head of a warm-started network: its layer, and its initial weights."""

import math
import time
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from nets.features import last_layer
from slim_on_tf2 import slim, tf
from system.errors import BadInput
from training.class_weights import effective_class_weights
from training.features import get_features, read_features

HELD_OUT = 0.2  # of the training images, on which the strength of the L2 penalty is chosen
# scikit-learn's inverse strengths, from strong to weak; the search stops where the loss rises.
INVERSE_STRENGTHS = tuple(10.0 ** (exponent / 2) for exponent in range(-8, 5))
USUAL_INVERSE_STRENGTH = 0.01
MOST_ITERATIONS = 1000


@dataclass(frozen=True)
class Head:
    """The variables of the layer that computes logits.

    Attributes:
      kernel: a variable [depth, classes] or [1, 1, depth, classes].
      biases: a variable [classes], or None.
    """

    kernel: tf.Variable
    biases: tf.Variable | None

    def logits(self, features):
        """Applies the layer to features, float32 [batch, depth]; returns [batch, classes]."""
        classes = self.kernel.shape[-1]
        logits = tf.matmul(features, tf.reshape(self.kernel, [-1, classes]))
        return logits if self.biases is None else tf.nn.bias_add(logits, self.biases)

    @property
    def variables(self):
        """The kernel, and the biases if there are any."""
        return [self.kernel] if self.biases is None else [self.kernel, self.biases]


def find_head(logits):
    """Returns the `Head` that computes `logits`, float32 [batch, classes]."""
    kernel = last_layer(logits).inputs[1]
    while kernel.op.inputs:
        kernel = kernel.op.inputs[0]
    variables = {variable.op.name: variable for variable in slim.get_model_variables()}
    scope = kernel.op.name.rpartition("/")[0]
    return Head(variables[kernel.op.name], variables.get(f"{scope}/biases"))


def get_head_init_fn(flags, dataset, logits, end_points, restore_fn):
    """Returns the `init_fn` of a `tf.train.Scaffold` that also initializes the heads.

    Heads that are restored stay as they are; an auxiliary head is never fitted.

    Args:
      flags: the flags of train_flowers.py.
      dataset: the training split, a `slim.dataset.Dataset`.
      logits: float32 [batch, classes].
      end_points: the network's, with the logits of an auxiliary head as `AuxLogits`.
      restore_fn: the `checkpointing.warm_start.InitFn` of the other layers.

    Raises:
      BadInput: the features to fit the head to cannot be computed.
    """
    main_head = find_head(logits)
    heads = [main_head]
    if "AuxLogits" in end_points:
        heads.append(find_head(end_points["AuxLogits"]))
    heads = [head for head in heads if head.kernel.op.name not in restore_fn.names]
    if flags.head_init == "published" or not heads:
        return restore_fn
    weights = effective_class_weights(flags, dataset)
    counts = np.array(list(dataset.class_counts.values()))
    values = {}
    for head in heads:
        values |= zero_head(head, counts * weights)
    if flags.head_init == "fit" and main_head in heads:
        started = time.perf_counter()
        features, labels = read_features(get_features(flags, dataset, flags.checkpoint_path))
        fitted, report = fit_head(main_head, features, labels, weights, flags.seed)
        values |= fitted
        print(
            f"Head: fitted to the features of {len(labels)} images in "
            f"{time.perf_counter() - started:.1f} s; accuracy {report['accuracy']:.3f} of held-out "
            f"training images, C {report['inverse_strength']:.3g}",
            flush=True,
        )
    else:
        print("Head: weights zero, biases the log of the class frequencies", flush=True)
    by_name = {variable.op.name: value for variable, value in values.items()}
    return restore_fn.then(by_name, slim.assign_from_values_fn(by_name))


def zero_head(head, class_weights):
    """Returns initial values that predict the class frequencies, whatever the image.

    Args:
      head: a `Head`.
      class_weights: float [classes], the share of each class in the loss; not negative.

    Returns:
      A dict, variable -> array.
    """
    values = {head.kernel: np.zeros(head.kernel.shape.as_list(), np.float32)}
    if head.biases is not None:
        values[head.biases] = np.log(_shares(class_weights)).astype(np.float32)
    return values


def fit_head(head, features, labels, class_weights, seed):
    """Fits a multinomial logistic regression to features of the frozen network.

    Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform
    Out-of-Distribution", section 3.4, start a fine-tuning from such a head. The strength of the L2
    penalty is chosen by the cross-entropy of held-out training images; the head is then fitted to
    all of them.

    Args:
      head: a `Head`.
      features: float32 [n, depth].
      labels: int [n].
      class_weights: float [classes], the weight of an image of each class in the loss.
      seed: int, selects the held-out images.

    Returns:
      A dict, variable -> array; and a dict with `inverse_strength` (scikit-learn's C) and
      `accuracy`, of the held-out images, in [0, 1]; NaN if there are too few to hold out.

    Raises:
      BadInput: the images are of fewer than two classes.
    """
    if len(np.unique(labels)) < 2:
        raise BadInput(
            "--head_init fit: expected training images of at least two classes; give --head_init "
            "zeros"
        )
    # The penalty does not apply to the biases, so centering changes nothing but the speed.
    mean = features.mean(axis=0)
    centered = features - mean
    weights = np.asarray(class_weights, np.float64)[labels]
    strength, accuracy = _choose_strength(centered, labels, weights, seed)
    model = LogisticRegression(C=strength, max_iter=MOST_ITERATIONS)
    model.fit(centered, labels, weights)
    values = _values_of(head, model, mean, np.bincount(labels, minlength=len(class_weights)))
    return values, {"inverse_strength": strength, "accuracy": accuracy}


def _choose_strength(features, labels, weights, seed):
    """Returns the inverse strength with the lowest held-out loss, and the accuracy with it.

    A fifth of the images of each class is held out, so classes of fewer than five are only trained
    on. If nothing is held out, the strength is `USUAL_INVERSE_STRENGTH` and the accuracy NaN.
    """
    random = np.random.default_rng(seed)
    of_each = [random.permutation(np.flatnonzero(labels == c)) for c in np.unique(labels)]
    held_out = np.concatenate([found[: int(HELD_OUT * len(found))] for found in of_each])
    kept = np.setdiff1d(np.arange(len(labels)), held_out)
    if not len(held_out):
        return USUAL_INVERSE_STRENGTH, math.nan
    model = LogisticRegression(warm_start=True, max_iter=MOST_ITERATIONS)
    best = None
    for inverse_strength in INVERSE_STRENGTHS:
        model.set_params(C=inverse_strength).fit(features[kept], labels[kept], weights[kept])
        loss = log_loss(
            labels[held_out],
            model.predict_proba(features[held_out]),
            sample_weight=weights[held_out],
            labels=model.classes_,
        )
        if best and loss >= best[0]:  # equal if the solver finds nothing to improve
            break
        best = (loss, inverse_strength, model.score(features[held_out], labels[held_out]))
    return best[1], float(best[2])


def _values_of(head, model, mean, counts):
    """The fitted weights as the head's; a class without images gets its frequency alone."""
    coefficients, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # scikit-learn keeps the difference of the two logits
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    kernel = np.zeros((coefficients.shape[1], len(counts)))
    biases = np.log(_shares(counts))
    kernel[:, model.classes_] = coefficients.T
    biases[model.classes_] = intercepts - coefficients @ mean
    values = {head.kernel: kernel.reshape(head.kernel.shape.as_list()).astype(np.float32)}
    if head.biases is not None:
        values[head.biases] = biases.astype(np.float32)
    return values


def _shares(weights):
    """The share of each class, with half an image for a class that has none."""
    weights = np.asarray(weights, np.float64)
    weights = np.where(weights > 0, weights, 0.5 * min(weights[weights > 0], default=1.0))
    return weights / weights.sum()
