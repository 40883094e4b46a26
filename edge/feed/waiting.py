"""Those who wait until a place was told up to a time: `edge.feed.base.Feed.reach`, for every feed."""

import asyncio

from edge.feed.base import Place


class Waiters:
    """Times are the event loop's; a place is fresh at a time when all that was in it then was told."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[Place, list[tuple[float, asyncio.Future[None]]]] = {}

    async def wait(self, place: Place, since: float, within: float) -> bool:
        """Wait until a place is fresh later than ``since``; False: not ``within`` so many seconds."""
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiting.setdefault(place, []).append((since, waiter))
        try:
            async with asyncio.timeout(within):
                await waiter
        except TimeoutError:
            return False
        return True

    def wake(self, place: Place, fresh_at: float) -> bool:
        """Wake those whom that serves; return whether others still wait."""
        left = []
        for since, waiter in self._waiting.pop(place, ()):
            if waiter.done():
                continue
            if fresh_at > since:
                waiter.set_result(None)
            else:
                left.append((since, waiter))
        if left:
            self._waiting[place] = left
        return bool(left)

    def forget(self, place: Place) -> None:
        """Let those wait in vain who wait for a place that is read no longer."""
        self._waiting.pop(place, None)
