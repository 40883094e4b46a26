"""The audit of one stream: the last records of ``moderation.audit`` that are about it."""

import asyncio
from collections import deque
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from livecomments.client.text import plain
from livecomments.exits import Exit, Failure
from schemas.codec import UndecodableError, codec
from schemas.routing import partition_of
from schemas.settings import Settings
from schemas.topics import AUDIT

READ_SECONDS = 60.0
POLL_MS = 500


def read(settings: Settings, stream: str, limit: int) -> list[dict[str, Any]]:
    """Return the last ``limit`` records, oldest first.

    Raises:
        Failure: Kafka does not answer, or not in time.

    """
    try:
        return asyncio.run(_read(settings, stream, limit))
    except (KafkaError, TimeoutError, OSError) as error:
        where = settings.kafka.bootstrap
        raise Failure(
            Exit.NOT_RUNNING, f"Kafka at {where} does not answer ({type(error).__name__}): is the stack up?"
        ) from error


def line_of(row: dict[str, Any]) -> str:
    """Return a record as a line for people."""
    at = datetime.fromtimestamp(row["at"] / 1000).astimezone()
    command = row["command"] or {}
    words = [f"{name}={plain(command[name])}" for name in ("target", "seconds", "reason", "settings")
             if command.get(name) is not None]  # fmt: skip
    outcome = row["outcome"] if row["refusal"] is None else f"{row['outcome']}: {row['refusal']}"
    who = f"{plain(row['actor_id'])} ({plain(row['actor_role'])})"
    return f"{at:%Y-%m-%d %H:%M:%S}  {who:<28} {plain(row['action']):<10} {' '.join(words)}  [{outcome}]"


async def _read(settings: Settings, stream: str, limit: int) -> list[dict[str, Any]]:
    at = TopicPartition(AUDIT.name, partition_of(stream, settings.kafka.partitions))
    key, decode = stream.encode(), codec(AUDIT.record).decode
    found: deque[dict[str, Any]] = deque(maxlen=limit)
    seen = (-1, -1)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka.bootstrap, group_id=None, auto_offset_reset="earliest"
    )
    try:
        async with asyncio.timeout(READ_SECONDS):
            await consumer.start()
            consumer.assign([at])
            start = (await consumer.beginning_offsets([at]))[at]
            end = (await consumer.end_offsets([at]))[at]
            consumer.seek(at, start)
            while await consumer.position(at) < end:
                for row in (await consumer.getmany(at, timeout_ms=POLL_MS)).get(at, []):
                    if row.key != key:
                        continue
                    try:
                        record = decode(row.value)
                    except UndecodableError:
                        continue  # somebody else wrote it
                    origin = (record["origin"]["offset"], record["origin"]["index"])
                    if origin > seen:  # a stage that started again may have written one twice
                        seen = origin
                        found.append(record)
    finally:
        await consumer.stop()
    return list(found)
