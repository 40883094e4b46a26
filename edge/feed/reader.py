"""Reading a topic on Kafka: one consumer, and only the partitions that are wanted.

A partition is read from a little before what is served, so that what came before is known: the present
writer, repeats. How fresh a partition is shows by asking for its end about once a second. Kafka being away
is waited out, for ever; the positions are ours, and a new consumer goes on where the last one was.
"""

import asyncio
import contextlib
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from edge.feed.base import Place
from edge.feed.cursor import Cursor
from edge.feed.waiting import Waiters
from edge.stats import Stats
from edge.tasks import end
from schemas.closing import stop_consumer
from schemas.codec import UndecodableError, codec
from schemas.settings import Kafka
from schemas.topics import RECORD_BYTES_MAX, Topic

LEAD_SECONDS = 60
"""Read this much more than is served, to know what came before."""
POLL_MS = 50
RECORDS_PER_POLL = 500
WATCH_SECONDS = 0.1
PROBE_SECONDS = 0.7
PROBE_GAP_SECONDS = 0.02
ASK_SECONDS = 1.0
REQUEST_TIMEOUT_MS = 3_000
"""A broker that does not answer is asked again on a new connection after this."""
RETRY_SECONDS_FIRST = 0.1
RETRY_SECONDS_MAX = 1.0
STOP_SECONDS = 2.0

log = structlog.get_logger()


