"""One stage on one partition: take it, recover, then decide, write, acknowledge.

The order that makes a crash harmless, whichever step it falls between:

1. *take*: append a claim; load the checkpoint; read the stage's own output from the watermark (or
   the duplicate window) up to the claim, and fold both. Nothing is processed before.
2. *decide*: everything that waits, in one step of the pure stage.
3. *write*: side records first, durable; then the output. Steps are written in the order of their decisions,
   and the next is decided meanwhile: a round trip to the broker delays writing, not deciding.
4. *acknowledge*: only when the output is durable, in order, and only if nobody else wrote to the
   partition meanwhile. The acknowledged offsets of one writer are contiguous: a hole means another
   worker's records, and if there is a higher claim among them this worker stops. A record that the stage
   has not decided yet is not acknowledged, nor is any behind it.
5. *checkpoint*, now and then: what has changed, and behind it the watermark.

Any error ends the process (see `agents.errors`).
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, NamedTuple, Protocol, TypeVar

from agents.checkpoint import load
from agents.errors import FencedError, LostHistoryError, RecoveryError
from agents.inbox import Inbox
from agents.log import Entry, Log, Record, Span, bytes_of
from agents.stage import Output, PartitionState, Side, Stage
from schemas.codec import UndecodableError
from schemas.continuity import Fence
from schemas.topics import DLQ, SUBMITTED, Topic

S = TypeVar("S", bound=PartitionState)

CHECKPOINT_ENTRIES_PER_APPEND = 1_000
HEARD_MS = 15_000
"""How much of the topics that a stage hears is read back at the start."""
STEPS_IN_FLIGHT_MAX = 4
"""Decided and not acknowledged: some wait for their side records, some for their output to be durable.
Few: while they are on their way more records wait, and the next step takes them together."""

STEP_BYTES_MAX = 1024 * 1024
"""Of records that one step takes together, about: deciding holds the loop, 0.1 s for so many comments."""


class _Step(NamedTuple):
    records: Sequence[Record]
    output: Output


class _Written(NamedTuple):
    step: _Step
    span: asyncio.Future[Span] | None


class Handle(Protocol):
    """What takes back an alarm."""

    def cancel(self) -> None:
        """Do not call."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The time, and a call at a later one. ``now``: ms, monotonic; ``wall``: ms since 1970."""

    now: Callable[[], float] = lambda: time.monotonic() * 1000
    wall: Callable[[], float] = lambda: time.time() * 1000
    after: Callable[[float, Callable[[], None]], Handle] = lambda seconds, call: (
        asyncio.get_running_loop().call_later(seconds, call)
    )


Effects = Callable[[int, S, Sequence[str] | None], None]
"""Partition, state, streams whose projection is to be written anew; None: all of them."""
Durable = Callable[[int, Span, Output], None]
"""Partition, the offsets that the output got, the output."""


