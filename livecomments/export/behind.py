"""Whether the archive has what the log had when an export began: a delete not in it yet hides nothing."""

import asyncio
import logging
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.settings import Kafka
from schemas.topics import SEQUENCED

GROUP = "livecomments-persist-archive"
WAIT_SECONDS = 30.0
"""For persist to come up to where the log stood."""
LOOK_SECONDS = 0.25
ASK_SECONDS = 5.0


async def wait(kafka: Kafka, seconds: float = WAIT_SECONDS) -> int | None:
    """Wait until the archive is where the log was at the call.

    Returns 0; or, if it did not come there in ``seconds``, how many records it is behind; None: there is no
    log here that could be asked.
    """
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # that nobody answers is said here, once
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, group_id=None)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    try:
        async with asyncio.timeout(ASK_SECONDS):
            await consumer.start()
            await admin.start()
            places = [TopicPartition(SEQUENCED.name, at) for at in range(kafka.partitions)]
            ends: Mapping[TopicPartition, int] = await consumer.end_offsets(places)
        deadline = asyncio.get_running_loop().time() + seconds
        while behind := await _behind(admin, ends):
            if asyncio.get_running_loop().time() > deadline:
                return behind
            await asyncio.sleep(LOOK_SECONDS)
    except (KafkaError, OSError, TimeoutError):
        return None
    else:
        return 0
    finally:
        await admin.close()
        await consumer.stop()


async def _behind(admin: AIOKafkaAdminClient, ends: Mapping[TopicPartition, int]) -> int:
    async with asyncio.timeout(ASK_SECONDS):
        committed = await admin.list_consumer_group_offsets(GROUP)
    return sum(
        max(0, end - max(0, committed[at].offset if at in committed else 0)) for at, end in ends.items()
    )
