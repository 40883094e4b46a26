"""The cluster's incarnation and epoch, as ``livecomments topics apply`` wrote them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from edge.errors import StartError
from schemas.closing import stop_consumer
from schemas.cluster import Cluster, last_noted
from schemas.settings import Kafka
from schemas.topics import META

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
        cluster = None
        try:
            async with asyncio.timeout(2 * ASK_SECONDS):
                cluster = await _last(kafka)
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("kafka away; the edge waits", error=type(error).__name__)
        if cluster is not None:
            break
        if not said:
            log.info("waiting for the topics", topic=META.name, hint="livecomments topics apply")
            said = True
        await asyncio.sleep(RETRY_SECONDS)
    if mismatch := cluster.mismatch(kafka.partitions):
        raise StartError(mismatch)
    return cluster.epoch


async def _last(kafka: Kafka) -> Cluster | None:
    async with _consumer(kafka) as consumer:
        return await last_noted(consumer) if META.name in await consumer.topics() else None


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
