"""Waits before something is tried again."""

import pytest

from chat4all.backoff import Backoff


def bounds(draw, times=200):
    drawn = [draw() for _ in range(times)]
    return min(drawn), max(drawn)


@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 5.0), (6, 5.0), (1000, 5.0), (10**9, 5.0)]
)
def test_waits_double_up_to_the_longest_and_are_drawn(failures, longest):
    low, high = bounds(lambda: Backoff(0.5, 5.0).wait(failures))
    assert longest / 2 <= low < high <= longest


def test_each_failure_makes_it_longer_and_a_success_begins_again():
    backoff = Backoff(1.0, 60.0)
    assert all(2.0**n / 2 <= backoff.failed() <= 2.0**n for n in range(6))
    backoff.succeeded()
    assert backoff.failed() <= 1.0


def test_no_wait_is_shorter_than_the_least():
    low, high = bounds(lambda: Backoff(1.0, 60.0).wait(1, least_seconds=30.0))
    assert 30.0 <= low < high <= 45.0
