"""Whether archive and window get on: how far `persist` has read, held against where its logs end.

A delete that is in the log reaches reads through the window or the archive. Where both stand still, as when
`persist` does, what is read may show what was deleted: such reads are refused. One look a second asks Kafka
for ends and committed offsets, whatever the number of reads.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.settings import Kafka
from schemas.topics import FANOUT, SEQUENCED

BEHIND_SECONDS: Final = 5.0
"""Offsets are committed once a second, and a busy machine is late with it."""
LOOK_SECONDS: Final = 1.0
ASK_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 2.0
GROUPS: Final = {"archive": SEQUENCED.name, "window": FANOUT.name}
"""Agent of persist (its consumer group is ``livecomments-persist-<agent>``) → the topic that it reads."""

log = structlog.get_logger()


@dataclass(slots=True)
class Trail:
    """One reader of one partition. Pure; ``now`` in seconds, monotonic."""

    behind: bool = False
    """Whether what stood in the log `BEHIND_SECONDS` ago is not read yet."""
    _ends: deque[tuple[float, int]] = field(default_factory=deque)

    def look(self, now: float, end: int, committed: int) -> None:
        """Take note of the log's end, and of the offset that is read next."""
        self._ends.append((now, end))
        while len(self._ends) > 1 and self._ends[1][0] <= now - BEHIND_SECONDS:
            self._ends.popleft()
        at, then = self._ends[0]
        self.behind = at <= now - BEHIND_SECONDS and committed < then


class Freshness:
    """Looks each second. ``now``: seconds, monotonic."""

    def __init__(self, kafka: Kafka, now: Callable[[], float]) -> None:
        self._kafka = kafka
        self._now = now
        self._trails = {(name, at): Trail() for name in GROUPS for at in range(kafka.partitions)}
        self._stale: frozenset[int] = frozenset()
        self._task: asyncio.Task[None] | None = None

    def stale(self, partition: int) -> bool:
        """Whether neither archive nor window has what the log has."""
        return partition in self._stale

    @property
    def count(self) -> int:
        """How many partitions are stale."""
        return len(self._stale)

    async def start(self) -> None:
        """Begin; does not wait for Kafka."""
        self._task = asyncio.create_task(self._run(), name="freshness")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        away = False
        while True:
            try:
                async with _clients(self._kafka) as (consumer, admin):
                    while True:
                        async with asyncio.timeout(ASK_SECONDS):
                            await self._look(consumer, admin)
                        away = False
                        await asyncio.sleep(LOOK_SECONDS)
            except (KafkaError, OSError, TimeoutError) as error:
                # Nothing is acknowledged while Kafka is away: what was known stays as true as it was.
                if not away:
                    log.warning(
                        "kafka away; whether persist gets on is not known", error=type(error).__name__
                    )
                away = True
                await asyncio.sleep(RETRY_SECONDS)

    async def _look(self, consumer: Any, admin: Any) -> None:
        for name, topic in GROUPS.items():
            places = [TopicPartition(topic, at) for at in range(self._kafka.partitions)]
            ends = await consumer.end_offsets(places)
            committed = await admin.list_consumer_group_offsets(f"livecomments-persist-{name}")
            self.note(name, {at.partition: end for at, end in ends.items()}, _of(committed, topic))

    def note(self, name: str, ends: Mapping[int, int], committed: Mapping[int, int]) -> None:
        """Take note of where an agent of persist stands in its topic's partitions."""
        now = self._now()
        for at, end in ends.items():
            self._trails[name, at].look(now, end, committed.get(at, 0))
        stale = frozenset(at for at in ends if all(self._trails[each, at].behind for each in GROUPS))
        if bool(stale) != bool(self._stale):
            log.warning("persist is behind; reads are refused" if stale else "persist has caught up")
        self._stale = stale


def _of(committed: Mapping[TopicPartition, Any], topic: str) -> dict[int, int]:
    return {at.partition: found.offset for at, found in committed.items() if at.topic == topic}


@asynccontextmanager
async def _clients(kafka: Kafka) -> AsyncIterator[tuple[Any, Any]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, group_id=None)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    try:
        await consumer.start()
        await admin.start()
        yield consumer, admin
    finally:
        await admin.close()
        await consumer.stop()
