"""Validation during training: saves, evaluates the split, keeps the best checkpoint."""

from training.metrics_log import LOSS_TAG
from training.session import save_if_new


class Validation:
    """Evaluates the weights of a step on the validation split."""

    def __init__(self, flags, schedule, build_evaluator, saver, log, best, stop):
        """Takes what validates, and where its results go.

        Args:
          flags: the flags of train_flowers.py.
          schedule: the run's `Schedule`.
          build_evaluator: a function that returns an `evaluation.evaluator.Evaluator` of the
            validation split; called for the first validation, so that training begins sooner.
          saver: the `tf.train.Saver` of the training.
          log: the run's `MetricsLog`.
          best: the run's `BestCheckpoint`.
          stop: a `StopRequest`, which interrupts the evaluation.
        """
        self.best = best
        self._schedule = schedule
        self._log_dir = flags.log_dir
        self._build_evaluator = build_evaluator
        self._has_averages = bool(flags.moving_average_decay)
        self._evaluators = []
        self._saver = saver
        self._log = log
        self._stop = stop
        self._early_stopping_epochs = flags.early_stopping_epochs
        self._last_step = max(log.validations(), default=None)  # of the latest validation

    def accuracies(self):
        """The accuracy of each validation of the run so far, a list of floats in [0, 1]."""
        return list(self._log.validations().values())

    def is_over(self, step):
        """Whether the run ends at `step`: the last one, or too long without a better validation."""
        return step >= self._schedule.last_step or self._stops_early()

    def _stops_early(self):
        """Whether the validations so far end the run before its last step."""
        if not (self._early_stopping_epochs and self.best.record) or self._last_step is None:
            return False
        epochs = self._schedule.epoch(self._last_step - self.best.record["step"])
        return epochs >= self._early_stopping_epochs

    def run(self, session, step):
        """Saves the weights of `step` if they are not saved yet, and evaluates them.

        With moving averages, both are evaluated, and the better ones count.

        Args:
          session: the managed session of the training.
          step: its global step.
        """

        def save(step_context):  # run_step_fn gives it the session without hooks
            return save_if_new(self._saver, step_context.session, self._log_dir, step)

        checkpoint = session.run_step_fn(save)
        if not self._evaluators:
            self._evaluators = [self._build_evaluator()]
            if self._has_averages:
                self._evaluators.append(self._evaluators[0].of_moving_averages())
        found = [self._evaluate(evaluator, checkpoint) for evaluator in self._evaluators]
        if None in found:
            return
        uses_averages = len(found) > 1 and self.best.is_better(found[1], found[0])
        metrics = found[uses_averages]
        is_best = self.best.save_if_best(checkpoint, step, metrics, uses_averages)
        row = dict(metrics)
        if len(found) > 1:
            row |= {"raw_accuracy": found[0]["accuracy"], "averages_accuracy": found[1]["accuracy"]}
        self._log.add(step, "validation", row)
        self._last_step = step
        scalars = {LOSS_TAG if name == "loss" else name: value for name, value in row.items()}
        self._log.add_scalars(step, "validation", scalars)
        of_which = ""
        if len(found) > 1:
            of_which = " with the moving averages" if uses_averages else " with the raw weights"
        count = self._evaluators[0].dataset.num_samples
        print(
            f"validation  step {step}  loss {metrics['loss']:.4f}  "
            f"accuracy {metrics['accuracy']:.3f} of {count} images{of_which}"
            f"{', best so far' if is_best else ''}",
            flush=True,
        )
        if self._stops_early():
            print(
                f"Stopping: no better validation for {self._early_stopping_epochs:g} epochs, since "
                f"step {self.best.record['step']}",
                flush=True,
            )

    def _evaluate(self, evaluator, checkpoint):
        """Returns the metrics of one set of weights, name -> float; None if interrupted."""
        evaluation = evaluator.evaluate(checkpoint, interrupted=lambda: bool(self._stop))
        if evaluation is None:
            return None
        return evaluation.metrics()
