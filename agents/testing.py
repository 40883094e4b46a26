"""The topology without a broker: real stages and runners over logs in memory.

In the manner of Kafka Streams' ``TopologyTestDriver``::

    async with TopologyDriver(build(settings)) as driver:
        driver.submit(items)                     # → comments.submitted
        await driver.settle()
        driver.records("comments.sequenced")     # decoded, in order

Stages can be crashed between any two steps (`crash`, `MemoryLog.crash_before`), restarted from the
logs, run twice at once (`zombie`), checkpointed, and fused as in one worker. Nothing sleeps: `advance` moves
the one clock, which is the log's and the runners', and `settle` then does what its time has come for.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Self

from agents.ahead import Ahead
from agents.log import Entry, Record, Span
from agents.runner import Clock, PartitionRunner
from agents.stage import Output, Stage
from schemas.codec import codec
from schemas.records import Item, Submitted
from schemas.routing import partition_of
from schemas.topics import BY_NAME, SUBMITTED

START_MS = 1_800_000_000_000
FETCH_ROUNDS = 7


class CrashError(Exception):
    """Planted by a test."""


class MemoryLog:
    """All partitions of all topics, and a clock that stamps what is appended."""

    def __init__(self) -> None:
        self.now = START_MS
        self.records: defaultdict[tuple[str, int], list[Record]] = defaultdict(list)
        self.appends = 0
        """By stages, until now."""
        self.crash_before: int | None = None
        """Number of the append (counted as ``appends``) that crashes, once, before anything is written."""
        self.crash_behind: int | None = None
        """The same, after it is written and before its writer knows."""
        self.slow: dict[str, int] = {}
        """Topic → turns of the loop until an append to it is in the log; it outlives its writer."""
        self._sent: set[asyncio.Future[Span]] = set()

    async def append(self, topic: str, partition: int, entries: Sequence[Entry]) -> asyncio.Future[Span]:
        """Append, now or after the topic's turns."""
        await asyncio.sleep(0)
        self.appends += 1
        if self.crash_before == self.appends:
            raise CrashError(f"before an append to {topic}")
        if topic in self.slow:
            sent = asyncio.ensure_future(self._send(topic, partition, entries, self.appends))
            self._sent.add(sent)
            sent.add_done_callback(self._sent.discard)
            # A writer that ends takes nothing back.
            return asyncio.shield(sent)
        future: asyncio.Future[Span] = asyncio.get_running_loop().create_future()
        future.set_result(self._written(topic, partition, entries, self.appends))
        return future

    async def _send(self, topic: str, partition: int, entries: Sequence[Entry], number: int) -> Span:
        for _ in range(self.slow.get(topic, 0)):
            await asyncio.sleep(0)
        return self._written(topic, partition, entries, number)

    def _written(self, topic: str, partition: int, entries: Sequence[Entry], number: int) -> Span:
        span = self.put(topic, partition, entries)
        if self.crash_behind == number:
            raise CrashError(f"behind an append to {topic}")
        return span

    def put(self, topic: str, partition: int, entries: Sequence[Entry]) -> Span:
        """Append as somebody else: no planted crash."""
        log = self.records[topic, partition]
        first = len(log)
        log.extend(Record(first + index, self.now, key, value) for index, (key, value) in enumerate(entries))
        return Span(first, len(log), contiguous=True)

    async def read(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Record]:
        """Yield a range."""
        for record in self.records[topic, partition][start:end]:
            yield record

    async def start_offset(self, topic: str, partition: int) -> int:
        """Nothing expires."""
        del topic, partition
        return 0

    async def end_offset(self, topic: str, partition: int) -> int:
        """Return the length."""
        return len(self.records[topic, partition])

    async def offset_at(self, topic: str, partition: int, timestamp: int) -> int:
        """Return the first offset at or after ``timestamp``."""
        log = self.records[topic, partition]
        return next((record.offset for record in log if record.timestamp >= timestamp), len(log))


