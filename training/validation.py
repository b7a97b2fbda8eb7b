"""Validation during training: saves, evaluates the split, keeps the best checkpoint."""

import numpy as np

from training.metrics_log import LOSS_TAG


class Validation:
    """Evaluates the weights of a step on the validation split."""

    def __init__(self, log_dir, evaluator, saver, log, best, stop):
        """Takes what validates, and where its results go.

        Args:
          log_dir: the run's folder.
          evaluator: an `evaluation.evaluator.Evaluator` of the validation split.
          saver: the `tf.train.Saver` of the training.
          log: the run's `MetricsLog`.
          best: the run's `BestCheckpoint`.
          stop: a `StopRequest`, which interrupts the evaluation.
        """
        self.best = best
        self._prefix = f"{log_dir}/model.ckpt"
        self._evaluator = evaluator
        self._saver = saver
        self._log = log
        self._stop = stop

    def accuracies(self):
        """The accuracy of each validation of the run so far, a list of floats in [0, 1]."""
        return list(self._log.validations().values())

    def run(self, session, step):
        """Saves the weights of `step` if they are not saved yet, and evaluates them.

        Args:
          session: the managed session of the training.
          step: its global step.
        """
        checkpoint = f"{self._prefix}-{step}"
        if checkpoint not in self._saver.last_checkpoints:

            def save(step_context):  # run_step_fn gives it the session without hooks
                self._saver.save(
                    step_context.session, self._prefix, global_step=step, write_meta_graph=False
                )

            session.run_step_fn(save)
        evaluation = self._evaluator.evaluate(checkpoint, interrupted=lambda: bool(self._stop))
        if evaluation is None:
            return
        loss, accuracy = float(np.mean(evaluation.losses)), evaluation.accuracy
        is_best = self.best.save_if_best(checkpoint, step, accuracy, loss)
        self._log.add(step, "validation", {"loss": loss, "accuracy": accuracy})
        self._log.add_scalars(step, "validation", {LOSS_TAG: loss, "accuracy": accuracy})
        print(
            f"validation  step {step}  loss {loss:.4f}  "
            f"accuracy {accuracy:.3f} of {len(evaluation.losses)} images"
            f"{', best so far' if is_best else ''}",
            flush=True,
        )
