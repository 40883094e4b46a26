"""``livecomments topics``: make the topics, show them, raise the epoch. The only code that creates topics."""

import asyncio
import json
import secrets
from collections.abc import Coroutine
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

import typer
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from livecomments.exits import Exit, Failure
from livecomments.options import DataDir, Json, PortBase
from livecomments.stack.addresses import stack_settings
from schemas.asyncapi import document
from schemas.closing import stop_consumer
from schemas.cluster import KEY, Cluster, last_noted
from schemas.settings import Settings
from schemas.topics import ALL, META, durability

T = TypeVar("T")
STOP_SECONDS = 5.0
READ_SECONDS = 40.0
APPLY_ATTEMPTS = 20

app = typer.Typer(help="Make and show the topics. Partition counts never change.", no_args_is_help=True)


@app.command()
def apply(
    port_base: PortBase = None,
    data: DataDir = None,
    settings_too: Annotated[
        bool, typer.Option("--settings", help="Set the settings of topics that are there, too.")
    ] = False,
    json_: Json = False,
) -> None:
    """Create the topics that are missing, and note the cluster's incarnation once.

    Settings of topics that are there are left as they are, unless --settings: then what they were given
    beside ours is reset.
    """
    settings = stack_settings(port_base, data)
    created, cluster = _run(_apply(settings, settings_too=settings_too), settings)
    if json_:
        typer.echo(json.dumps({"created": created, **asdict(cluster)}))
    else:
        typer.echo(f"{len(created)} topics created, {len(ALL)} in place; incarnation {cluster.incarnation}")


@app.command(name="list")
def list_(port_base: PortBase = None, data: DataDir = None, json_: Json = False) -> None:
    """Show every topic with its key, record and settings."""
    settings = stack_settings(port_base, data)
    rows = [
        {
            "name": topic.name,
            "key": topic.key,
            "record": topic.record,
            "partitions": settings.kafka.partitions,
            "settings": topic.config(),
        }
        for topic in ALL
    ]
    if json_:
        typer.echo(json.dumps(rows, indent=1))
    else:
        for topic in ALL:
            policy = "compacted" if topic.compacted else f"{(topic.retention_ms or 0) // 3_600_000} h"
            typer.echo(f"{topic.name:<40} key {topic.key:<7} {topic.record or '-':<10} {policy}")


@app.command()
def asyncapi(port_base: PortBase = None, data: DataDir = None) -> None:
    """Print the topics and their records as an AsyncAPI document. The API serves it at /asyncapi.json."""
    settings = stack_settings(port_base, data)
    api = f"http://{settings.api.host}:{settings.api.port}"
    found = document(settings.kafka.partitions, settings.kafka.bootstrap.split(",")[0], api)
    typer.echo(json.dumps(found, indent=1, ensure_ascii=False))


