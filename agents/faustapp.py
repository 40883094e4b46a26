"""One Faust app an agent: membership, assignment, offsets. Nothing is decided here.

What Faust is used for and what it is kept from is in ``topology.md``; the short of it: raw bytes in,
no `take`, no exception out of an agent, acknowledgements in order and only when output is durable.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("APP_ENV_PREFIX", "LIVECOMMENTS_FAUST_")  # or it reads bare BROKER_URL and the like

import faust
from faust.transport.drivers import aiokafka as driver

from schemas.settings import Settings
from schemas.topics import Topic

BUFFERED_RECORDS_MAX = 128
COMMIT_SECONDS = 1.0
BUSY_RECORDS_MIN = 32
"""Of one answer, from which on a consumer is busy for a while: see `Consumer`."""
BUSY_SECONDS = 1.0
BUSY_WAIT_SECONDS = 0.02
IDLE_WAIT_SECONDS = 1.0
FULL_SECONDS_MAX = 1.0
"""After which a consumer whose buffer is full looks around by itself."""


def quiet() -> None:
    """Silence what would be formatted for nobody (12% of a profile) or repeats what we log ourselves."""
    for name in ("aiokafka", "faust", "mode", "kafka", "faust.transport.drivers.aiokafka"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("aiokafka.consumer.fetcher", "aiokafka.producer.sender", "aiokafka.conn"):
        logging.getLogger(name).setLevel(logging.ERROR)


class Consumer(driver.Consumer):  # type: ignore[misc]
    """Faust's, without its pauses under load of up to a second and a half.

    When a stream's buffer is full, Faust stops asking for the partitions in it. If that is all of them it
    sleeps for a second, whatever happens meanwhile; if not, it waits up to a second for the others alone. And
    aiokafka asks a broker one question at a time: while records wait to be taken it asks for the other
    partitions, which may have none, and then for nothing else until the broker's answer to that.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._drained = asyncio.Event()
        self._busy_until = 0.0

    def on_buffer_drop(self, tp: Any) -> None:
        """Ask for the partition again, at once."""
        super().on_buffer_drop(tp)
        self._drained.set()

    async def _wait_next_records(self, timeout: float) -> Any:  # noqa: ASYNC109 - Faust's name
        if self._buffered_partitions:
            timeout = BUSY_WAIT_SECONDS
            if self.flow_active and not self._get_active_partitions():
                self._drained.clear()
                await self.wait(self._drained.wait(), timeout=FULL_SECONDS_MAX)
        records, active = await super()._wait_next_records(timeout)
        now = self.loop.time()
        if self._buffered_partitions or sum(map(len, (records or {}).values())) >= BUSY_RECORDS_MIN:
            self._busy_until = now + BUSY_SECONDS
        self._let_broker_wait(BUSY_WAIT_SECONDS if now < self._busy_until else IDLE_WAIT_SECONDS)
        return records, active

    def _let_broker_wait(self, seconds: float) -> None:
        """Say how long the broker may keep a question for which it has no records yet."""
        consumer = self._thread._consumer  # noqa: SLF001 - neither Faust nor aiokafka has a setting
        if consumer is not None:
            consumer._fetcher._fetch_max_wait_ms = round(1000 * seconds)  # noqa: SLF001


def make_app(name: str, settings: Settings) -> Any:
    """Build the app of one agent; ``name`` is also its consumer group, after ``livecomments-``."""
    kafka = settings.kafka
    directory = Path(settings.data) / "faust" / f"{name}-{settings.stage.instance}"
    directory.mkdir(parents=True, exist_ok=True)
    app = faust.App(
        id=f"livecomments-{name}",
        broker=[f"kafka://{host.strip()}" for host in kafka.bootstrap.split(",")],
        datadir=directory,
        store="memory://",
        autodiscover=False,
        web_enabled=False,
        topic_partitions=kafka.partitions,
        topic_replication_factor=kafka.replication,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        stream_buffer_maxsize=BUFFERED_RECORDS_MAX,
        stream_wait_empty=True,
        stream_recovery_delay=0.0,
        broker_commit_interval=COMMIT_SECONDS,
        broker_session_timeout=kafka.session_timeout_ms / 1000,
        broker_request_timeout=max(kafka.request_timeout_ms, kafka.session_timeout_ms + 1000) / 1000,
        broker_heartbeat_interval=min(3.0, kafka.session_timeout_ms / 3000),
        producer_request_timeout=kafka.request_timeout_ms / 1000,
        consumer_group_instance_id=f"{name}-{settings.stage.instance}",
        consumer_auto_offset_reset="earliest",
    )
    app.transport.Consumer = Consumer
    return app


def consume(app: Any, topic: Topic, name: str, take: Callable[[Any], Awaitable[None]]) -> None:
    """Declare the app's one agent: every event of ``topic``, unacknowledged, to ``take``."""
    source = app.topic(
        topic.name,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        partitions=app.conf.topic_partitions,
        allow_empty=True,
    )

    async def agent(stream: Any) -> None:
        events: AsyncIterator[Any] = stream.noack().events()
        async for event in events:
            await take(event)

    app.agent(source, name=name)(agent)