class PartitionReader(ABC):
    """Reads the wanted partitions of ``topic``; places are partition numbers.

    ``served_seconds``: how much of the past is told. ``wall``: seconds since 1970; a clock that is wrong
    makes the past longer or shorter, and nothing else.
    """

    def __init__(
        self,
        topic: Topic,
        kafka: Kafka,
        served_seconds: int,
        stats: Stats,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._topic = topic
        self._kafka = kafka
        self._served_seconds = served_seconds
        self._stats = stats
        self._wall = wall
        self._codec = codec(topic.record)
        self._cursors: dict[Place, Cursor] = {}
        self._assigned: frozenset[Place] = frozenset()
        self._waiters = Waiters(asyncio.get_running_loop())
        self._probe_now = asyncio.Event()
        self._wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._consumer: AIOKafkaConsumer | None = None
        self._appended_ms = 0
        """When the record that is being shown was appended, by the broker's clock."""
        self._loop = asyncio.get_running_loop()

    @property
    def ready(self) -> bool:
        """Whether a consumer is connected."""
        return self._consumer is not None

    @property
    def tasks(self) -> Sequence[asyncio.Task[None]]:
        """What runs until `stop`; one that ends by itself is a fault."""
        return self._tasks

    @abstractmethod
    def _show(self, cursor: Cursor, partition: int, offset: int, record: Any) -> None:
        """Take a decoded record, in the order of the log; none is told twice."""

    @abstractmethod
    def _lost(self, partition: int) -> None:
        """Forget a partition: what comes next does not follow from what was shown."""

    @abstractmethod
    def _behind(self, partition: int, *, stale: bool) -> None:
        """Note that what a partition holds can (not) be read any more."""

    def _begin(self) -> None:
        """Begin; does not wait for Kafka."""
        name = self._topic.name
        self._tasks = [
            self._loop.create_task(self._keep(), name=f"reader of {name}"),
            self._loop.create_task(self._probe(), name=f"prober of {name}"),
            self._loop.create_task(self._watch(), name=f"watcher of {name}"),
        ]

    async def stop(self) -> None:
        """End."""
        await end(self._tasks)

    def want(self, place: Place) -> None:
        """Begin to read a partition."""
        if place not in self._cursors:
            self._cursors[place] = Cursor(self._loop.time())
            self._wanted.set()

    def release(self, place: Place) -> None:
        """Stop reading a partition."""
        self._cursors.pop(place, None)
        self._wanted.set()

    async def reach(self, place: Place, since: float, within: float) -> bool:
        """Wait until what was in the log at ``since`` was told."""
        cursor = self._cursors.get(place)
        if cursor is not None and cursor.fresh_at > since:
            return True
        self._probe_now.set()
        return await self._waiters.wait(place, since, within)

    # Reading.

    async def _keep(self) -> None:
        wait = RETRY_SECONDS_FIRST
        while True:
            consumer = self._new()
            try:
                await consumer.start()
                self._consumer, self._assigned, wait = consumer, frozenset(), RETRY_SECONDS_FIRST
                log.info("feed connected", topic=self._topic.name)
                await self._read(consumer)
            except (KafkaError, OSError) as error:
                self._stats.feed_restarts += 1
                log.warning("feed interrupted; connecting again", error=type(error).__name__)
            finally:
                self._consumer = None
                await stop_consumer(consumer, STOP_SECONDS)
            await asyncio.sleep(wait)
            wait = min(wait * 2, RETRY_SECONDS_MAX)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            if not self._cursors:
                self._assign(consumer)
                self._wanted.clear()
                await self._wanted.wait()
            await self._place(consumer)
            self._assign(consumer)
            if not self._assigned:
                await asyncio.sleep(POLL_MS / 1000)
                continue
            try:
                batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_PER_POLL)
            except OffsetOutOfRangeError as error:
                self._begin_anew([at.partition for at in error.args[0]])
                continue
            for at, rows in batches.items():
                self._tell(at.partition, rows)
            if batches:
                await asyncio.sleep(0)  # sockets are served between batches too

    def _assign(self, consumer: AIOKafkaConsumer) -> None:
        """Make the assignment what is wanted; it replaces the last one, and every position with it."""
        placed = {number: cursor.next for number, cursor in self._cursors.items() if cursor.next is not None}
        if placed.keys() == self._assigned:
            return
        if not placed:
            consumer.unsubscribe()
        else:
            consumer.assign([TopicPartition(self._topic.name, number) for number in placed])
            # At once, before anything else runs: a reset of positions would be on its way otherwise.
            for number, offset in placed.items():
                consumer.seek(TopicPartition(self._topic.name, number), offset)
        self._assigned = frozenset(placed)
        log.info("partitions assigned", topic=self._topic.name, partitions=sorted(placed))

    async def _place(self, consumer: AIOKafkaConsumer) -> None:
        """Find where new partitions are to be read from."""
        new = {
            TopicPartition(self._topic.name, n): cursor
            for n, cursor in self._cursors.items()
            if cursor.next is None
        }
        if not new:
            return
        served_ms = int((self._wall() - self._served_seconds) * 1000)
        async with _asking():
            firsts = await consumer.offsets_for_times(dict.fromkeys(new, served_ms - LEAD_SECONDS * 1000))
            served = await consumer.offsets_for_times(dict.fromkeys(new, served_ms))
            ends = await consumer.end_offsets(list(new))
        for at, cursor in new.items():
            # None: nothing is as young as that.
            first, serve_from = (
                each.offset if each else ends[at] for each in (firsts.get(at), served.get(at))
            )
            cursor.begin(min(first, serve_from), serve_from)
        self._probe_now.set()

    def _tell(self, partition: int, rows: Sequence[Any]) -> None:
        cursor = self._cursors.get(partition)
        if cursor is None or cursor.next is None:
            return
        for row in rows:
            if row.offset < cursor.next:
                continue
            cursor.next = row.offset + 1
            self._stats.records += 1
            try:
                record = self._codec.decode(row.value)
            except UndecodableError as error:
                self._stats.records_bad += 1
                log.warning("record skipped", partition=partition, offset=row.offset, reason=error.reason)
                continue
            self._appended_ms = row.timestamp
            self._show(cursor, partition, row.offset, record)
        cursor.advance()
        self._wake(partition, cursor)

    def _begin_anew(self, partitions: Sequence[int]) -> None:
        """Give up positions that the log no longer has."""
        for partition in partitions:
            if partition in self._cursors:
                log.error("position is no longer in the log", topic=self._topic.name, partition=partition)
                self._cursors[partition] = Cursor(self._loop.time())
                self._lost(partition)
        self._assigned = frozenset()

    # How fresh it is.

    async def _probe(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROBE_SECONDS):
                    await self._probe_now.wait()
            self._probe_now.clear()
            consumer = self._consumer
            cursors = {n: cursor for n, cursor in self._cursors.items() if cursor.next is not None}
            if consumer is not None and cursors:
                await self._ask_ends(consumer, cursors)
            await asyncio.sleep(PROBE_GAP_SECONDS)

    async def _ask_ends(self, consumer: AIOKafkaConsumer, cursors: dict[Place, Cursor]) -> None:
        asked_at = self._loop.time()
        try:
            async with _asking():
                ends = await consumer.end_offsets(
                    [TopicPartition(self._topic.name, number) for number in cursors]
                )
        except (KafkaError, OSError) as error:
            log.warning("the feed's end cannot be asked for", error=type(error).__name__)
            return
        for at, end_offset in ends.items():
            cursor = cursors[at.partition]
            cursor.probed(end_offset, asked_at)
            self._wake(at.partition, cursor)

    async def _watch(self) -> None:
        """Say in time that a partition is behind, whatever the reading waits for."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            now = self._loop.time()
            for partition, cursor in list(self._cursors.items()):
                if cursor.judge(now):
                    words = "feed stale" if cursor.stale else "feed up to date again"
                    log.warning(words, topic=self._topic.name, partition=partition)
                    self._behind(int(partition), stale=cursor.stale)

    def _wake(self, partition: Place, cursor: Cursor) -> None:
        if cursor.fresh_at > -math.inf and self._waiters.wake(partition, cursor.fresh_at):
            self._probe_now.set()

    def _new(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._kafka.bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            retry_backoff_ms=100,
            fetch_max_wait_ms=250,
            max_partition_fetch_bytes=4 * RECORD_BYTES_MAX,
        )


@contextlib.asynccontextmanager
async def _asking() -> Any:
    """Bound a question to Kafka; a late answer is an error like others."""
    try:
        async with asyncio.timeout(ASK_SECONDS):
            yield
    except TimeoutError as error:
        raise KafkaError(f"no answer within {ASK_SECONDS} s") from error
