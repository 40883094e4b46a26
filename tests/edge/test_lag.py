"""How late the feed is: against the least of late, whatever the clocks say."""

from hypothesis import given
from hypothesis import strategies as st

from edge.lag import HALF_MS, STEP_MS, Lag

BROKER = 1_795_000_000_000


@given(offset=st.floats(-1e12, 1e12), waits=st.lists(st.floats(0, 5_000), min_size=1, max_size=50))
def test_delays_are_over_the_shortest_way_whatever_the_clocks_differ_by(
    offset: float, waits: list[float]
) -> None:
    """A constant between two clocks is no delay."""
    lag = Lag()
    lag.of(offset, 0.0)
    for n, wait in enumerate(waits, start=1):
        assert abs(lag.of(n * 10 + offset, n * 10 + wait) - wait) < 1


def test_a_way_that_stays_long_is_forgotten_to_have_been_short() -> None:
    """After a minute a longer way is the way it is; before, it is a delay."""
    lag = Lag()
    lag.of(BROKER, 0)
    now = 0.0
    while now < HALF_MS:
        now += 1_000
        assert lag.of(BROKER + now - 300, now) == 300
    for _ in range(35):
        now += 1_000
        last = lag.of(BROKER + now - 300, now)
    assert last == 0


def test_a_brokers_clock_that_is_set_is_no_delay() -> None:
    """Back by an hour: measured anew at once; forth: the same."""
    for step in (-3_600_000, 3_600_000):
        lag = Lag()
        lag.of(BROKER, 0)
        assert lag.of(BROKER + step + 1_000, 1_000) <= 0
        assert lag.of(BROKER + step + 2_000 - 80, 2_000) == 80
    assert STEP_MS < 3_600_000
