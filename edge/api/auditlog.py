"""Who did what on a stream, when and why: ``moderation.audit``, read backwards.

A partition holds the audits of many streams. One read looks through a bounded piece of it, from the end or
from where the last read stopped, and says where the next one goes on.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from edge.api.problems import Away
from schemas.closing import stop_consumer
from schemas.codec import UndecodableError, codec
from schemas.routing import partition_of
from schemas.settings import Kafka
from schemas.topics import AUDIT

CHUNK_RECORDS = 1_000
"""Read at once; each earlier chunk is a seek."""
SCAN_RECORDS_MAX = 20_000
"""That one read looks at; then it says where to go on."""
READERS_MAX = 4
READ_SECONDS = 10.0
STOP_SECONDS = 2.0
POLL_MS = 500

log = structlog.get_logger()


@dataclass(slots=True)
class AuditPage:
    """``records``: the newest first. ``next``: the ``before`` of the next read; None: that was all."""

    records: list[Mapping[str, Any]] = field(default_factory=list)
    next: int | None = None


class AuditLog:
    """Reads the topic; `READERS_MAX` at a time."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._places = asyncio.Semaphore(READERS_MAX)

    async def read(self, stream_id: str, before: int | None, limit: int) -> AuditPage:
        """Return up to ``limit`` records of a stream below the offset ``before``. Raises Away."""
        at = TopicPartition(AUDIT.name, partition_of(stream_id, self._kafka.partitions))
        try:
            async with asyncio.timeout(READ_SECONDS), self._places, self._consumer() as consumer:
                consumer.assign([at])
                return await _read(consumer, at, stream_id, before, limit)
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("audit not read", error=type(error).__name__)
            raise Away("the audit cannot be read now") from None

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._kafka.bootstrap, group_id=None, auto_offset_reset="earliest"
        )
        try:
            await consumer.start()
            yield consumer
        finally:
            await stop_consumer(consumer, STOP_SECONDS)


async def _read(
    consumer: Any, at: TopicPartition, stream_id: str, before: int | None, limit: int
) -> AuditPage:
    start = (await consumer.beginning_offsets([at]))[at]
    upto = end = (await consumer.end_offsets([at]))[at]
    if before is not None:
        upto = end = min(before, end)
    page, seen = AuditPage(), set[tuple[int, int]]()
    while upto > start and end - upto < SCAN_RECORDS_MAX:
        since = max(start, upto - CHUNK_RECORDS)
        for offset, record in reversed(await _chunk(consumer, at, stream_id, since, upto)):
            origin = (record["origin"]["offset"], record["origin"]["index"])
            # A stage that started again may have written one twice; a gateway's have no origin.
            if origin[0] >= 0 and origin in seen:
                continue
            if len(page.records) == limit:
                return page
            seen.add(origin)
            page.records.append(record)
            page.next = offset
        upto = since
    page.next = upto if upto > start else None
    return page


async def _chunk(
    consumer: Any, at: TopicPartition, stream_id: str, since: int, upto: int
) -> list[tuple[int, Mapping[str, Any]]]:
    """Return the stream's records of the offsets [``since``, ``upto``)."""
    found: list[tuple[int, Mapping[str, Any]]] = []
    key, decode = stream_id.encode(), codec(AUDIT.record).decode
    consumer.seek(at, since)
    while await consumer.position(at) < upto:
        for row in (await consumer.getmany(at, timeout_ms=POLL_MS)).get(at, []):
            if row.key != key or row.offset >= upto:
                continue
            try:
                found.append((row.offset, decode(row.value)))
            except UndecodableError:
                log.warning("audit record skipped", offset=row.offset)
    return found
