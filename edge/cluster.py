"""The cluster's incarnation and epoch, as ``livecomments topics apply`` wrote them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from edge.errors import StartError
from schemas.closing import stop_consumer
from schemas.continuity import epoch_of
from schemas.settings import Kafka
from schemas.topics import META

KEY = b"incarnation"
RETRY_SECONDS = 0.5
ASK_SECONDS = 5.0

log = structlog.get_logger()


async def read_epoch(kafka: Kafka) -> str:
    """Return the epoch of streams that nobody has seen; waits for Kafka and the topics for ever.

    Raises:
        StartError: the topics have another partition count than the settings say.

    """
    said = False
    while True:
        value = None
        try:
            async with asyncio.timeout(2 * ASK_SECONDS):
                value = await _last(kafka)
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("kafka away; the edge waits", error=type(error).__name__)
        if value is not None:
            break
        if not said:
            log.info("waiting for the topics", topic=META.name, hint="livecomments topics apply")
            said = True
        await asyncio.sleep(RETRY_SECONDS)
    entry = json.loads(value)
    if entry["partitions"] != kafka.partitions:
        raise StartError(
            f"the topics have {entry['partitions']} partitions, LIVECOMMENTS_KAFKA__PARTITIONS says "
            f"{kafka.partitions}; the count cannot change"
        )
    return epoch_of(entry["incarnation"], entry["counter"])


async def _last(kafka: Kafka) -> bytes | None:
    at = TopicPartition(META.name, 0)
    async with _consumer(kafka) as consumer:
        if META.name not in await consumer.topics():
            return None
        start = (await consumer.beginning_offsets([at]))[at]
        end = (await consumer.end_offsets([at]))[at]
        consumer.assign([at])
        consumer.seek(at, start)
        found = None
        while await consumer.position(at) < end:
            for row in (await consumer.getmany(at, timeout_ms=200)).get(at, []):
                if row.key == KEY:
                    found = row.value
        return found


@asynccontextmanager
async def _consumer(kafka: Kafka) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap,
        group_id=None,
        auto_offset_reset="earliest",
        request_timeout_ms=int(ASK_SECONDS * 1000),
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await stop_consumer(consumer, ASK_SECONDS)
