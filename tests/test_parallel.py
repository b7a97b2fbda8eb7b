import itertools
import os
import threading

import pytest

from datasets.parallel import AHEAD, in_parallel


def test_results_come_in_order_even_if_later_ones_are_ready_first():
    later = threading.Event()

    def square(number):
        if number == 0:
            assert later.wait(60)
        if number == 1:
            later.set()
        return number**2

    threads_needed = 2
    if (os.cpu_count() or 1) < threads_needed:
        pytest.skip("needs two threads")
    assert list(in_parallel(square, range(40))) == [number**2 for number in range(40)]


def test_number_of_results_ahead_is_bounded():
    started = itertools.count()
    results = in_parallel(lambda _: next(started), range(10_000))
    for _ in range(100):
        next(results)
    results.close()
    assert next(started) <= 100 + (AHEAD + 1) * (os.cpu_count() or 1)


def test_error_is_raised_at_its_item():
    results = in_parallel(lambda number: 1 / number, [1, 2, 0, 4])
    assert [next(results), next(results)] == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(results)