@app.command(name="raise-epoch")
def raise_epoch(
    port_base: PortBase = None,
    data: DataDir = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Declare a lost stretch of history: every stream starts over at 1 in a new epoch.

    For when a stage stops with LostHistoryError and the history cannot be brought back. Restart the
    stages and edges afterwards.
    """
    settings = stack_settings(port_base, data)
    if not yes:
        typer.confirm("Every stream's numbers start over, and viewers are told. Go on?", abort=True)
    cluster = _run(_raise_epoch(settings), settings)
    typer.echo(f"epoch {cluster.incarnation}-{cluster.counter}; restart the stages and edges")


async def read_cluster(bootstrap: str) -> Cluster | None:
    """Return what was noted, or None."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None, auto_offset_reset="earliest")
    await consumer.start()
    try:
        return await last_noted(consumer)
    finally:
        await stop_consumer(consumer, STOP_SECONDS)


async def _apply(settings: Settings, *, settings_too: bool = False) -> tuple[list[str], Cluster]:
    kafka = settings.kafka
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        created = await _create(admin, settings)
        await _check_partitions(admin, settings)
        if settings_too:
            await _set(admin, settings)
    finally:
        await admin.close()
    async with asyncio.timeout(READ_SECONDS):
        cluster = await read_cluster(kafka.bootstrap)
        if cluster is None:
            cluster = Cluster(secrets.token_hex(4), 0, kafka.partitions)
            await _write(kafka.bootstrap, cluster)
    if cluster.partitions != kafka.partitions:
        raise Failure(
            Exit.SETTINGS,
            f"the topics were made with {cluster.partitions} partitions, LIVECOMMENTS_KAFKA__PARTITIONS says "
            f"{kafka.partitions}: the count cannot change, because streams would move",
        )
    return created, cluster


async def _create(admin: AIOKafkaAdminClient, settings: Settings) -> list[str]:
    have = set(await admin.list_topics())
    wanted = [
        NewTopic(
            topic.name,
            1 if topic is META else settings.kafka.partitions,
            settings.kafka.replication,
            topic_configs=topic.config() | durability(settings.kafka.replication),
        )
        for topic in ALL
        if topic.name not in have
    ]
    if not wanted:
        return []
    response = await admin.create_topics(wanted)
    for name, code, *message in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise Failure(Exit.FAILURE, f"topic {name} could not be made: {error.__name__} {message}")
    return [topic.name for topic in wanted]


async def _set(admin: AIOKafkaAdminClient, settings: Settings) -> None:
    """Give every topic its settings."""
    extra = durability(settings.kafka.replication)
    wanted = [ConfigResource(ConfigResourceType.TOPIC, topic.name, topic.config() | extra) for topic in ALL]
    for answer in await admin.alter_configs(wanted):
        for code, message, _kind, name in answer.resources:
            if code:
                words = f"{for_code(code).__name__} {message or ''}".strip()
                raise Failure(Exit.FAILURE, f"the settings of {name} could not be set: {words}")


async def _check_partitions(admin: AIOKafkaAdminClient, settings: Settings) -> None:
    """Wait until every partition of every topic has a leader; refuse another count."""
    for attempt in range(APPLY_ATTEMPTS):
        rows = await admin.describe_topics([topic.name for topic in ALL])
        led = all(not row["error_code"] and _led(row) for row in rows)
        if led:
            break
        await asyncio.sleep(min(0.1 * 2**attempt, 1.0))
    else:
        raise Failure(Exit.NOT_READY, "some partitions have no leader yet; run «topics apply» again")
    for row in rows:
        count = len(row["partitions"])
        expected = 1 if row["topic"] == META.name else settings.kafka.partitions
        if count != expected:
            raise Failure(
                Exit.SETTINGS,
                f"{row['topic']} has {count} partitions, not {expected}: the count cannot change",
            )


def _led(row: dict[str, object]) -> bool:
    partitions = row["partitions"]
    return isinstance(partitions, list) and all(part["leader"] >= 0 for part in partitions)


async def _raise_epoch(settings: Settings) -> Cluster:
    cluster = await read_cluster(settings.kafka.bootstrap)
    if cluster is None:
        raise Failure(Exit.NOT_READY, "no incarnation is noted; run «livecomments topics apply» first")
    raised = Cluster(cluster.incarnation, cluster.counter + 1, cluster.partitions)
    await _write(settings.kafka.bootstrap, raised)
    return raised


async def _write(bootstrap: str, cluster: Cluster) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(META.name, cluster.to_bytes(), key=KEY, partition=0)
    finally:
        await producer.stop()


def _run(work: Coroutine[Any, Any, T], settings: Settings) -> T:
    try:
        return asyncio.run(work)
    except (KafkaError, TimeoutError, OSError) as error:
        where = settings.kafka.bootstrap
        raise Failure(
            Exit.NOT_RUNNING, f"Kafka at {where} does not answer: {error!r}; is the stack up?"
        ) from error
