"""One Faust app an agent: membership, assignment, offsets. Nothing is decided here.

What Faust is used for and what it is kept from is in ``topology.md``; the short of it: raw bytes in,
no `take`, no exception out of an agent, acknowledgements in order and only when output is durable.
"""

import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("APP_ENV_PREFIX", "LIVECOMMENTS_FAUST_")  # or it reads bare BROKER_URL and the like

import faust

from agents.consumer import Consumer
from schemas.settings import Settings
from schemas.topics import Topic

BUFFERED_EVENTS_MAX = 16
"""An event is what a broker's answer holds of a partition (`agents.consumer`)."""
COMMIT_SECONDS = 1.0


def quiet() -> None:
    """Silence what would be formatted for nobody (12% of a profile) or repeats what we log ourselves."""
    for name in ("aiokafka", "faust", "mode", "kafka", "faust.transport.drivers.aiokafka"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("aiokafka.consumer.fetcher", "aiokafka.producer.sender", "aiokafka.conn"):
        logging.getLogger(name).setLevel(logging.ERROR)


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
        stream_buffer_maxsize=BUFFERED_EVENTS_MAX,
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
    """Declare an agent: every event of ``topic``, unacknowledged, to ``take``."""
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
