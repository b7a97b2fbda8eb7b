"""The progress of a training: its metrics averaged between two console lines, speed, time left."""

import time


class Progress:
    """Averages the metrics of training steps, and reports them."""

    def __init__(self, flags, schedule, log, start_step):
        """Takes what describes the run; the time left is measured from here.

        Args:
          flags: the flags of train_flowers.py.
          schedule: the run's `Schedule`.
          log: the run's `MetricsLog`.
          start_step: the step at which the training starts or resumes.
        """
        self._schedule = schedule
        self._log = log
        self._start_step = start_step
        self._batch_size = flags.batch_size
        is_mixed = flags.mixup_alpha or flags.cutmix_alpha
        self._accuracy_of = " of the larger label" if is_mixed else ""
        self._started = time.perf_counter()
        self._reset()
        if start_step and start_step >= schedule.last_step:
            plan = f"at step {start_step} of {schedule.last_step}, nothing is left to train"
        else:
            plan = f"steps {start_step} to {schedule.last_step}"
            plan += f", {schedule.batch_size} images per step"
        print(f"Run: {plan}", flush=True)

    def _reset(self):
        self._sums, self._batches, self._seconds, self._waited = {}, 0, 0.0, 0.0

    def start(self):
        """Starts the clock of a step."""
        self._clock = time.perf_counter()

    def add(self, results):
        """Adds one batch, which took the time since `start` or the batch before.

        Args:
          results: a dict of its values: `metrics`, a dict of float scalars, and `waited`, the
            seconds that the batch was waited for.
        """
        started, self._clock = self._clock, time.perf_counter()
        self._batches += 1
        self._seconds += self._clock - started
        self._waited += float(results["waited"])
        for name, value in results["metrics"].items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value)

    def report(self, step, learning_rate):
        """Prints and logs the means of the metrics since the last report, up to `step`."""
        means = {name: total / self._batches for name, total in self._sums.items()}
        speed = self._batches * self._batch_size / self._seconds
        input_wait = min(1.0, self._waited / self._seconds)
        speeds = {"images_per_second": speed, "input_wait": input_wait}
        self._log.add(step, "train", means | {"learning_rate": float(learning_rate)} | speeds)
        tagged = {f"speed/{name}": value for name, value in speeds.items()}
        self._log.add_scalars(step, "train", tagged)
        seconds_per_step = (time.perf_counter() - self._started) / (step - self._start_step)
        print(
            f"epoch {self._schedule.epoch(step):.2f}  step {step}/{self._schedule.last_step}  "
            f"loss {means['loss']:.4f}  total {means['total_loss']:.4f}  "
            f"accuracy{self._accuracy_of} {means['accuracy']:.3f}  "
            f"rate {learning_rate:.2g}  {speed:.1f} images/s  "
            f"{format_duration(seconds_per_step * (self._schedule.last_step - step))} left",
            flush=True,
        )
        self._reset()


def format_duration(seconds):
    """Formats a duration: 42 s, 7 min, 3 h 05 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
