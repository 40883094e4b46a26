"""The cluster's incarnation and epoch, as ``livecomments topics apply`` wrote them."""

import asyncio

from agents.errors import LogUnavailableError, StageError
from agents.kafka import KafkaLog
from schemas.cluster import KEY, Cluster
from schemas.settings import Settings
from schemas.topics import META

WAIT_SECONDS = 30.0


async def read_epoch(log: KafkaLog, settings: Settings) -> str:
    """Return the epoch of new numbers; waits for the topics to be made.

    Raises:
        StageError: there is none after 30 s, or the topics have another partition count.

    """
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
    while True:
        found = await _last(log)
        if found is not None:
            break
        if asyncio.get_running_loop().time() > deadline:
            raise StageError(f"{META.name} has no incarnation; run «livecomments topics apply» first")
        await asyncio.sleep(0.5)
    if mismatch := found.mismatch(settings.kafka.partitions):
        raise StageError(mismatch)
    return found.epoch


async def _last(log: KafkaLog) -> Cluster | None:
    try:
        end = await log.end_offset(META.name, 0)
    except LogUnavailableError:
        return None
    found = None
    async for record in log.read(META.name, 0, await log.start_offset(META.name, 0), end):
        if record.key == KEY and record.value is not None:
            found = Cluster.from_bytes(record.value)
    return found
