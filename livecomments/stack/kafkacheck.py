"""What is wrong with the brokers and the topics: age, missing topics, counts, settings, unknown schemas."""

import asyncio
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from livecomments.stack.findings import Check
from schemas.closing import stop_consumer
from schemas.codec import FRAME_BYTES, MAGIC, releases
from schemas.settings import Kafka
from schemas.topics import ALL, BY_NAME, META, Topic, durability

LIMIT_SECONDS = 8.0
POLL_MS = 300
STOP_SECONDS = 3.0
SHOWN = 3
"""Mistakes of a kind that are named one by one."""
NEEDED = {11: (5, "static membership"), 22: (1, "idempotent producers"), 32: (1, "topic settings")}
"""Kafka's request (its number) → the version that a broker must know, and what for; 2.3 has them all."""
API_VERSIONS, CLIENT = 18, b"livecomments"
ANSWER_BYTES_MAX = 1024 * 1024
AT_LEAST = frozenset({"retention.ms", "max.message.bytes", "min.insync.replicas"})
"""Settings of which more is no mistake."""
FOR_EVER = -1


@dataclass(frozen=True, slots=True)
class Seen:
    """What the brokers say of one topic."""

    partitions: int
    replicas: int
    config: Mapping[str, str]


async def kafka(settings: Kafka) -> list[Check]:
    """Look at the brokers; where they do not answer, that is all there is to say."""
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            versions = await _versions(settings.bootstrap)
    except (OSError, TimeoutError, EOFError, struct.error) as error:
        words = f"{settings.bootstrap} does not answer ({type(error).__name__})"
        return [Check("brokers", False, words, "start it, or correct LIVECOMMENTS_KAFKA__BOOTSTRAP")]
    if old := [what for key, (version, what) in NEEDED.items() if versions.get(key, -1) < version]:
        words = f"{settings.bootstrap} is too old: it has no {', '.join(old)}"
        return [Check("brokers", False, words, "upgrade the brokers to Kafka 2.3 or later; 4.x is tested")]
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            return await _topics(settings)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        words = f"cannot be looked at: {type(error).__name__}: {error}"
        return [Check("topics", False, words, "look at the brokers' logs")]


async def _versions(bootstrap: str) -> dict[int, int]:
    """Ask the first broker which requests it knows: number → highest version."""
    host, _, port = bootstrap.split(",", maxsplit=1)[0].strip().rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        body = struct.pack(">hhih", API_VERSIONS, 0, 1, len(CLIENT)) + CLIENT
        writer.write(struct.pack(">i", len(body)) + body)
        (size,) = struct.unpack(">i", await reader.readexactly(4))
        answer = await reader.readexactly(min(size, ANSWER_BYTES_MAX))
    finally:
        writer.close()
    _correlation, error, count = struct.unpack_from(">ihi", answer)
    if error:
        return {}
    rows = [struct.unpack_from(">hhh", answer, 10 + 6 * number) for number in range(count)]
    return {key: highest for key, _lowest, highest in rows}


async def _topics(settings: Kafka) -> list[Check]:
    from aiokafka.admin import AIOKafkaAdminClient  # noqa: PLC0415 - slow to import

    admin = AIOKafkaAdminClient(
        bootstrap_servers=settings.bootstrap, request_timeout_ms=int(LIMIT_SECONDS * 1000)
    )
    await admin.start()
    try:
        brokers = len((await admin.describe_cluster())["brokers"])
        seen = await _seen(admin)
    finally:
        await admin.close()
    checks = [Check("brokers", True, f"{brokers} at {settings.bootstrap}"), *judge(seen, settings)]
    return [*checks, await _schemas(settings, seen)]


async def _seen(admin: Any) -> dict[str, Seen]:
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType  # noqa: PLC0415

    there = set(await admin.list_topics())
    ours = [topic.name for topic in ALL if topic.name in there]
    if not ours:
        return {}
    rows = await admin.describe_topics(ours)
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in ours])
    configs = {
        name: {entry[0]: entry[1] for entry in entries}
        for answer in answers
        for _code, _message, _kind, name, entries in answer.resources
    }
    return {
        row["topic"]: Seen(
            len(row["partitions"]),
            min((len(each["replicas"]) for each in row["partitions"]), default=0),
            configs.get(row["topic"], {}),
        )
        for row in rows
    }


