"""What persist's three agents share: take what waits, write it until it is written, acknowledge.

A `Sink` knows how to write; `SinkRunner` runs one on one partition. A store that is away is waited for:
the records stay unacknowledged, the inbox fills, and Kafka keeps the rest. The other two agents go on.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar

import structlog

from agents.inbox import Inbox
from agents.log import Log, Record, bytes_of
from schemas.codec import UndecodableError, codec
from schemas.continuity import Fence
from schemas.topics import Topic

T = TypeVar("T")
Stored = Callable[[int, Sequence["Segment"], float], None]
"""Partition, segments, how many seconds their write took."""
RETRY_SECONDS_FIRST = 0.2
RETRY_SECONDS_MAX = 5.0
FENCE_RECORDS = 2_000
"""Read back before the first record, to know the present writer; a replaced one's last records are fewer."""

log = structlog.get_logger()


class StoreAwayError(Exception):
    """The store does not answer. The write is repeated until it does."""


class Segment(NamedTuple):
    """An admitted record: as it stands in the log, decoded, and when it was appended (the broker's clock)."""

    raw: bytes
    record: Any
    appended_ms: int = 0


class Sink(ABC):
    """One agent of persist: where it reads, and how it writes admitted records."""

    name: ClassVar[str]
    source: ClassVar[Topic]
    gather_seconds: ClassVar[float] = 0.0
    """From one write of a partition to the next, at least: what comes meanwhile is written together."""

    @abstractmethod
    async def write(self, partition: int, segments: Sequence[Segment]) -> None:
        """Write; returns when they are stored. Idempotent. StoreAwayError: try again."""

    async def holds(self, last: Sequence[Segment]) -> bool:
        """Whether the store has what was acknowledged; if not, all that the log holds is written again.

        ``last``: streams' last records before the first that comes now, the latest last. StoreAwayError: ask
        again.
        """
        del last
        return True

    async def run(self) -> None:
        """Do what is to be done beside the writes, until cancelled."""
        await asyncio.Event().wait()

    def taken(self, partition: int) -> None:  # noqa: B027 - most sinks need not know
        """Note that this worker writes a partition now."""

    def left(self, partition: int) -> None:  # noqa: B027
        """Note that it does no longer."""


class SinkRunner:
    """One sink on one partition.

    ``log``: where its source is; ``acknowledge``: told the offset before which all is stored; ``on_stored``:
    told of every write.
    """

    def __init__(
        self,
        sink: Sink,
        partition: int,
        log_: Log,
        *,
        inbox_records_max: int,
        merge_records_max: int,
        acknowledge: Callable[[int], None] = lambda _: None,
        on_stored: Stored | None = None,
    ) -> None:
        self.inbox: Inbox[Record] = Inbox(inbox_records_max, bytes_of)
        self.ready = asyncio.Event()
        self.processed = 0
        self.steps = 0
        self.step_seconds = 0.0
        """Spent in writing, of the clock's time."""
        self.dead_letters = 0
        self.away = False
        self._taken = 0
        self._again_at = 0.0
        self._sink = sink
        self._partition = partition
        self._log = log_
        self._merge_records_max = merge_records_max
        self._tell = acknowledge
        self._on_stored = on_stored
        self._fence: Fence | None = None
        self._codec = codec(sink.source.record)

    async def run(self) -> None:
        """Process until cancelled."""
        self._sink.taken(self._partition)
        self.ready.set()
        try:
            while True:
                if (early := self._again_at - time.perf_counter()) > 0:
                    await self.inbox.gather(early)
                records = await self.inbox.take(self._merge_records_max)
                self._taken, begun = len(records), time.perf_counter()
                self._again_at = begun + self._sink.gather_seconds
                fence = self._fence
                if fence is None:
                    fence = self._fence = await self._catch_up(records[0].offset)
                segments = [
                    found for record in records if (found := self._admitted(fence, record)) is not None
                ]
                if segments:
                    await self._write(segments)
                self._tell(records[-1].offset + 1)
                self.processed += len(records)
                self._taken = 0
                self.steps += 1
                self.step_seconds += time.perf_counter() - begun
        finally:
            self._sink.left(self._partition)

    def figures(self) -> Mapping[str, float]:
        """Return nothing: a sink has no state."""
        return {}

    def hear(self, topic: Topic, record: Record) -> None:
        """Hear nothing."""

    @property
    def waiting(self) -> int:
        """Records taken and not acknowledged yet."""
        return len(self.inbox) + self._taken

    async def checkpoint(self) -> None:
        """Nothing is kept here."""

    async def _catch_up(self, offset: int) -> Fence:
        """Return the fence as of the first record: who began here would not know a replaced writer's.

        What was acknowledged and is not in the store, as after a backup was brought back, is written again.
        """
        fence, topic = Fence(), self._sink.source.name
        start = await self._log.start_offset(topic, self._partition)
        last: dict[str, Segment] = {}
        async for record in self._log.read(
            topic, self._partition, max(start, offset - FENCE_RECORDS), offset
        ):
            segment = self._admitted(fence, record)
            if segment is not None:
                last.pop(segment.record["stream_id"], None)
                last[segment.record["stream_id"]] = segment
        if not await self._ask(lambda: self._sink.holds(list(last.values()))):
            log.warning(
                "the store lacks what was acknowledged; writing what the log holds again",
                sink=self._sink.name,
                partition=self._partition,
                records=offset - start,
            )
            await self._write_again(start, offset)
        return fence

    async def _write_again(self, start: int, end: int) -> None:
        fence, segments = Fence(), list[Segment]()
        async for record in self._log.read(self._sink.source.name, self._partition, start, end):
            segment = self._admitted(fence, record)
            if segment is not None:
                segments.append(segment)
            if len(segments) == self._merge_records_max:
                await self._write(segments)
                self.processed += len(segments)
                segments = []
        if segments:
            await self._write(segments)

    def _admitted(self, fence: Fence, source: Record) -> Segment | None:
        raw = source.value
        try:
            record = self._codec.decode(raw)
        except UndecodableError as error:
            log.warning("record skipped", sink=self._sink.name, offset=source.offset, reason=error.reason)
            return None
        if raw is None or not fence.admits(source.offset, record) or not record["stream_id"]:
            return None
        return Segment(raw, record, source.timestamp)

    async def _write(self, segments: Sequence[Segment]) -> None:
        async def write() -> float:
            begun = time.perf_counter()
            await self._sink.write(self._partition, segments)
            return time.perf_counter() - begun

        took = await self._ask(write)
        if self._on_stored is not None:
            self._on_stored(self._partition, segments, took)

    async def _ask(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the store until it answers."""
        wait = RETRY_SECONDS_FIRST
        while True:
            try:
                answer = await ask()
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
                return answer
