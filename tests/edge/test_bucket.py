"""The token bucket."""

from hypothesis import given
from hypothesis import strategies as st

from edge.bucket import Bucket


@given(st.lists(st.floats(0, 3), max_size=80), st.integers(1, 20), st.integers(1, 20))
def test_never_more_than_the_rate_and_the_burst(pauses: list[float], rate: int, burst: int) -> None:
    """In any stretch of time: at most burst + rate × seconds; and with that pause, always one."""
    bucket, now, taken = Bucket(rate, burst, 0.0), 0.0, list[float]()
    for pause in pauses:
        now += pause
        if bucket.take(now):
            taken.append(now)
        else:
            assert taken
            now += 1 / rate + 1e-9  # a third of a second three times is not quite one
            assert bucket.take(now)
            taken.append(now)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst + rate * (taken[last] - taken[first]) + 1e-6


def test_what_is_refused_takes_nothing() -> None:
    """A refusal leaves the rest for others."""
    bucket = Bucket(1, 5, 0.0)
    assert not bucket.take(0.0, 6)
    assert bucket.take(0.0, 5)
    assert not bucket.take(-10.0)
