"""Records of one partition waiting for its runner: bounded, and taken together."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

BYTES_MAX = 8 * 1024 * 1024
"""Of what waits, about."""


class Inbox(Generic[T]):
    """A queue whose reader takes all that waits. Closed: what is put is dropped.

    It takes whatever is put. With ``records_max``, or BYTES_MAX, it is full, and calls ``on_full`` at every
    put; when half of that is gone, or it is closed, ``on_room``. ``size``: bytes of one.
    """

    def __init__(self, records_max: int, size: Callable[[T], int]) -> None:
        self._records_max = records_max
        self._size = size
        self._waiting: deque[T] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self._full = asyncio.Event()
        self._closed = False
        self._woken = False
        self.on_full: Callable[[], None] = _nothing
        self.on_room: Callable[[], None] = _nothing

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def woken(self) -> bool:
        """Whether `wake` was called and the reader has not gone on yet."""
        return self._woken

    @property
    def full(self) -> bool:
        """Whether nothing more should be put."""
        return self._full.is_set()

    def put(self, items: Sequence[T]) -> None:
        """Add some."""
        if self._closed or not items:
            return
        self._waiting.extend(items)
        self._bytes += sum(map(self._size, items))
        self._filled.set()
        if len(self._waiting) >= self._records_max or self._bytes >= BYTES_MAX:
            self._full.set()
            self.on_full()

    async def gather(self, seconds: float) -> None:
        """Wait so long for more to come, or until it is full."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._full.wait()

    async def take(self, records_max: int, bytes_max: int | None = None) -> list[T]:
        """Take what waits, at most ``records_max`` and about ``bytes_max``; nothing only after `wake`."""
        while not self._waiting and not self._woken:
            self._filled.clear()
            await self._filled.wait()
        self._woken = False
        taken: list[T] = []
        room = float("inf") if bytes_max is None else bytes_max
        while self._waiting and len(taken) < records_max and room > 0:
            item = self._waiting.popleft()
            taken.append(item)
            size = self._size(item)
            room -= size
            self._bytes -= size
        if 2 * len(self._waiting) <= self._records_max and 2 * self._bytes <= BYTES_MAX:
            self._have_room()
        return taken

    def wake(self) -> None:
        """Let the reader go on although nothing may have come: it is time for something."""
        self._woken = True
        self._filled.set()

    def close(self) -> None:
        """Drop what waits and what comes."""
        self._closed = True
        self._waiting.clear()
        self._bytes = 0
        self._have_room()

    def _have_room(self) -> None:
        if self.full:
            self._full.clear()
            self.on_room()


def _nothing() -> None:
    """Nobody need know."""
