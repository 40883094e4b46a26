"""Drains: how long, how even, and that nobody is dropped without a word."""

import asyncio
import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.drain import AT_ONCE_MAX, RECONNECTS_PER_SECOND, STEP_SECONDS, spread_seconds, steps
from schemas.settings import raise_open_files_limit
from tests.edge.fakes import stage
from tests.fleet.helpers import crowd, until


@given(st.integers(0, 10**6), st.integers(0, 5_000), st.floats(0, 600))
def test_a_drain_takes_as_long_as_the_others_need(viewers: int, others: int, least: float) -> None:
    """At least the setting, and at most 1,000 reconnects a second for each other edge; few go at once."""
    seconds = spread_seconds(viewers, others, least)
    if viewers <= AT_ONCE_MAX:
        assert seconds == 0
        return
    assert seconds >= least
    assert viewers <= seconds * max(1, others) * RECONNECTS_PER_SECOND * (1 + 1e-9)
    assert seconds == least or viewers == pytest.approx(seconds * max(1, others) * RECONNECTS_PER_SECOND)


@given(st.integers(0, 2_000), st.floats(0, 30))
def test_steps_are_even_and_leave_nobody_out(viewers: int, seconds: float) -> None:
    """Parts differ by one at most, in as many steps as there is time for."""
    everybody = list(range(viewers))
    parts = list(steps(everybody, seconds))
    assert [each for part in parts for each in part] == everybody
    assert len(parts) == max(1, round(seconds / STEP_SECONDS))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.integration
async def test_thousands_of_viewers_are_sent_away_evenly_and_told() -> None:
    """3,000 raw viewers over two seconds: each gets the close frame, and no half second has half of them."""
    count, seconds = 3_000, 2
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2 * count + 500:
        pytest.skip("too few open files are allowed here")
    raise_open_files_limit()
    async with stage(drain_seconds=seconds) as on:
        viewers = await crowd(on.server.port, count)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await on.server.drain(others=2)
        took = loop.time() - begun
        await until(lambda: all(viewer.lost for viewer in viewers))
    assert {viewer.close.code if viewer.close else None for viewer in viewers} == {4000}
    times = sorted(viewer.closed_at for viewer in viewers)
    assert times[-1] - times[0] >= seconds * 0.8
    assert took >= seconds * 0.8
    # Sliding: a busy machine bunches some, never most.
    for at in range(0, count - count // 2, 50):
        assert times[at + count // 2] - times[at] >= seconds / 4


async def test_who_cannot_take_a_close_frame_is_cut_in_the_end() -> None:
    """A viewer that reads nothing holds up the drain for seconds, not for ever."""
    async with stage(drain_seconds=0) as on:
        [viewer] = await crowd(on.server.port, 1)
        viewer.deaf()
        async with asyncio.timeout(20):
            await on.server.drain()
        assert not on.server.connections
        viewer.end()
        await until(lambda: viewer.lost)
