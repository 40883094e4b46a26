"""persist: into the stores. Three agents, each with a consumer and queues of its own.

``archive``: ``comments.sequenced`` → Cassandra or SQLite. ``window``: ``comments.fanout`` → Redis: sorted
set, head, then Pub/Sub (`agents.window`). ``flat``: ``comments.sequenced`` → ``comments.flat``, one event a
record. All writes are idempotent. A store that is away is waited for; the other two go on.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from agents.log import Log
from agents.sink import Segment, Sink, StoreAwayError
from agents.window import WindowSink
from schemas.archive import Archive, ArchiveUnavailable
from schemas.codec import codec
from schemas.records import Flat
from schemas.topics import FLAT, SEQUENCED

DAY_MS = 86_400_000
GATHER_SECONDS = 0.05
"""Nobody waits for these: a transaction, or a batch of Kafka's, for each record is most of what they cost."""
HELD_STREAMS_MAX = 50
"""Whose ends are asked for when a partition is taken."""

__all__ = ["ArchiveSink", "FlatSink", "WindowSink"]


class ArchiveSink(Sink):
    """The truth, for ever."""

    name = "archive"
    source = SEQUENCED
    gather_seconds = GATHER_SECONDS

    def __init__(self, archive: Archive, now: Callable[[], float] = time.time) -> None:
        self._archive = archive
        self._now = now

    async def run(self) -> None:
        """Open the archive; writes find it away until it is there. Its ArchiveError ends the process."""
        await self._archive.open()
        await super().run()

    async def holds(self, last: Sequence[Segment]) -> bool:
        """Whether the last events of the streams that spoke last, and within a day, are stored.

        A day, since retention is one at least: what is older may have expired.
        """
        since = round(self._now() * 1000) - DAY_MS
        recent = [each.record for each in last if each.record["events"]]
        recent = [each for each in recent if each["events"][-1]["at"] >= since][-HELD_STREAMS_MAX:]
        try:
            stored = await asyncio.gather(*(self._archive.epochs(each["stream_id"]) for each in recent))
        except ArchiveUnavailable as error:
            raise StoreAwayError(str(error)) from error
        ends = [{end.epoch: end.seq for end in each} for each in stored]
        return all(end.get(r["epoch"], 0) >= r["to_seq"] for r, end in zip(recent, ends, strict=True))

    async def write(self, partition: int, segments: Sequence[Segment]) -> None:
        """Upsert the segments' events."""
        del partition
        try:
            await self._archive.write([segment.record for segment in segments])
        except ArchiveUnavailable as error:
            raise StoreAwayError(str(error)) from error


class FlatSink(Sink):
    """For analysts; at least once."""

    name = "flat"
    source = SEQUENCED
    gather_seconds = GATHER_SECONDS

    def __init__(self, log: Log) -> None:
        self._log = log

    async def write(self, partition: int, segments: Sequence[Segment]) -> None:
        """Append one record an event; an error ends the process, as in every stage."""
        encode = codec(FLAT.record).encode
        entries = [
            (record["stream_id"].encode(), encode(_flat(record, event)))
            for record in (segment.record for segment in segments)
            for event in record["events"]
        ]
        if entries:
            await (await self._log.append(FLAT.name, partition, entries))


def _flat(segment: Any, event: Any) -> Flat:
    flat: Flat = {name: event.get(name) for name in Flat.__annotations__}  # type: ignore[assignment]
    flat["stream_id"], flat["epoch"] = segment["stream_id"], segment["epoch"]
    return flat
