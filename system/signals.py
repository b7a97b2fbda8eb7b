"""SIGTERM and Ctrl-C as a request to stop at the next safe point."""

import contextlib
import signal
import threading


class StopRequest:
    """Whether a signal has asked the process to stop.

    Attributes:
      received: the `signal.Signals` that was received first; None before.
    """

    def __init__(self):
        """Starts without a request."""
        self.received = None
        self._event = threading.Event()

    def __bool__(self):
        """Whether a signal has been received."""
        return self.received is not None

    def set(self, number):
        """Records the signal `number`."""
        self.received = self.received or signal.Signals(number)
        self._event.set()

    def wait(self, seconds):
        """Waits for a signal, at most `seconds`; returns whether one has been received."""
        return self._event.wait(seconds)


@contextlib.contextmanager
def stop_on_signal(message=None):
    """Yields a `StopRequest` that SIGTERM and Ctrl-C set; a Ctrl-C after that interrupts at once.

    Args:
      message: printed, after the signal's name, when a signal is received.
    """
    stop = StopRequest()

    def receive(number, frame):
        stop.set(number)
        if message:
            print(f"{signal.Signals(number).name}: {message}", flush=True)
        signal.signal(signal.SIGINT, previous[signal.SIGINT])

    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in previous:
        signal.signal(number, receive)
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
