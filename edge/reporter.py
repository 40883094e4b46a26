"""The rim of `edge.presence` and `edge.taps`: what they have to say goes to Kafka, a few times a second.

Nothing here is waited for, and nothing is sent twice: a report that is lost is replaced by the next, and a
tap that is lost is one of thousands.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from edge.presence import Presence
from edge.stats import Stats
from edge.taps import Taps
from edge.tasks import end
from schemas.codec import codec
from schemas.records import Health, Reaction
from schemas.routing import partition_of
from schemas.settings import Settings
from schemas.topics import HEALTH, REACTIONS, Topic

BEAT_SECONDS = 0.1
ON_THE_WAY_MAX = 10_000
"""Records that Kafka has not answered; beyond it further ones are lost."""
RETRY_SECONDS = 2.0
STOP_SECONDS = 1.0

log = structlog.get_logger()


class Reporter:
    """See the module."""

    def __init__(self, settings: Settings, presence: Presence, taps: Taps, stats: Stats) -> None:
        self._settings = settings
        self._presence = presence
        self._taps = taps
        self._stats = stats
        self._producer: AIOKafkaProducer | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._on_the_way: set[asyncio.Future[object]] = set()

    @property
    def tasks(self) -> Sequence[asyncio.Task[None]]:
        """What runs until `stop`; one that ends by itself is a fault."""
        return self._tasks

    def start(self) -> None:
        """Begin; does not wait for Kafka."""
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._keep(), name="reporter"),
            loop.create_task(self._beat(), name="reporter's beat"),
        ]

    async def stop(self) -> None:
        """Say that nobody is here any more, and end."""
        with contextlib.suppress(TimeoutError, KafkaError, OSError):
            async with asyncio.timeout(STOP_SECONDS):
                await self._send(HEALTH, self._presence.farewell())
                if self._on_the_way:
                    await asyncio.wait(self._on_the_way)
        await end(self._tasks)

    async def _keep(self) -> None:
        """Keep a producer; wait as long as Kafka is away."""
        while True:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._settings.kafka.bootstrap,
                acks=1,
                linger_ms=5,
                compression_type=None,
                request_timeout_ms=self._settings.kafka.request_timeout_ms,
            )
            try:
                await producer.start()
                self._producer = producer
                await asyncio.Event().wait()
            except (KafkaError, OSError) as error:
                log.warning("kafka away; viewers are not reported", error=type(error).__name__)
            finally:
                self._producer = None
                with contextlib.suppress(KafkaError, OSError, TimeoutError):
                    async with asyncio.timeout(STOP_SECONDS):
                        await producer.stop()
            await asyncio.sleep(RETRY_SECONDS)

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        window = self._settings.reactions.window_ms / 1000
        window_at = loop.time() + window
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self._send(HEALTH, self._presence.take())
                if loop.time() >= window_at:
                    window_at = loop.time() + window
                    await self._send(REACTIONS, self._taps.take(loop.time()))
            except (KafkaError, OSError) as error:
                log.warning("reports lost", error=type(error).__name__)

    async def _send(self, topic: Topic, records: Iterable[Health] | Iterable[Reaction]) -> None:
        encode = codec(topic.record).encode
        for record in records:
            producer = self._producer
            if producer is None or len(self._on_the_way) >= ON_THE_WAY_MAX:
                self._stats.reports_lost += 1
                continue
            stream_id = record["stream_id"]
            partition = partition_of(stream_id, self._settings.kafka.partitions)
            sent = await producer.send(topic.name, encode(record), stream_id.encode(), partition)
            self._on_the_way.add(sent)
            sent.add_done_callback(self._answered)

    def _answered(self, sent: asyncio.Future[object]) -> None:
        self._on_the_way.discard(sent)
        if sent.cancelled() or sent.exception() is not None:
            self._stats.reports_lost += 1
        else:
            self._stats.reports += 1
