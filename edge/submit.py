"""The rim to Kafka: one idempotent producer that is kept alive, warmed up, and replaced when broken.

The idempotent producer repeats a record until Kafka answers, with no time limit of its own: a broker that
comes back gets it once. Here it has one. Its author was told long ago that it is not known what became of
it, and may have sent it again; landing after the duplicate window it would be shown twice (found by
`livecomments nemesis`: an outage of two minutes). An error or a record that it gives up leaves a gap in its
sequence numbers, with which it can write no more; then it is replaced by a new one.
"""

import asyncio
import contextlib
from collections.abc import Callable

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.closing import stop_producer
from schemas.settings import Settings
from schemas.topics import SUBMITTED, SUBMITTED_BYTES_MAX, Topic

RETRY_SECONDS_FIRST = 0.2
RETRY_SECONDS_MAX = 2.0
STOP_SECONDS = 2.0
GIVE_UP_SECONDS = 7.0
"""On a record that Kafka does not acknowledge: the producer is replaced, and with it what it still holds."""
LATE_SECONDS_MAX = 10
"""So much later than it was submitted a record may still land, a broker that stands still aside."""
REQUEST_TIMEOUT_MS_MIN = 2_000

log = structlog.get_logger()


class SubmitError(Exception):
    """Kafka's fault: whether the record is in the log is not known."""


class Submitter:
    """Writes records to ``comments.submitted``. ``on_ready`` is called whenever that becomes possible."""

    def __init__(self, settings: Settings, on_ready: Callable[[], None]) -> None:
        self._settings = settings
        self._on_ready = on_ready
        self._producer: AIOKafkaProducer | None = None
        self._broken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether a producer is connected and knows the topic."""
        return self._producer is not None

    async def start(self) -> None:
        """Begin to connect, in the background and for as long as it takes."""
        self._task = asyncio.create_task(self._keep(), name="submitter")

    async def stop(self) -> None:
        """Wait a little for what is on the way, and close."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def send(self, partition: int, value: bytes) -> None:
        """Return when the record is durable (``acks=all``); raises SubmitError."""
        producer = self._producer
        if producer is None:
            raise SubmitError("not connected")
        await self._send(producer, SUBMITTED, partition, None, value)

    async def post(self, topic: Topic, partition: int, key: bytes, value: bytes) -> None:
        """Return when a record of another topic is durable. Raises SubmitError."""
        if self._producer is None:
            raise SubmitError("not connected")
        await self._send(self._producer, topic, partition, key, value)

    async def _send(
        self, producer: AIOKafkaProducer, topic: Topic, partition: int, key: bytes | None, value: bytes
    ) -> None:
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                await (await producer.send(topic.name, value, key=key, partition=partition))
        except TimeoutError as error:
            if producer is self._producer:
                self._broken.set()
            raise SubmitError(f"given up after {GIVE_UP_SECONDS:.0f} s") from error
        except (KafkaError, OSError, AssertionError) as error:
            if producer is self._producer and not getattr(error, "retriable", False):
                self._broken.set()
            raise SubmitError(type(error).__name__) from error

    async def _keep(self) -> None:
        wait = RETRY_SECONDS_FIRST
        while True:
            producer = self._new()
            try:
                await self._warm(producer)
                self._broken.clear()
                self._producer, wait = producer, RETRY_SECONDS_FIRST
                log.info("producer ready", topic=SUBMITTED.name)
                self._on_ready()
                await self._broken.wait()
                log.warning("producer broken; replaced by a new one")
            except (KafkaError, OSError) as error:
                log.warning("kafka away; connecting again", error=type(error).__name__, wait_seconds=wait)
            finally:
                self._producer = None
                await stop_producer(producer, STOP_SECONDS)
            await asyncio.sleep(wait)
            wait = min(wait * 2, RETRY_SECONDS_MAX)

    async def _warm(self, producer: AIOKafkaProducer) -> None:
        await producer.start()
        found, wanted = len(await producer.partitions_for(SUBMITTED.name)), self._settings.kafka.partitions
        if found != wanted:
            raise KafkaError(f"{SUBMITTED.name} has {found} partitions, and kafka.partitions says {wanted}")

    def _new(self) -> AIOKafkaProducer:
        # Short: after a cut, a partition waits this long before the record is sent again.
        timeout_ms = max(self._settings.limits.produce_timeout_ms, REQUEST_TIMEOUT_MS_MIN)
        return AIOKafkaProducer(
            bootstrap_servers=self._settings.kafka.bootstrap,
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_batch_size=SUBMITTED_BYTES_MAX,
            max_request_size=SUBMITTED_BYTES_MAX,
            request_timeout_ms=timeout_ms,
        )
