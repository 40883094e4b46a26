"""Counts that add up over processes."""

import json

from hypothesis import given
from hypothesis import strategies as st

from livecomments.loadtest.tally import Histogram, Tally, merged

TIMES = st.lists(st.floats(0, 60_000), min_size=1, max_size=200)


@given(st.floats(0, 100_000))
def test_a_bucket_is_at_most_seven_per_cent_wide(ms: float) -> None:
    """A time lies below its bucket's end, and not far."""
    upper = Histogram.upper_ms(Histogram.bucket(ms))
    assert ms <= upper + 1e-9
    assert upper <= max(ms * 1.07, ms + 0.1251)


@given(TIMES, TIMES)
def test_histograms_add_up(one: list[float], two: list[float]) -> None:
    """Counting in two processes is counting in one."""
    parts = []
    for times in (one, two):
        tally = Tally()
        for ms in times:
            tally.time("t", ms)
        parts.append(Tally.from_json(json.loads(json.dumps(tally.to_json()))))
    whole = Tally()
    for ms in one + two:
        whole.time("t", ms)
    assert merged(parts).times["t"].counts == whole.times["t"].counts


@given(TIMES, st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_percentiles_are_those_of_the_times(times: list[float], share: float) -> None:
    """Exact up to the bucket's width."""
    histogram = Histogram()
    for ms in times:
        histogram.add(ms)
    exact = sorted(times)[max(0, -(-round(share * len(times) * 1e6) // 10**6) - 1)]
    found = histogram.percentile(share)
    assert found is not None
    assert exact <= found + 1e-9
    assert found <= max(exact * 1.07, exact + 0.1251)
