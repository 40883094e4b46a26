"""The cluster's incarnation and epoch, as ``livecomments topics apply`` wrote them."""

import asyncio
import json

from agents.errors import LogUnavailableError, StageError
from agents.kafka import KafkaLog
from schemas.continuity import epoch_of
from schemas.settings import Settings
from schemas.topics import META

WAIT_SECONDS = 30.0
KEY = b"incarnation"


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
    value = json.loads(found)
    if value["partitions"] != settings.kafka.partitions:
        raise StageError(
            f"the topics have {value['partitions']} partitions, LIVECOMMENTS_KAFKA__PARTITIONS says "
            f"{settings.kafka.partitions}; the count cannot change"
        )
    return epoch_of(value["incarnation"], value["counter"])


async def _last(log: KafkaLog) -> bytes | None:
    try:
        end = await log.end_offset(META.name, 0)
    except LogUnavailableError:
        return None
    found = None
    async for record in log.read(META.name, 0, await log.start_offset(META.name, 0), end):
        if record.key == KEY:
            found = record.value
    return found