class PartitionRunner(Generic[S]):
    """Runs ``stage`` on ``partition``; put records into ``inbox``.

    Args:
        stage: what to run.
        partition: where.
        log: Kafka, or memory.
        worker: this process's boot id, for the claim.
        acknowledge: told the offset before which all is decided, and what was written for it durable.
        on_effects: told of changed streams when their commands are durable.
        on_step: told of every step whose output is durable: partition, records, what was written for them.
        on_durable: given the output when it is durable and nobody else has claimed the partition.
        inbox_records_max: bound of the inbox.
        merge_records_max: records that one step takes together.
        turn: one for all runners of a loop: a step at a time, and the network is looked after between two.
        clock: of what a stage does by time; tests give another.

    """

    def __init__(
        self,
        stage: Stage[S],
        partition: int,
        *,
        log: Log,
        worker: str,
        acknowledge: Callable[[int], None] = lambda _: None,
        on_effects: Effects[S] | None = None,
        on_step: Callable[[int, Sequence[Record], Sequence[Entry]], None] | None = None,
        on_durable: Durable | None = None,
        inbox_records_max: int = 256,
        merge_records_max: int = 256,
        turn: asyncio.Lock | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.stage = stage
        self.partition = partition
        self.inbox: Inbox[Record] = Inbox(inbox_records_max, bytes_of)
        self.ready = asyncio.Event()
        self.processed = 0
        self.steps = 0
        self.step_seconds = 0.0
        """Spent in deciding, of this process's time."""
        self.dead_letters = 0
        self.away = False
        self._log = log
        self._worker = worker
        self._tell = acknowledge
        self._on_effects = on_effects
        self._on_step = on_step
        self._on_durable = on_durable
        self._merge_records_max = merge_records_max
        self._decided: asyncio.Queue[_Step] = asyncio.Queue()
        """A step's task is done when it is acknowledged."""
        self._written: asyncio.Queue[_Written] = asyncio.Queue()
        self._room = asyncio.Semaphore(STEPS_IN_FLIGHT_MAX)
        """What bounds both queues."""
        self._state: S = stage.open(partition)
        self._next = 0
        """Offset that this worker's next output record must get."""
        self._deciding = asyncio.Lock()
        self._turn = turn or asyncio.Lock()
        self._changelog_next: int | None = None
        self._clock = clock or Clock()
        self._alarm: Handle | None = None
        self._heard: dict[str, int] = {}
        self._unacknowledged: deque[Record] = deque()
        self._deciding_now = False
        self._on_the_way = 0
        """Steps decided and not acknowledged; ``_taken``: their records, and what is kept for later."""
        self._taken = 0

    @property
    def resting(self) -> bool:
        """Whether all that was put into the inbox is decided and durable, or kept by the stage for later."""
        waiting = len(self.inbox) or self.inbox.woken
        return self.ready.is_set() and not (waiting or self._deciding_now or self._on_the_way)

    @property
    def waiting(self) -> int:
        """Records taken and not acknowledged yet."""
        return len(self.inbox) + self._taken

    @property
    def state(self) -> S:
        """For tests and projections."""
        return self._state

    async def run(self) -> None:
        """Take the partition and process until cancelled."""
        await self._take()
        self.ready.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._process())
            group.create_task(self._write())
            group.create_task(self._acknowledge())

    def figures(self) -> Mapping[str, float]:
        """Return what the stage says of this partition, for the metrics page."""
        return self.stage.figures(self._state)

    def hear(self, topic: Topic, record: Record) -> None:
        """Hand on a record of a topic that the stage hears; once it is ready."""
        if record.offset > self._heard.get(topic.name, -1):
            self._heard[topic.name] = record.offset
            self.stage.hear(self._state, topic, record, self._clock.now())
            self._set_alarm()

    async def checkpoint(self) -> None:
        """Write the streams that changed, then the watermark; one call at a time."""
        topic = self.stage.table
        if topic is None or not self.ready.is_set():
            return
        async with self._deciding:
            await self._decided.join()
            entries = self.stage.checkpoint(self._state, self._next - 1)
        while batch := list(islice(entries, CHECKPOINT_ENTRIES_PER_APPEND)):
            span = await (await self._log.append(topic.name, self.partition, batch))
            if not span.contiguous or self._changelog_next not in {None, span.first}:
                # A paused predecessor wrote between: whatever it set back is written again.
                self._state.dirty.update(self.stage.streams(self._state))
            self._changelog_next = span.end

    async def _take(self) -> None:
        stage, partition = self.stage, self.partition
        claimed = await self._log.append(stage.sink.name, partition, [(None, stage.claim(self._worker))])
        token = (await claimed).first
        if stage.table is not None:
            checkpoint = await load(self._log, stage.table, partition)
            for key, value in checkpoint.drain():
                stage.restore(self._state, key, value)
            self._state.dirty.update(checkpoint.stale)
        await self._replay(token)
        end = await self._log.end_offset(SUBMITTED.name, partition)
        if self._state.covered.offset >= end:
            raise LostHistoryError(
                f"{stage.name}, partition {partition}: origin {self._state.covered.offset} is covered, but "
                f"{SUBMITTED.name} ends at {end}: the log was lost or replaced"
            )
        await self._listen_back()
        self._state.token = token
        self._next = token + 1
        if self._on_effects is not None:
            self._on_effects(partition, self._state, None)

    async def _replay(self, token: int) -> None:
        """Fold the stage's own output from the watermark up to this worker's claim."""
        stage, partition, topic = self.stage, self.partition, self.stage.sink.name
        if stage.table is None:
            return
        first = await self._log.start_offset(topic, partition)
        if first > self._state.watermark + 1:
            raise LostHistoryError(
                f"{stage.name}, partition {partition}: {topic} begins at {first}, behind the watermark "
                f"{self._state.watermark}: records between them are lost"
            )
        start = self._state.watermark + 1
        since = stage.tail_since(self._state)
        if since is not None:
            start = max(first, min(start, await self._log.offset_at(topic, partition, since)))
        fence = Fence()
        reached = start - 1
        async for record in self._log.read(topic, partition, start, token + 1):
            reached = record.offset
            try:
                decoded = stage.codec.decode(record.value)
            except UndecodableError:
                continue  # not ours: readers pass over it too
            if fence.admits(record.offset, decoded):
                stage.replay(self._state, decoded)
        if reached != token:
            raise RecoveryError(
                f"{stage.name}, partition {partition}: read {topic} to {reached}, not to {token}"
            )

    async def _listen_back(self) -> None:
        """Read the last of the topics that the stage hears."""
        partition = self.partition
        for topic in self.stage.hears:
            first = await self._log.start_offset(topic.name, partition)
            end = await self._log.end_offset(topic.name, partition)
            heard = self.stage.heard(self._state, topic)
            if heard is None:
                since = int(self._clock.wall()) - HEARD_MS
                heard = await self._log.offset_at(topic.name, partition, since) - 1
            async for record in self._log.read(topic.name, partition, max(first, heard + 1), end):
                self.hear(topic, record)
            self._heard[topic.name] = end - 1

    async def _process(self) -> None:
        stage = self.stage
        while True:
            self._set_alarm()
            self._deciding_now = False
            await self._room.acquire()
            records = await self.inbox.take(self._merge_records_max, STEP_BYTES_MAX)
            self._deciding_now = True
            await stage.prepare(self._state, records)
            async with self._deciding, self._turn:
                output = self._decide(records)
                self._on_the_way += 1
                self._taken += len(records)
                self._decided.put_nowait(_Step(records, output))
                # Others who want their turn wait until the loop has turned.
                await asyncio.sleep(0)

    def _decide(self, records: Sequence[Record]) -> Output:
        stage, state = self.stage, self._state
        begun = time.perf_counter()
        output = stage.step(state, records) if records else Output()
        self.dead_letters += sum(side.topic is DLQ for side in output.before)
        more = stage.tick(state, self._clock.now())
        self.steps += 1
        self.step_seconds += time.perf_counter() - begun
        if more is not None:
            output.main += more.main
            output.before += more.before
            output.effects += more.effects
            output.undecided = more.undecided
        return output

    def _set_alarm(self) -> None:
        due = self.stage.due(self._state)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if due is not None:
            self._alarm = self._clock.after(max(0.0, due - self._clock.now()) / 1000, self.inbox.wake)

    async def _write(self) -> None:
        """Append step after step; nothing of a step's output before its side records are durable."""
        while True:
            step = await self._decided.get()
            main, before = step.output.main, step.output.before
            if before:
                await self._write_sides(before)
            span = await self._log.append(self.stage.sink.name, self.partition, main) if main else None
            self._written.put_nowait(_Written(step, span))

    async def _write_sides(self, sides: Sequence[Side]) -> None:
        # One append a partition: a round trip for each refused comment would hold the whole partition up.
        entries: dict[tuple[str, int], list[Entry]] = {}
        for side in sides:
            entries.setdefault((side.topic.name, side.partition), []).append(side.entry)
        spans = [await self._log.append(*at, together) for at, together in entries.items()]
        await asyncio.gather(*spans)

    async def _acknowledge(self) -> None:
        while True:
            (records, output), span = await self._written.get()
            if span is not None:
                written = await span
                await self._check_alone(written)
                if self._on_durable is not None and written.contiguous:
                    self._on_durable(self.partition, written, output)
                if self._on_step is not None:
                    self._on_step(self.partition, records, output.main)
            if output.effects and self._on_effects is not None:
                self._on_effects(self.partition, self._state, output.effects)
            self._unacknowledged.extend(records)
            done: Record | None = None
            while self._unacknowledged and _is_decided(self._unacknowledged[0], output.undecided):
                done = self._unacknowledged.popleft()
                self._taken -= 1
            if done is not None:
                self._tell(done.offset + 1)
            self.processed += len(records)
            self._on_the_way -= 1
            self._room.release()
            self._decided.task_done()

    async def _check_alone(self, span: Span) -> None:
        """Go on only if no other worker has claimed the partition."""
        if span.first == self._next and span.contiguous:
            self._next = span.end
            return
        topic = self.stage.sink.name
        fence = Fence(self._state.token)
        async for record in self._log.read(topic, self.partition, self._next, span.end):
            try:
                decoded = self.stage.codec.decode(record.value)
            except UndecodableError:
                continue
            fence.admits(record.offset, decoded)
        if fence.token > self._state.token:
            raise FencedError(
                f"{self.stage.name}, partition {self.partition}: another worker's claim at {fence.token}"
            )
        self._next = span.end


def _is_decided(record: Record, undecided: int | None) -> bool:
    return undecided is None or record.offset < undecided