def judge(seen: Mapping[str, Seen], settings: Kafka) -> list[Check]:
    """Hold what the brokers say against what `schemas.topics` and the settings want. Pure."""
    missing = [topic.name for topic in ALL if topic.name not in seen]
    wrong = [words for name, found in seen.items() for words in _count(BY_NAME[name], found, settings)]
    few = [name for name, found in seen.items() if found.replicas < settings.replication]
    odd = [words for name, found in seen.items() for words in _settings(BY_NAME[name], found, settings)]
    return [
        _check(
            "topics",
            missing,
            "missing: ",
            f"all {len(ALL)} there",
            "make them with `livecomments topics apply`",
        ),
        _check(
            *("partitions", wrong, "", f"{settings.partitions} each"),
            "set LIVECOMMENTS_KAFKA__PARTITIONS to what the topics have: the count cannot change",
        ),
        _check(
            *("replicas", few, f"less than {settings.replication}: ", f"{settings.replication} or more each"),
            "give them more (kafka-reassign-partitions), or correct LIVECOMMENTS_KAFKA__REPLICATION",
        ),
        _check(
            "topic settings",
            odd,
            "",
            "as they should be",
            "set them with `livecomments topics apply --settings`",
        ),
    ]


def _check(name: str, found: Sequence[str], lead: str, well: str, mend: str) -> Check:
    if not found:
        return Check(name, True, well)
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return Check(name, False, lead + ", ".join(found[:SHOWN]) + more, mend)


def _count(topic: Topic, found: Seen, settings: Kafka) -> Iterator[str]:
    wanted = 1 if topic is META else settings.partitions
    if found.partitions != wanted:
        yield f"{topic.name} has {found.partitions} partitions, not {wanted}"


def _settings(topic: Topic, found: Seen, settings: Kafka) -> Iterator[str]:
    for name, wanted in (topic.config() | durability(settings.replication)).items():
        value = found.config.get(name, "")
        if name in AT_LEAST and value.lstrip("-").isdecimal():
            if int(value) == FOR_EVER or int(value) >= int(wanted):
                continue
        elif value == wanted:
            continue
        yield f"{topic.name} has {name}={value or 'nothing'}, not {wanted}"


async def _schemas(settings: Kafka, seen: Mapping[str, Seen]) -> Check:
    """Look whether the last record of every partition is one that this version reads."""
    from aiokafka import AIOKafkaConsumer, TopicPartition  # noqa: PLC0415

    places = [
        TopicPartition(name, number)
        for name, found in seen.items()
        if BY_NAME[name].record
        for number in range(found.partitions)
    ]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap,
        group_id=None,
        auto_offset_reset="latest",
        fetch_max_wait_ms=POLL_MS,
    )
    await consumer.start()
    try:
        last = await _last(consumer, places)
    finally:
        await stop_consumer(consumer, STOP_SECONDS)
    known = {row.id: row.record for row in releases()}
    bad = [
        f"{at.topic}-{at.partition} ends with {words}"
        for at, value in last.items()
        if (words := _unreadable(value, BY_NAME[at.topic].record, known)) is not None
    ]
    return _check(
        "schemas",
        bad,
        "",
        f"the last records of {len(last)} partitions can be read",
        "a newer version writes there, or something that is not ours: upgrade this one, or stop that writer",
    )


async def _last(consumer: Any, places: Sequence[Any]) -> dict[Any, bytes | None]:
    starts, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    left = {at for at in places if ends[at] > starts[at]}
    if not left:
        return {}
    consumer.assign(list(left))
    for at in left:
        consumer.seek(at, ends[at] - 1)
    found: dict[Any, bytes | None] = {}
    while left:
        for at, rows in (await consumer.getmany(timeout_ms=POLL_MS)).items():
            found[at] = rows[-1].value
            left.discard(at)
    return found


def _unreadable(value: bytes | None, record: str, known: Mapping[int, str]) -> str | None:
    """Say why a record cannot be read; None: it can, or it is a deletion."""
    if value is None:
        return None
    if len(value) < FRAME_BYTES or value[0] != MAGIC:
        return "what is no record of ours"
    number = int.from_bytes(value[1:FRAME_BYTES], "big")
    if number not in known:
        return f"schema id {number}, which this version does not know"
    return None if known[number] == record else f"a {known[number]} (schema id {number})"
