"""The session hooks of a run: progress, pictures, validation, and a clean leave."""

import signal
import time

import numpy as np

from slim_on_tf2 import tf


class Progress(tf.train.SessionRunHook):
    """Prints and logs the figures of each `summary_steps` steps, from the step's own run."""

    def __init__(self, step, schedule, log, summary_steps):
        """Takes the `Step`, the `Schedule`, and the `MetricsLog` where the figures go."""
        self._fetches = {
            "measures": step.measures,
            "waited": step.batch["waited"],
            "global_step": step.global_step,
        }
        self._schedule = schedule
        self._log = log
        self._summary_steps = summary_steps
        self._sums, self._runs, self._seconds, self._waited = {}, 0, 0.0, 0.0

    def after_create_session(self, session, coord):
        """Starts the clock of the time left."""
        self._started = time.perf_counter()
        self._steps_here = 0

    def before_run(self, run_context):
        """Asks for the figures beside the step's own."""
        self._asked = time.perf_counter()
        return tf.train.SessionRunArgs(self._fetches)

    def after_run(self, run_context, run_values):
        """Adds the step's figures, and says them when it is time."""
        self._seconds += time.perf_counter() - self._asked
        results = run_values.results
        self._waited += float(results["waited"])
        for name, value in results["measures"].items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value)
        self._runs += 1
        self._steps_here += 1
        step = int(results["global_step"])
        if step % self._summary_steps == 0 or step == self._schedule.last_step:
            self._say(step, float(results["measures"]["learning_rate"]))

    def _say(self, step, learning_rate):
        figures = {name: total / self._runs for name, total in self._sums.items()}
        figures["learning_rate"] = learning_rate  # of this step, not a mean
        figures["photos_per_second"] = self._runs * self._schedule.batch_size / self._seconds
        figures["input_wait"] = min(1.0, self._waited / self._seconds)
        self._log.add(step, "train", figures)
        seconds_a_step = (time.perf_counter() - self._started) / self._steps_here
        print(
            f"epoch {self._schedule.epoch(step):.2f}  step {step}/{self._schedule.last_step}  "
            f"loss {figures['loss']:.4f}  total {figures['total_loss']:.4f}  "
            f"accuracy {figures['accuracy']:.3f}  "
            f"{figures['photos_per_second']:.1f} photos/s  "
            f"{in_words(seconds_a_step * (self._schedule.last_step - step))} left",
            flush=True,
        )
        self._sums, self._runs, self._seconds, self._waited = {}, 0, 0.0, 0.0


def in_words(seconds):
    """A duration as people say it: 42 s, 7 min, 3 h 05 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


class PhotoGrid(tf.train.SessionRunHook):
    """Shows TensorBoard the photos of the first batch of each epoch, as the network sees them."""

    def __init__(self, step, first_step, schedule, log, draw):
        """Takes the `Step` and `draw`, a function of images and labels that returns a PNG."""
        self._batch = {name: step.batch[name] for name in ("images", "labels")}
        self._step = first_step
        self._schedule = schedule
        self._log = log
        self._draw = draw
        self._due = True

    def before_run(self, run_context):
        """Asks for the photos at the first step of this session and of each epoch."""
        return tf.train.SessionRunArgs(self._batch) if self._due else None

    def after_run(self, run_context, run_values):
        """Draws the photos it asked for."""
        self._step += 1
        if self._due:
            self._log.add_picture(self._step, "augmented_photos", self._draw(**run_values.results))
        self._due = self._schedule.ends_epoch(self._step)


class LeaveOnSignal(tf.train.SessionRunHook):
    """SIGTERM and Ctrl-C end the run after the step in hand, so that it is saved."""

    def __init__(self):
        """Nothing is changed until the session begins."""
        self.received = None
        self._before = {}

    def begin(self):
        """Takes the two signals."""
        self._before = {
            number: signal.signal(number, self._receive)
            for number in (signal.SIGTERM, signal.SIGINT)
        }

    def _receive(self, number, frame):
        self.received = signal.Signals(number)
        print(f"{self.received.name}: saving, then leaving", flush=True)
        if number == signal.SIGINT:  # a second Ctrl-C leaves at once
            signal.signal(signal.SIGINT, self._before[signal.SIGINT])

    def is_due(self):
        """Whether a signal has come."""
        return self.received is not None

    def give_back(self):
        """Gives the signals back to whom they belonged."""
        while self._before:
            signal.signal(*self._before.popitem())

    def after_run(self, run_context, run_values):
        """Asks the session to stop where a signal has come."""
        if self.is_due():
            run_context.request_stop()


class Validation(tf.train.SessionRunHook):
    """Reads the validation split at the end of every epoch, and keeps the best checkpoint."""

    def __init__(self, step, evaluator, schedule, log, best, saver, log_dir, interrupted):
        """Takes the `Step`, an `Evaluator`, and where its figures and checkpoints go."""
        self._step = step
        self._evaluator = evaluator
        self._schedule = schedule
        self._log = log
        self._best = best
        self._saver = saver
        self._prefix = f"{log_dir}/model.ckpt"
        self._interrupted = interrupted

    def after_create_session(self, session, coord):
        """Makes good the validation that an earlier session was killed in."""
        step = int(session.run(tf.train.get_global_step(session.graph)))
        if self._schedule.validates(step) and step not in self._log.validations():
            self.validate(session, step)

    def before_run(self, run_context):
        """Asks which step it is."""
        return tf.train.SessionRunArgs(self._step.global_step)

    def after_run(self, run_context, run_values):
        """Validates where the schedule says so."""
        step = int(run_values.results)
        if self._schedule.validates(step):
            self.validate(run_context.session, step)

    def validate(self, session, step):
        """Saves the weights of `step`, and measures them on the validation split."""
        checkpoint = f"{self._prefix}-{step}"
        if checkpoint not in self._saver.last_checkpoints:
            self._saver.save(session, self._prefix, global_step=step, write_meta_graph=False)
        evaluation = self._evaluator.evaluate(checkpoint, self._interrupted)
        if evaluation is None:
            return
        accuracy, loss = evaluation.accuracy, float(np.mean(evaluation.losses))
        is_best = self._best.offer(checkpoint, step, accuracy, loss)
        self._log.add(step, "validation", {"loss": loss, "accuracy": accuracy})
        print(
            f"validation  step {step}  loss {loss:.4f}  accuracy {accuracy:.3f} "
            f"of {len(evaluation.losses)} photos{', the best so far' if is_best else ''}",
            flush=True,
        )
