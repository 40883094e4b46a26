"""persist: into the stores. Three agents, each with a consumer and queues of its own.

``archive``: ``comments.sequenced`` → Cassandra or SQLite. ``window``: ``comments.fanout`` → Redis: sorted
set, head, then Pub/Sub. ``flat``: ``comments.sequenced`` → ``comments.flat``, one event a record. All
writes are idempotent. A store that is away is waited for; the other two go on.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from agents.inbox import Inbox
from agents.log import Log
from agents.runner import Work
from schemas import stores
from schemas.archive import Archive, ArchiveUnavailable
from schemas.codec import UndecodableError, codec
from schemas.continuity import Fence
from schemas.records import Flat
from schemas.topics import FANOUT, FLAT, SEQUENCED, Topic

RETRY_SECONDS_FIRST = 0.2
RETRY_SECONDS_MAX = 5.0
WINDOW_SEGMENTS_MAX = 20_000
"""Of one stream; the oldest go first."""

log = structlog.get_logger()


class StoreAwayError(Exception):
    """The store does not answer. The write is repeated until it does."""


class Sink(ABC):
    """One agent of persist: where it reads, and how it writes admitted records."""

    name: ClassVar[str]
    source: ClassVar[Topic]

    @abstractmethod
    async def write(self, partition: int, segments: Sequence[tuple[bytes, Any]]) -> None:
        """Write (raw, decoded) segments; returns when they are stored. StoreAwayError: try again."""


class ArchiveSink(Sink):
    """The truth, for ever."""

    name = "archive"
    source = SEQUENCED

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def write(self, partition: int, segments: Sequence[tuple[bytes, Any]]) -> None:
        """Upsert the segments' events."""
        del partition
        try:
            await self._archive.write([segment for _, segment in segments])
        except ArchiveUnavailable as error:
            raise StoreAwayError(str(error)) from error


class WindowSink(Sink):
    """The last minutes, for catch-up, and one Pub/Sub message a segment behind it."""

    name = "window"
    source = FANOUT

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def write(self, partition: int, segments: Sequence[tuple[bytes, Any]]) -> None:
        """Write the window first: who misses the message finds it there."""
        del partition
        pipe = self._redis.pipeline(transaction=False)
        for raw, segment in segments:
            stream_id, end = segment["stream_id"], segment["to_seq"]
            key = stores.window(stream_id, segment["epoch"])
            pipe.zadd(key, {raw: end})
            pipe.zremrangebyrank(key, 0, -WINDOW_SEGMENTS_MAX - 1)
            pipe.expire(key, stores.WINDOW_SECONDS)
            pipe.set(stores.head(stream_id), stores.Head(segment["epoch"], end).to_text())
            pipe.publish(stores.channel(stream_id), raw)
        try:
            await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreAwayError(type(error).__name__) from error


class FlatSink(Sink):
    """For analysts; at least once."""

    name = "flat"
    source = SEQUENCED

    def __init__(self, log: Log) -> None:
        self._log = log

    async def write(self, partition: int, segments: Sequence[tuple[bytes, Any]]) -> None:
        """Append one record an event; an error ends the process, as in every stage."""
        encode = codec(FLAT.record).encode
        entries = [
            (segment["stream_id"].encode(), encode(_flat(segment, event)))
            for _, segment in segments
            for event in segment["events"]
        ]
        if entries:
            await (await self._log.append(FLAT.name, partition, entries))


def _flat(segment: Any, event: Any) -> Flat:
    flat: Flat = {name: event.get(name) for name in Flat.__annotations__}  # type: ignore[assignment]
    flat["stream_id"], flat["epoch"] = segment["stream_id"], segment["epoch"]
    return flat


class SinkRunner:
    """One sink on one partition: take what waits, write it until it is written, acknowledge."""

    def __init__(self, sink: Sink, partition: int, *, inbox_records_max: int, merge_records_max: int) -> None:
        self.inbox: Inbox[Work] = Inbox(inbox_records_max)
        self.ready = asyncio.Event()
        self.processed = 0
        self.away = False
        self._sink = sink
        self._partition = partition
        self._merge_records_max = merge_records_max
        self._fence = Fence()
        self._codec = codec(sink.source.record)

    async def run(self) -> None:
        """Process until cancelled."""
        self.ready.set()
        while True:
            works = await self.inbox.take(self._merge_records_max)
            segments = [segment for work in works if (segment := self._admitted(work)) is not None]
            if segments:
                await self._write(segments)
            for work in works:
                await work.ack()
            self.processed += len(works)

    async def checkpoint(self) -> None:
        """Nothing is kept here."""

    def _admitted(self, work: Work) -> tuple[bytes, Any] | None:
        raw = work.record.value
        try:
            segment = self._codec.decode(raw)
        except UndecodableError as error:
            log.warning(
                "record skipped", sink=self._sink.name, offset=work.record.offset, reason=error.reason
            )
            return None
        if raw is None or not self._fence.admits(work.record.offset, segment) or not segment["stream_id"]:
            return None
        return raw, segment

    async def _write(self, segments: Sequence[tuple[bytes, Any]]) -> None:
        wait = RETRY_SECONDS_FIRST
        while True:
            try:
                await self._sink.write(self._partition, segments)
            except StoreAwayError as error:
                if not self.away:
                    log.warning("store away; waiting", sink=self._sink.name, error=str(error))
                self.away = True
                await asyncio.sleep(wait)
                wait = min(wait * 2, RETRY_SECONDS_MAX)
            else:
                if self.away:
                    log.info("store back", sink=self._sink.name)
                self.away = False
                return
