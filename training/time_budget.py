"""--max_minutes: shortens a run so that it ends in time, its last validation included."""

import collections
import time

from slim_on_tf2 import tf

FIRST_PLAN, STEPS_BETWEEN_PLANS = 5, 20
RECENT_STEPS = 50  # whose median is the speed
SECONDS_TO_SAVE = 5.0  # a last checkpoint
FORWARD_SHARE = 0.4  # of a training step's time, for an image of the validation; until it is known
SLACK = 0.98  # of the time left is planned


class TimeBudget(tf.train.SessionRunHook):
    """Plans the last step from the measured speed, and plans again as the run goes on.

    The schedule of the learning rate follows the plan: `last_step` is a tensor. The plan is never
    longer than the run that the flags ask for.
    """

    def __init__(self, flags, started, schedule, num_validated):
        """Takes the budget.

        Args:
          flags: the flags of train_flowers.py: `max_minutes`, from the start to the end.
          started: when the training started, by `time.monotonic()`.
          schedule: the run's `Schedule`, whose `last_step` follows the plan.
          num_validated: images of the validation split.
        """
        self._deadline = started + 60 * flags.max_minutes if flags.max_minutes else None
        self._schedule = schedule
        self._longest = schedule.last_step
        self._num_validated = num_validated * (2 if flags.moving_average_decay else 1)
        if not schedule.validates_end:
            self._num_validated = 0
        self._steps = 0  # of this session
        self._times = collections.deque(maxlen=RECENT_STEPS)  # seconds, without the first step
        self._validation_seconds = None
        self._left_at = None
        # Not saved: a resumed run plans anew.
        self.last_step = tf.Variable(
            tf.constant(schedule.last_step, tf.int64),
            trainable=False,
            collections=[tf.GraphKeys.LOCAL_VARIABLES],
            name="last_step",
        )
        self._new_last_step = tf.placeholder(tf.int64, [])
        self._assign = self.last_step.assign(self._new_last_step)

    @property
    def is_up(self):
        """Whether the plan is shorter than the run that the flags ask for."""
        return self._schedule.last_step < self._longest

    def after_create_session(self, session, coord):
        """Reads the global step."""
        self._step = int(session.run(tf.train.get_global_step(session.graph)))

    def before_run(self, run_context):
        """Measures the validation, if there was one, and starts the clock of the step.

        Without one, the step began when the last one ended: the batches that it accumulated have
        called no hooks.
        """
        self._started = time.monotonic()
        if self._left_at is None:  # the first step
            return
        if self._schedule.validates(self._step):
            self._validation_seconds = self._started - self._left_at
        else:
            self._started = self._left_at

    def after_run(self, run_context, run_values):
        """Plans the last step anew, every few steps."""
        if self._deadline is None:
            return
        self._left_at = time.monotonic()
        self._step += 1
        self._steps += 1
        if self._steps > 1:  # the first step also optimizes the graph
            self._times.append(self._left_at - self._started)
        if self._steps < FIRST_PLAN:
            return
        if (self._steps - FIRST_PLAN) % STEPS_BETWEEN_PLANS == 0 or self._is_late():
            self._plan(run_context.session)

    def _plan(self, session):
        planned = min(self._longest, self._step + max(0, int(self._steps_left())))
        if planned != self._schedule.last_step:
            if planned < self._longest == self._schedule.last_step:
                print(
                    f"Time: {planned} of {self._longest} steps fit into --max_minutes", flush=True
                )
            self._schedule.last_step = planned
            session.run(self._assign, {self._new_last_step: planned})

    def _is_late(self):
        return self._steps_left() < 1

    def _steps_left(self):
        """The steps that fit into the time left, with their validations, a float."""
        step_seconds = sorted(self._times)[len(self._times) // 2]
        per_image = step_seconds / self._schedule.batch_size
        validation = self._validation_seconds or FORWARD_SHARE * per_image * self._num_validated
        left = SLACK * (self._deadline - time.monotonic()) - validation - SECONDS_TO_SAVE
        interval = self._schedule.steps_between_validations()
        return left / (step_seconds + validation / interval)
