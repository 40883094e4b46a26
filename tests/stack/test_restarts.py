"""When a service is started again."""

from hypothesis import given
from hypothesis import strategies as st

from livecomments.stack.restarts import DELAY_MAX_SECONDS, STEADY_SECONDS, delay_seconds


def test_doubles_to_a_limit() -> None:
    """The first restart is at once, the next after 0.2 s, then twice as long each time, up to 5 s."""
    delays, delay = [], None
    for _ in range(8):
        delay = delay_seconds(delay, 0.1)
        delays.append(delay)
    assert delays == [0.0, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


@given(st.none() | st.floats(0, DELAY_MAX_SECONDS), st.floats(0, 1e6))
def test_bounds(previous: float | None, uptime: float) -> None:
    """No wait is longer than the limit, and after a steady life there is none."""
    delay = delay_seconds(previous, uptime)
    assert 0 <= delay <= DELAY_MAX_SECONDS
    if uptime >= STEADY_SECONDS:
        assert delay == 0
