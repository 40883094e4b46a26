"""The log on real Kafka: idempotent batches out, ranges by explicit offsets in."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from agents.errors import LogUnavailableError, RecoveryError
from agents.log import Entry, Record, Span
from schemas import settings as config
from schemas.closing import stop_consumer, stop_producer
from schemas.topics import RECORD_BYTES_MAX

BATCH_BYTES_MAX = RECORD_BYTES_MAX
"""Of one Kafka batch. The default of 16 KiB would make many round trips of one step."""
POLL_MS = 500
STOP_SECONDS = 5.0
READS_AT_ONCE = 8
"""Each has a consumer of its own; the rest wait."""


class KafkaLog:
    """`agents.log.Log` on one producer, one consumer for offsets, and a consumer a read.

    Every call raises LogUnavailableError when Kafka does not answer within the settings' limits.
    """

    def __init__(self, kafka: config.Kafka, recovery_seconds: float) -> None:
        self._kafka = kafka
        self._recovery_seconds = recovery_seconds
        self._producer = AIOKafkaProducer(
            bootstrap_servers=kafka.bootstrap,
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_batch_size=BATCH_BYTES_MAX,
            max_request_size=RECORD_BYTES_MAX + 64 * 1024,
            request_timeout_ms=kafka.request_timeout_ms,
        )
        self._offsets = self._consumer()
        self._reading = asyncio.Semaphore(READS_AT_ONCE)

    async def __aenter__(self) -> Self:
        await self._producer.start()
        await self._offsets.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await stop_producer(self._producer, STOP_SECONDS)
        await stop_consumer(self._offsets, STOP_SECONDS)

    async def append(self, topic: str, partition: int, entries: Sequence[Entry]) -> asyncio.Future[Span]:
        """Append in as few batches as they fit into."""
        futures: list[asyncio.Future[Any]] = []
        counts: list[int] = []
        batch = self._producer.create_batch()
        try:
            for key, value in entries:
                if batch.append(key=key, value=value, timestamp=None) is None:
                    counts.append(batch.record_count())
                    futures.append(await self._producer.send_batch(batch, topic, partition=partition))
                    batch = self._producer.create_batch()
                    batch.append(key=key, value=value, timestamp=None)
            counts.append(batch.record_count())
            futures.append(await self._producer.send_batch(batch, topic, partition=partition))
        except KafkaError as error:
            raise LogUnavailableError(f"append to {topic}-{partition}: {error!r}") from error
        return asyncio.ensure_future(_span(futures, counts, f"{topic}-{partition}"))

    async def read(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Record]:
        """Yield a range.

        Raises:
            RecoveryError: nothing came for ``recovery_seconds`` before ``end`` was reached.

        """
        if start >= end:
            return
        async with self._reading:
            async for record in self._read(TopicPartition(topic, partition), start, end):
                yield record

    async def _read(self, at: TopicPartition, start: int, end: int) -> AsyncIterator[Record]:
        consumer = self._consumer()
        await consumer.start()
        try:
            consumer.assign([at])
            # Explicit: after assign alone, a pending reset may win and read nothing.
            consumer.seek(at, start)
            position, deadline = start, self._deadline()
            while position < end:
                batches = await consumer.getmany(at, timeout_ms=POLL_MS)
                for row in batches.get(at, []):
                    if row.offset < end:
                        yield record_of(row)
                    deadline = self._deadline()
                position = await consumer.position(at)
                if asyncio.get_running_loop().time() > deadline:
                    raise RecoveryError(
                        f"{at.topic}-{at.partition}: nothing came for {self._recovery_seconds} s at offset "
                        f"{position}, before {end}"
                    )
        finally:
            await stop_consumer(consumer, STOP_SECONDS)

    async def start_offset(self, topic: str, partition: int) -> int:
        """Return the first offset there is."""
        at = TopicPartition(topic, partition)
        return int((await self._ask(self._offsets.beginning_offsets([at])))[at])

    async def end_offset(self, topic: str, partition: int) -> int:
        """Return the offset that the next record will get."""
        at = TopicPartition(topic, partition)
        return int((await self._ask(self._offsets.end_offsets([at])))[at])

    async def offset_at(self, topic: str, partition: int, timestamp: int) -> int:
        """Return the first offset at or after a time; the end where there is none."""
        at = TopicPartition(topic, partition)
        found = (await self._ask(self._offsets.offsets_for_times({at: max(timestamp, 0)})))[at]
        return int(found.offset) if found is not None else await self.end_offset(topic, partition)

    async def _ask(self, question: Any) -> Any:
        try:
            return await question
        except KafkaError as error:
            raise LogUnavailableError(
                f"Kafka at {self._kafka.bootstrap} did not answer: {error!r}"
            ) from error

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._recovery_seconds

    def _consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._kafka.bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=self._kafka.request_timeout_ms,
            max_partition_fetch_bytes=4 * RECORD_BYTES_MAX,
        )


def record_of(row: Any) -> Record:
    """Return what aiokafka fetched as a stage knows it."""
    return Record(row.offset, row.timestamp, row.key, row.value)


async def _span(futures: Sequence[asyncio.Future[Any]], counts: Sequence[int], where: str) -> Span:
    try:
        firsts = [int((await future).offset) for future in futures]
    except KafkaError as error:
        raise LogUnavailableError(f"append to {where}: {error!r}") from error
    if min(firsts) < 0:
        # A batch the broker knew already, without its offset: recovery finds out where it stands.
        raise LogUnavailableError(f"append to {where}: acknowledged without an offset")
    ends = [first + count for first, count in zip(firsts, counts, strict=True)]
    return Span(firsts[0], ends[-1], contiguous=firsts[1:] == ends[:-1])
