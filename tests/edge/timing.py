"""An event loop whose time passes when the test says so; tasks run on the real one."""

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any, cast


class _Timer:
    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """The part of an event loop that the edge's modules use for time."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now
        self._timers: list[tuple[float, int, _Timer]] = []
        self._order = count()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Return it as what it stands for."""
        return cast("asyncio.AbstractEventLoop", self)

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, call: Callable[..., Any], *args: Any) -> _Timer:
        timer = _Timer(lambda: call(*args))
        heapq.heappush(self._timers, (at, next(self._order), timer))
        return timer

    def call_later(self, delay: float, call: Callable[..., Any], *args: Any) -> _Timer:
        return self.call_at(self.now + delay, call, *args)

    def call_soon(self, call: Callable[..., Any], *args: Any) -> _Timer:
        return self.call_at(self.now, call, *args)

    def create_task(self, work: Coroutine[Any, Any, Any], *, name: str | None = None) -> asyncio.Task[Any]:
        return asyncio.get_running_loop().create_task(work, name=name)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    def advance(self, seconds: float) -> None:
        """Let time pass, and the timers that are due with it."""
        until = self.now + seconds
        while self._timers and self._timers[0][0] <= until:
            at, _, timer = heapq.heappop(self._timers)
            self.now = max(self.now, at)
            if not timer.cancelled:
                timer.call()
        self.now = until
