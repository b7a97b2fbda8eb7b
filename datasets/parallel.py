"""Threads that compute a bounded number of results ahead of their consumer."""

import collections
import os
from concurrent.futures import ThreadPoolExecutor

AHEAD = 4  # results in memory per thread


def in_parallel(function, items):
    """Yields `function(item)` for each item, in order, computed in threads."""
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
