"""Work on many files in threads, a bounded distance ahead of who takes the results."""

import collections
import os
from concurrent.futures import ThreadPoolExecutor

# Results that wait to be taken, for each thread: more only take memory.
AHEAD = 4


def in_parallel(function, items):
    """Yields `function(item)` for each item, in order, computed in threads a little ahead."""
    waiting = collections.deque()
    num_threads = os.cpu_count() or 1
    pool = ThreadPoolExecutor(num_threads)
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > AHEAD * num_threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