class Alarm:
    """A call at a time of the memory log's clock."""

    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Do not call."""
        self.call = None


class TopologyDriver:
    """Feeds the stages from the memory log and keeps their committed offsets."""

    def __init__(self, stages: Sequence[Stage[Any]], partitions: int, *, fused: bool = False) -> None:
        self.log = MemoryLog()
        self.partitions = partitions
        self._stages = {stage.name: stage for stage in stages}
        self._committed: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._delivered: dict[tuple[str, int], int] = {}
        self._ahead: dict[tuple[str, int], Ahead] = {}
        self._next = {stage.source.name: stage.name for stage in stages} if fused else {}
        for stage in stages:
            stage.hands_on = stage.sink.name in self._next
        """Topic → the stage that is handed what is appended to it."""
        self._rounds = 0
        self.handed = 0
        """Records that reached a stage that way."""
        self._runners: dict[tuple[str, int], PartitionRunner[Any]] = {}
        self._tasks: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._boots = 0
        self._alarms: list[Alarm] = []
        self._clock = Clock(lambda: float(self.log.now), lambda: float(self.log.now), self._after)
        self.merge_records_max = 256

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for name, partition in list(self._runners):
            await self.crash(name, partition)

    def advance(self, seconds: float) -> None:
        """Move the log's clock."""
        self.log.now += round(seconds * 1000)

    def tell(self, topic: str, key: str, record: Any) -> None:
        """Append a record for a stage that hears ``topic``; ``key`` decides the partition."""
        value = codec(BY_NAME[topic].record).encode(record)
        self.log.put(topic, partition_of(key, self.partitions), [(key.encode(), value)])

    def submit(self, items: Iterable[Item], gateway: str = "test") -> None:
        """Append items to ``comments.submitted``, one record a partition."""
        by_partition: defaultdict[int, list[Item]] = defaultdict(list)
        for item in items:
            by_partition[partition_of(item["stream_id"], self.partitions)].append(item)
        for partition, rows in by_partition.items():
            value = codec("submitted").encode(Submitted(gateway=gateway, items=rows))
            self.log.put(SUBMITTED.name, partition, [(None, value)])

    async def settle(self, rounds_max: int = 10_000) -> None:
        """Run until every stage has acknowledged all of its source.

        Raises:
            CrashError: planted, or whatever a stage stopped with.

        """
        for _ in range(rounds_max):
            idle = True
            self._rounds += 1
            for stage in self._stages.values():
                for partition in range(self.partitions):
                    idle &= await self._feed(stage, partition)
            if not self._ring() and idle:
                return
            await asyncio.sleep(0)
        raise AssertionError(f"not settled after {rounds_max} rounds")

    async def crash(self, name: str, partition: int) -> None:
        """End one runner as SIGKILL would: what it had not written or acknowledged is gone."""
        at = (name, partition)
        self._runners.pop(at, None)
        self._delivered.pop(at, None)
        task = self._tasks.pop(at, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def zombie(self, name: str, partition: int) -> tuple[PartitionRunner[Any], asyncio.Task[None]]:
        """Forget a runner without ending it, and return it: the next feed starts another beside it."""
        at = (name, partition)
        self._delivered.pop(at, None)
        return self._runners.pop(at), self._tasks.pop(at)

    def rewind(self, name: str, partition: int, offset: int) -> None:
        """Set a stopped stage's committed offset, back or ahead."""
        self._committed[name, partition] = offset

    async def checkpoint(self) -> None:
        """Checkpoint every running stage."""
        for runner in self._runners.values():
            await runner.checkpoint()

    def state(self, name: str, partition: int) -> Any:
        """Return a running stage's state."""
        return self._runners[name, partition].state

    def records(self, topic: str, partition: int | None = None) -> list[Any]:
        """Return decoded records, claims included, of one partition or of all in turn."""
        record = BY_NAME[topic].record
        partitions = range(self.partitions) if partition is None else [partition]
        return [codec(record).decode(row.value) for p in partitions for row in self.log.records[topic, p]]

    async def _feed(self, stage: Stage[Any], partition: int) -> bool:
        """Hand on what is new; return whether nothing is under way."""
        at = (stage.name, partition)
        source = self.log.records[stage.source.name, partition]
        told = any(self.log.records[topic.name, partition] for topic in stage.hears)
        if self._committed[at] >= len(source) and at not in self._runners and not told:
            return True
        if at not in self._runners:
            self._start(stage, partition)
        task = self._tasks[at]
        if task.done():
            self._runners.pop(at)
            self._delivered.pop(at, None)
            self._tasks.pop(at)
            raise _first(task.exception())
        first, end = self._delivered[at], len(source)
        if first < end and self._fetches:
            self._delivered[at] = end
            self._runners[at].inbox.put(source[self._ahead[at].bring(first, end) : end])
            self._commit(at)
        runner = self._runners[at]
        for topic in stage.hears if runner.ready.is_set() else ():
            for record in self.log.records[topic.name, partition]:
                runner.hear(topic, record)
        return runner.resting and self._delivered[at] == len(source)

    @property
    def _fetches(self) -> bool:
        """Whether stages get what is in their logs now; fused ones seldom, so that they are handed most."""
        return not self._next or self._rounds % FETCH_ROUNDS == 0

    def _after(self, seconds: float, call: Callable[[], None]) -> Alarm:
        alarm = Alarm(self.log.now + seconds * 1000, call)
        self._alarms.append(alarm)
        return alarm

    def _ring(self) -> bool:
        """Call what its time has come for; return whether there was anything."""
        due = [alarm for alarm in self._alarms if alarm.call and alarm.at <= self.log.now]
        self._alarms = [alarm for alarm in self._alarms if alarm.call and alarm.at > self.log.now]
        for alarm in due:
            if alarm.call:
                alarm.call()
        return bool(due)

    def _commit(self, at: tuple[str, int]) -> None:
        done = self._ahead[at].done
        if done is not None:
            self._committed[at] = max(self._committed[at], done)

    def _decided(self, at: tuple[str, int], ahead: Ahead, offset: int) -> None:
        ahead.decide(offset)
        if self._ahead[at] is ahead:
            self._commit(at)

    def _hand(self, topic: str, partition: int, span: Span, output: Output) -> None:
        at = (self._next.get(topic, ""), partition)
        runner = self._runners.get(at)
        if runner is not None and self._ahead[at].takes(span.first, len(output.main)):
            records = output.records(span.first, self.log.now)
            self.handed += len(records)
            runner.inbox.put(records)

    def _start(self, stage: Stage[Any], partition: int) -> None:
        at = (stage.name, partition)
        self._boots += 1
        ahead = self._ahead[at] = Ahead()
        self._runners[at] = PartitionRunner(
            stage,
            partition,
            log=self.log,
            worker=f"{stage.name}-{self._boots}",
            acknowledge=partial(self._decided, at, ahead),
            on_durable=partial(self._hand, stage.sink.name),
            inbox_records_max=1_000_000,
            merge_records_max=self.merge_records_max,
            clock=self._clock,
        )
        self._delivered[at] = self._committed[at]
        self._tasks[at] = asyncio.get_running_loop().create_task(self._runners[at].run())


def _first(error: BaseException | None) -> BaseException:
    """Take the cause out of a task group's exception."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error or AssertionError("a runner ended by itself")
