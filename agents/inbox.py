"""Records of one partition waiting for its runner: bounded, and taken together."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """A queue whose reader takes all that waits. Full: the writer waits. Closed: what is put is dropped.

    ``size``: bytes of one; None: nobody asks for so many bytes.
    """

    def __init__(self, records_max: int, size: Callable[[T], int] | None = None) -> None:
        self._records_max = records_max
        self._size = size
        self._waiting: deque[T] = deque()
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._full = asyncio.Event()
        self._closed = False
        self._woken = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def woken(self) -> bool:
        """Whether `wake` was called and the reader has not gone on yet."""
        return self._woken

    @property
    def room(self) -> int:
        """How many can be put now."""
        return self._records_max - len(self._waiting)

    async def put(self, item: T) -> None:
        """Add one, as soon as there is room."""
        while len(self._waiting) >= self._records_max and not self._closed:
            self._full.set()
            self._drained.clear()
            await self._drained.wait()
        if not self._closed:
            self._waiting.append(item)
            self._filled.set()

    def offer(self, items: Sequence[T]) -> bool:
        """Add all of them if there is room for all now; return whether there was."""
        if self._closed or len(self._waiting) + len(items) > self._records_max:
            return False
        self._waiting.extend(items)
        self._filled.set()
        return True

    async def gather(self, seconds: float) -> None:
        """Wait so long for more to come, or until a writer waits for room."""
        self._full.clear()
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
            taken.append(self._waiting.popleft())
            room -= self._size(taken[-1]) if self._size is not None else 0
        self._drained.set()
        return taken

    def wake(self) -> None:
        """Let the reader go on although nothing may have come: it is time for something."""
        self._woken = True
        self._filled.set()

    def close(self) -> None:
        """Drop what waits and what comes."""
        self._closed = True
        self._waiting.clear()
        self._drained.set()
