"""Holes in the feed, filled from the window in Redis before they are announced as lost.

A source that delivers at most once (Redis Pub/Sub) loses messages, and a record that cannot be decoded is
missing too. What comes behind a hole waits, shortly and within a limit, for what was missing.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edge.past import Past
from edge.stream import Stream

HEAL_SECONDS = 1.0
"""For a hole to be filled; a live viewer waits no longer than this."""
RETRY_SECONDS = 0.1
WAITING_SEGMENTS_MAX = 1_000
"""Of one stream behind a hole; with one more, the hole is announced."""
Segment = Mapping[str, Any]


class Healer:
    """``take`` shows a segment to its stream, whatever is missing before it. ``now``: seconds, monotonic."""

    def __init__(self, past: Past, take: Callable[[Stream, Segment], None], now: Callable[[], float]) -> None:
        self._past = past
        self._take = take
        self._now = now
        self._waiting: dict[Stream, list[Segment]] = {}
        self._tasks: dict[Stream, asyncio.Task[None]] = {}

    def takes(self, stream: Stream, segment: Segment) -> bool:
        """Keep a segment that comes behind a hole; False: it may be shown now."""
        waiting = self._waiting.get(stream)
        if waiting is not None:
            waiting.append(segment)
            if len(waiting) > WAITING_SEGMENTS_MAX:
                self._tasks[stream].cancel()
                self._give_up(stream, ())
            return True
        if stream.misses(segment) is None:
            return False
        self._waiting[stream] = [segment]
        task = asyncio.get_running_loop().create_task(self._heal(stream))
        self._tasks[stream] = task
        task.add_done_callback(lambda done: self._ended(stream, done))
        return True

    async def wait(self, stream: Stream) -> None:
        """Return when nothing of the stream waits any more."""
        while task := self._tasks.get(stream):
            await asyncio.wait({task})

    def forget(self, stream: Stream) -> None:
        """Drop what waits."""
        self._waiting.pop(stream, None)
        if task := self._tasks.get(stream):
            task.cancel()

    def stop(self) -> None:
        """End."""
        for stream in list(self._tasks):
            self.forget(stream)

    async def _heal(self, stream: Stream) -> None:
        deadline, found = self._now() + HEAL_SECONDS, list[Segment]()
        first = self._waiting[stream][0]
        while (gap := stream.misses(first)) is not None and self._now() < deadline:
            found = list(await self._past.between(stream.id, first["epoch"], *gap) or ())
            for segment in found:
                if stream.misses(segment) is None:
                    self._take(stream, segment)
            if stream.misses(first) is not None:
                await asyncio.sleep(RETRY_SECONDS)
        self._give_up(stream, found)

    def _give_up(self, stream: Stream, found: Sequence[Segment]) -> None:
        """Show what there is, in order; what is missing still is announced, and a further hole filled."""
        first, *behind = self._waiting.pop(stream)
        for segment in (*found, first):
            self._take(stream, segment)
        for segment in behind:
            if not self.takes(stream, segment):
                self._take(stream, segment)

    def _ended(self, stream: Stream, task: asyncio.Task[None]) -> None:
        if self._tasks.get(stream) is task:
            del self._tasks[stream]
