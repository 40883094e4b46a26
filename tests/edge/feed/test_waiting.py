"""Those who wait until a place was told."""

import asyncio

from edge.feed.waiting import Waiters


async def test_who_waits_for_less_is_woken_first() -> None:
    """Each is woken by the first time later than its own; the others are said to wait still."""
    waiters = Waiters(asyncio.get_running_loop())
    one = asyncio.create_task(waiters.wait(3, 1.0, 5))
    two = asyncio.create_task(waiters.wait(3, 2.0, 5))
    await asyncio.sleep(0)
    assert waiters.wake(3, 1.0)
    assert waiters.wake(3, 1.5)
    assert await one
    assert not two.done()
    assert not waiters.wake(3, 2.5)
    assert await two


async def test_nobody_waits_longer_than_they_said() -> None:
    """A place that is never told, and one that is read no longer."""
    waiters = Waiters(asyncio.get_running_loop())
    assert not await waiters.wait("a", 0.0, 0.01)
    assert not waiters.wake("a", -1.0)
    late = asyncio.create_task(waiters.wait("b", 0.0, 0.05))
    await asyncio.sleep(0)
    waiters.forget("b")
    assert not waiters.wake("b", 9.0)
    assert not await late
