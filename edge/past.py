"""The replay tier behind the ring: a stream's last minutes in Redis (`schemas.stores`).

Read when a stream's first viewer comes, and when somebody returns from longer ago than the ring holds.
Redis may be away: then nothing is known, the caller says so, and for a moment nobody else waits for it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from edge.stats import Stats
from schemas import stores
from schemas.codec import UndecodableError, codec
from schemas.routing import partition_of

PAGE_SEGMENTS = 100
READ_BYTES_MAX = 8 * 1024 * 1024
"""Of one read; what goes beyond is not caught up but announced as a hole."""
ASK_SECONDS = 1.0
"""For one answer, whatever the client's own limits and retries are."""
AWAY_SECONDS = 1.0
"""For which nobody asks a Redis that did not answer."""

log = structlog.get_logger()
Segments = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Recent:
    """What the window ends with. ``head`` None: Redis knows no such stream."""

    head: stores.Head | None
    segments: Segments = ()


class Past:
    """Reads Redis. ``now``: seconds, monotonic. ``partitions``: of the topics."""

    def __init__(
        self, redis: Redis, events_max: int, stats: Stats, now: Callable[[], float], partitions: int
    ) -> None:
        self._redis = redis
        self._partitions = partitions
        self._events_max = events_max
        self._stats = stats
        self._now = now
        self._codec = codec("fanout")
        self._away_until = 0.0

    async def recent(self, stream_id: str) -> Recent | None:
        """Return the end of the window, ascending; None: Redis did not answer, or was flushed.

        A missing head says that there is no such stream only where the partition's sentinel is.
        """
        sentinel = stores.window_sentinel(partition_of(stream_id, self._partitions))
        answer = await self._ask(lambda: self._redis.mget(stores.head(stream_id), sentinel))
        if answer is _AWAY or answer == [None, None]:
            return None
        head = answer[0]
        try:
            found = stores.Head.from_text(head.decode()) if head is not None else None
        except ValueError:
            found = None
        if found is None:
            return Recent(None)
        key = stores.window(stream_id, found.epoch)
        rows = await self._ask(lambda: self._redis.zrevrange(key, 0, PAGE_SEGMENTS - 1))
        if rows is _AWAY:
            return None
        segments: list[Mapping[str, Any]] = []
        events = 0
        for segment in self._decoded(rows):
            events += len(segment["events"])
            if segments and events > self._events_max:
                break
            segments.append(segment)
        return Recent(found, segments[::-1])

    async def between(self, stream_id: str, epoch: str, after: int, upto: int) -> Segments | None:
        """Return the segments that cover (``after``, ``upto``], ascending; None: Redis did not answer.

        What the window no longer holds is missing at the beginning, and so is what would be too much.
        """
        key = stores.window(stream_id, epoch)
        found, events, size, pages = list[Mapping[str, Any]](), 0, 0, 0
        rows = await self._ask(lambda: self._redis.zrangebyscore(key, upto, "+inf", 0, 1))
        while True:
            if rows is _AWAY:
                return None
            size += sum(map(len, rows))
            for segment in self._decoded(rows):
                events += len(segment["events"])
                if found and (size > READ_BYTES_MAX or events > self._events_max):
                    return found[::-1]
                found.append(segment)
            if (found and found[-1]["from_seq"] <= after) or (pages and len(rows) < PAGE_SEGMENTS):
                return found[::-1]
            rows = await self._ask(
                lambda at=pages * PAGE_SEGMENTS: self._redis.zrevrangebyscore(  # type: ignore[misc]
                    key, f"({upto}", f"({after}", at, PAGE_SEGMENTS
                )
            )
            pages += 1

    async def stop(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    def _decoded(self, rows: Sequence[bytes]) -> list[Mapping[str, Any]]:
        found = []
        for row in rows:
            try:
                found.append(self._codec.decode(row))
            except UndecodableError as error:
                self._stats.records_bad += 1
                log.warning("record of the window skipped", reason=error.reason)
        return found

    async def _ask(self, question: Callable[[], Any]) -> Any:
        if self._now() < self._away_until:
            return _AWAY
        self._stats.past_reads += 1
        try:
            async with asyncio.timeout(ASK_SECONDS):
                return await question()
        except (RedisError, OSError, TimeoutError) as error:
            self._stats.past_failures += 1
            self._away_until = self._now() + AWAY_SECONDS
            log.warning("redis away; streams are caught up from the log alone", error=type(error).__name__)
            return _AWAY


_AWAY = object()
