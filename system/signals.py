"""SIGTERM, Ctrl-C and a lost terminal as a request to stop at the next safe point."""

import contextlib
import os
import signal
import threading

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextlib.contextmanager
def end_on_sigterm(script):
    """Ends the process with one line on SIGTERM inside the context.

    At once and without an exception, which TensorFlow's C++ code would turn into another.

    Args:
      script: the name of the script.
    """

    def receive(number, frame):
        os.write(2, f"{script}: stopped by SIGTERM\n".encode())
        os._exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, receive)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


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
    """Yields a `StopRequest` that SIGTERM, SIGHUP and Ctrl-C set.

    A Ctrl-C after that interrupts at once. A SIGHUP that is ignored, as under nohup, stays so. In
    another thread than the main one, which alone receives signals, nothing sets it.

    Args:
      message: printed, after the signal's name, when a signal is received.
    """
    stop = StopRequest()

    def receive(number, frame):
        stop.set(number)
        if message:
            print(f"{signal.Signals(number).name}: {message}", flush=True)
        signal.signal(signal.SIGINT, previous[signal.SIGINT])

    previous = {number: signal.getsignal(number) for number in STOPPING}
    if previous[signal.SIGHUP] is signal.SIG_IGN:
        del previous[signal.SIGHUP]
    if threading.current_thread() is not threading.main_thread():
        previous = {}
    for number in previous:
        signal.signal(number, receive)
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
