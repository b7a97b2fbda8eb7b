"""The table of optimizers, by slim's names, with their flags; free of TensorFlow."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class OptimizerRow:
    """A row of the table.

    Attributes:
      class_name: a class of tf.train, or `AdamW`.
      flags: argument of the class -> the flag that sets it.
      epsilon: the value of --opt_epsilon by default; None for a class without it.
    """

    class_name: str
    flags: dict = field(default_factory=dict)
    epsilon: float | None = None


_ADAM = {"beta1": "adam_beta1", "beta2": "adam_beta2"}
OPTIMIZERS = {
    "adadelta": OptimizerRow("AdadeltaOptimizer", {"rho": "adadelta_rho"}, 1e-8),
    "adagrad": OptimizerRow(
        "AdagradOptimizer", {"initial_accumulator_value": "adagrad_initial_accumulator_value"}
    ),
    "adam": OptimizerRow("AdamOptimizer", _ADAM, 1e-8),
    "adamw": OptimizerRow("AdamW", _ADAM, 1e-8),
    "ftrl": OptimizerRow(
        "FtrlOptimizer",
        {
            "learning_rate_power": "ftrl_learning_rate_power",
            "initial_accumulator_value": "ftrl_initial_accumulator_value",
            "l1_regularization_strength": "ftrl_l1",
            "l2_regularization_strength": "ftrl_l2",
        },
    ),
    "momentum": OptimizerRow(
        "MomentumOptimizer", {"momentum": "momentum", "use_nesterov": "nesterov"}
    ),
    "rmsprop": OptimizerRow(
        "RMSPropOptimizer", {"decay": "rmsprop_decay", "momentum": "rmsprop_momentum"}, 1.0
    ),
    "sgd": OptimizerRow("GradientDescentOptimizer"),
}


def optimizers_with(flag):
    """Returns the names of the optimizers that read `flag`."""
    return [
        name
        for name, row in OPTIMIZERS.items()
        if flag in row.flags.values() or (flag == "opt_epsilon" and row.epsilon is not None)
    ]
