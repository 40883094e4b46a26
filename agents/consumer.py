"""Faust's consumer without what costs it most: an event a record, pauses under load, its own thread."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable, Iterator, Mapping
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage
from mode.services import WaitResults
from mode.utils.futures import maybe_async, notify

BUSY_RECORDS_MIN = 32
"""Of one answer, from which on a consumer is busy for a while: see `Consumer`."""
BUSY_SECONDS = 1.0
BUSY_WAIT_SECONDS = 0.02
IDLE_WAIT_SECONDS = 1.0
FULL_SECONDS_MAX = 1.0
"""After which a consumer whose buffer is full looks around by itself."""


class Consumer(driver.Consumer):  # type: ignore[misc]
    """See the module.

    An event is what one answer of a broker holds of a partition: its value is the list of records, in order,
    and its offset the last one's. A record as an event of its own costs as much as 40 comments in it. So
    Faust does not know which records are done; `decide` says up to which one they are, and that is committed.

    An event that is handed to a stream races against the wish to suspend the flow, as four tasks of the
    loop. Where it need not wait, and it hardly ever does, it is now simply handed over.

    When a stream's buffer is full, Faust stops asking for the partitions in it. If that is all of them it
    sleeps for a second, whatever happens meanwhile; if not, it waits up to a second for the others alone. And
    aiokafka asks a broker one question at a time: while records wait to be taken it asks for the other
    partitions, which may have none, and then for nothing else until the broker's answer to that.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._drained = asyncio.Event()
        self._decided: dict[TP, int] = {}
        """Partition → the offset up to which, exclusive, all is decided and may be committed."""
        self._busy_until = 0.0
        self._answered = 0

    def on_buffer_drop(self, tp: Any) -> None:
        """Ask for the partition again, at once."""
        super().on_buffer_drop(tp)
        self._drained.set()

    def decide(self, tp: TP, offset: int) -> None:
        """Say that what is before ``offset`` need not be read again."""
        self._decided[tp] = offset

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109 - Faust's name
        """Yield a partition's records together."""
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            # A rebalance has begun, behind which reading goes on from what is committed; as Faust has it.
            with contextlib.suppress(Exception):
                await self.perform_seek()
            return
        for tp, rows in records.items():
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            if rows and (active is None or tp in active or tp in self._buffered_partitions):
                yield tp, _together(tp, rows, generation)

    def ack(self, message: Any) -> bool:
        """Take note that an event is done, for whom it must be waited; what is committed, `decide` says."""
        message.acked = True
        self._unacked_messages.discard(message)
        notify(self._waiting_for_ack)
        return True

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Forget what was decided of them, once it is committed; and that their inboxes were full."""
        self._buffered_partitions.difference_update(revoked)
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self._decided.pop(tp, None)

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in self._decided if topics is None or tp in topics or tp.topic in topics)

    def _filter_committable_offsets(self, tps: Iterable[TP]) -> Mapping[TP, int]:
        return {tp: self._decided[tp] for tp in tps if self._should_commit(tp, self._decided[tp])}

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Need no list of offsets that the log does not have."""

    async def _wait_next_records(self, timeout: float) -> Any:  # noqa: ASYNC109 - Faust's name
        # Now, too: the answer before may have taken longer to hand on than a consumer stays busy.
        self._see_load()
        if self._buffered_partitions:
            timeout = BUSY_WAIT_SECONDS
            if self.flow_active and not self._get_active_partitions():
                self._drained.clear()
                await self.wait(self._drained.wait(), timeout=FULL_SECONDS_MAX)
        records, active = await super()._wait_next_records(timeout)
        self._answered = sum(map(len, (records or {}).values()))
        self._see_load()
        return records, active

    def _new_consumer_thread(self) -> "_OnTheLoop":
        return _OnTheLoop(self, loop=self.loop, thread_loop=self.loop, Worker=_Serving, beacon=self.beacon)

    def _see_load(self) -> None:
        now = self.loop.time()
        if self._buffered_partitions or self._answered >= BUSY_RECORDS_MIN:
            self._busy_until = now + BUSY_SECONDS
        self._let_broker_wait(BUSY_WAIT_SECONDS if now < self._busy_until else IDLE_WAIT_SECONDS)

    def _let_broker_wait(self, seconds: float) -> None:
        """Say how long the broker may keep a question for which it has no records yet."""
        consumer = self._thread._consumer  # noqa: SLF001 - neither Faust nor aiokafka has a setting
        if consumer is not None:
            consumer._fetcher._fetch_max_wait_ms = round(1000 * seconds)  # noqa: SLF001

    async def wait_first(self, *coros: Any, timeout: Any = None) -> Any:  # noqa: ASYNC109 - Faust's name
        """Return when the first of some is done; without a task where that is the first one, at once."""
        first, *others = coros
        if not asyncio.iscoroutine(first) or timeout is not None:
            return await super().wait_first(*coros, timeout=timeout)
        try:
            awaited = first.send(None)
        except StopIteration as done:
            for other in others:
                if asyncio.iscoroutine(other):
                    other.close()
            return WaitResults([first], [done.value], stopped=False)
        return await super().wait_first(_Begun(first, awaited), *others)


def _together(tp: TP, rows: list[Any], generation: int) -> Any:
    """Make one message of a partition's records."""
    last = rows[-1]
    return ConsumerMessage(
        tp.topic,
        tp.partition,
        last.offset,
        last.timestamp / 1000,
        last.timestamp_type,
        headers=None,
        key=None,
        value=rows,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=sum(row.serialized_value_size for row in rows),
        tp=tp,
        generation_id=generation,
    )


class _OnTheLoop(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Faust's consumer thread, without a thread: it is served by the loop that everything else is on.

    The thread keeps heartbeats going while an agent holds the loop for long, which a step never does
    (`agents.runner.STEP_BYTES_MAX`). With it every question and answer goes from one loop to the other and
    back, and two threads take turns at the interpreter, with 40 waits for a lock a record. Without it a
    comment is on a screen in three quarters of the time, 100 to 1,000 of them a second.
    """

    async def on_thread_started(self) -> None:
        """Begin without a queue of calls."""

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call it here."""
        return await maybe_async(fun(*args, **kwargs))

    async def cast_thread(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call it here."""
        await maybe_async(fun(*args, **kwargs))

    async def _gather_remaining_tasks(self) -> None:
        """Leave the loop's tasks alone: they are not its own."""


class _Serving:
    """What `_OnTheLoop` has for a thread: a task."""

    def __init__(self, service: Any) -> None:
        self._service = service
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        loop: asyncio.AbstractEventLoop = self._service.thread_loop
        self._task = loop.create_task(self._service._serve())  # noqa: SLF001 - as a thread does

    def stop(self) -> None:
        """Do nothing: it has been waited for."""


class _Begun:
    """The rest of a coroutine that waits for ``awaited`` already."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], awaited: Any) -> None:
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, Any]:
        awaited: Any = self._awaited
        step: Any
        given: Any
        while True:
            try:
                sent = yield awaited
            except BaseException as error:  # noqa: BLE001 - what is thrown in is the coroutine's
                step, given = self._coroutine.throw, error
            else:
                step, given = self._coroutine.send, sent
            try:
                awaited = step(given)
            except StopIteration as done:
                return done.value
