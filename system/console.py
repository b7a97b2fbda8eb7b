"""Standard output whose reader may leave: head in a pipe, a closed terminal."""

import contextlib
import errno
import os
import sys


class Console:
    """A text stream that becomes silent when its reader has left, and raises nothing."""

    def __init__(self, stream):
        """Takes the stream, such as sys.stdout."""
        self._stream = stream

    def __getattr__(self, name):
        """All else is that of the stream."""
        return getattr(self._stream, name)

    def write(self, text):
        """Writes text; returns its length."""
        self._try(self._stream.write, text)
        return len(text)

    def flush(self):
        """Writes what is in the buffer."""
        self._try(self._stream.flush)

    def _try(self, function, *args):
        try:
            function(*args)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):  # of a pipe, and of a terminal
                raise
            discard_output(self._stream)


def discard_output(stream):
    """Redirects a stream to /dev/null, so that writing to it cannot fail, at the exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextlib.contextmanager
def outlive_console():
    """Inside the context, sys.stdout becomes silent when its reader has left."""
    stdout = sys.stdout
    sys.stdout = Console(stdout)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stdout = stdout
