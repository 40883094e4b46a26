"""The log's truth, read independently: raw Kafka, the ``.avsc`` files, and rules written from the documents.

Nothing here comes from the stages or from `schemas.codec`. What is known of the format:

- a value is 0x00, a schema id (4 bytes, big endian), and one Avro record; ``registry.json`` names the
  record and version behind an id, and ``released/`` holds each version's schema;
- *claims fence*: a writer first appends a claim, whose offset is its token; every record of its says that
  token. A record with a token below the highest claim before it, or the highest token seen, is a
  predecessor's that did not know, and does not count;
- a record with an empty ``stream_id`` has nothing to show.

Ranges are not trimmed here: that a number has one content is for the checker to see.
"""

import asyncio
import io
import json
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from importlib import resources
from typing import Any

import fastavro
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from livecomments.verify import facts as f

FRAME = struct.Struct(">bI")
POLL_MS = 500
REQUEST_MS = 10_000
FETCH_WAIT_MS = 10
SILENCE_SECONDS = 30.0
"""Without a record for so long, before the end is reached, reading has failed."""
TOPICS = (
    "comments.submitted",
    "comments.moderated",
    "comments.sequenced",
    "comments.fanout",
    "comments.notices",
    "comments.flat",
    "comments.dlq",
)
LEFT_OUT = 0
"""Code of a notice that tells no outcome: a comment that sampling left out, for its author."""
FENCED = frozenset({"comments.moderated", "comments.sequenced", "comments.fanout"})

Offsets = Mapping[tuple[str, int], int]
"""(topic, partition) → offset."""


class LogReadError(Exception):
    """Kafka's fault: the log could not be read to its end."""


class Schemas:
    """Every released schema by id, straight from the files."""

    def __init__(self) -> None:
        files = resources.files("schemas")
        self._by_id: dict[int, tuple[str, Any]] = {}
        for row in json.loads((files / "registry.json").read_text(encoding="utf-8")):
            path = files / "released" / f"{row['record']}.v{row['version']}.avsc"
            schema = fastavro.parse_schema(json.loads(path.read_text(encoding="utf-8")), named_schemas={})
            self._by_id[row["id"]] = (row["record"], schema)

    def decode(self, value: bytes | None) -> tuple[str, Any] | None:
        """Return (record name, record); None for what is none."""
        if value is None or len(value) < FRAME.size:
            return None
        magic, number = FRAME.unpack_from(value)
        if magic != 0 or number not in self._by_id:
            return None
        name, schema = self._by_id[number]
        rest = io.BytesIO(value[FRAME.size :])
        try:
            return name, fastavro.schemaless_reader(rest, schema, None)
        except Exception:  # noqa: BLE001 - whatever fastavro finds: it is no record
            return None


class Fence:
    """One partition, read from its beginning, or from a claim."""

    def __init__(self) -> None:
        self._highest = -1

    def passes(self, offset: int, record: Mapping[str, Any]) -> bool:
        """Whether a record counts."""
        if record["claim"] != "":
            self._highest = max(self._highest, offset)
            return False
        if record["token"] < self._highest:
            return False
        self._highest = record["token"]
        return True


class LogReader:
    """Reads a part of every topic and yields it as facts. ``wants`` says which streams count."""

    def __init__(self, bootstrap: str, wants: Callable[[str], bool]) -> None:
        self._bootstrap = bootstrap
        self._wants = wants
        self._schemas = Schemas()
        self._ends: dict[tuple[str, str], int] = {}

    async def ends(self) -> dict[tuple[str, int], int]:
        """Return where every topic ends now; raises KafkaError."""
        consumer = self._consumer()
        await consumer.start()
        try:
            places = await _places(self._bootstrap)
            found = await consumer.end_offsets(places)
            return {(at.topic, at.partition): end for at, end in found.items()}
        finally:
            await consumer.stop()

    async def facts(self, since: Offsets) -> AsyncIterator[f.Fact]:
        """Yield what was written from ``since`` (default: the beginning) up to now.

        Fenced topics are read from their beginning, so that the present writer is known; what is older
        than ``since`` is not yielded.

        Raises:
            LogReadError: nothing came for SILENCE_SECONDS before the end.

        """
        consumer = self._consumer()
        await consumer.start()
        try:
            for at in await _places(self._bootstrap):
                async for fact in self._partition(consumer, at, since.get((at.topic, at.partition), 0)):
                    yield fact
            for (stream, epoch), end in self._ends.items():
                yield f.Archived(0.0, "flat", stream, epoch, end)
        finally:
            await consumer.stop()

    async def _partition(
        self, consumer: AIOKafkaConsumer, at: TopicPartition, since: int
    ) -> AsyncIterator[f.Fact]:
        first = (await consumer.beginning_offsets([at]))[at]
        end = (await consumer.end_offsets([at]))[at]
        start = first if at.topic in FENCED else max(first, since)
        fence = Fence()
        async for row in _rows(consumer, at, start, end):
            found = self._schemas.decode(row.value)
            if found is None:
                continue
            name, record = found
            if at.topic in FENCED and ("claim" not in record or not fence.passes(row.offset, record)):
                continue
            if row.offset >= since:
                for fact in _facts(name, record, row, self._wants):
                    if isinstance(fact, f.Segment) and fact.topic == "sequenced":
                        self._ends[fact.stream, fact.epoch] = fact.to_seq
                    yield fact

    def _consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            request_timeout_ms=REQUEST_MS,
            # Behind a partition's end the broker would hold back the next partition's answer for so long.
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )


async def _places(bootstrap: str) -> list[TopicPartition]:
    """Return every partition of TOPICS, in their order."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=REQUEST_MS)
    await admin.start()
    try:
        found = {row["topic"]: row["partitions"] for row in await admin.describe_topics(list(TOPICS))}
    finally:
        await admin.close()
    return [
        TopicPartition(topic, number)
        for topic in TOPICS
        for number in sorted(row["partition"] for row in found.get(topic, ()))
    ]


async def _rows(consumer: AIOKafkaConsumer, at: TopicPartition, start: int, end: int) -> AsyncIterator[Any]:
    if start >= end:
        return
    loop = asyncio.get_running_loop()
    consumer.assign([at])
    consumer.seek(at, start)
    position, deadline = start, loop.time() + SILENCE_SECONDS
    while position < end:
        for row in (await consumer.getmany(at, timeout_ms=POLL_MS)).get(at, []):
            deadline = loop.time() + SILENCE_SECONDS
            if row.offset < end:
                yield row
        position = await consumer.position(at)
        if loop.time() > deadline:
            raise LogReadError(f"{at.topic}-{at.partition}: nothing came at {position}, before {end}")


def _facts(name: str, record: Any, row: Any, wants: Callable[[str], bool]) -> Iterator[f.Fact]:
    match name:
        case "submitted":
            items = tuple(
                f.Submission(i, e["type"], e["stream_id"], e["id"], e["user_id"], f.text_hash(e["text"]))
                for i, e in enumerate(record["items"])
                if wants(e["stream_id"])
            )
            if items:
                yield f.Submitted(row.partition, row.offset, row.timestamp, items)
        case "moderated":
            judged = tuple(_judged(item) for item in record["items"] if wants(item["stream_id"]))
            if judged:
                yield f.Verdicts(row.partition, row.offset, judged)
        case "dead":
            place = (record["topic"], record["partition"], record["offset"])
            yield f.Dead(record["stage"], *place, record["reason"])
        case _ if not wants(record["stream_id"]):
            return
        case "sequenced" | "fanout" if record["stream_id"]:
            yield _segment(name, record, row)
        case "notice" if record["code"] != LEFT_OUT:
            yield f.Notice(row.offset, record["stream_id"], record["user_id"], record["id"], record["code"])
        case "flat":
            yield f.Row(0.0, "flat", record["stream_id"], record["epoch"], _content(record))


def _judged(item: Any) -> f.Judged:
    named = (item["type"], item["stream_id"], item["id"], item["user_id"])
    return f.Judged(item["offset"], item["index"], *named, item["verdict"], item["refusal"] or "")


def _segment(name: str, record: Any, row: Any) -> f.Segment:
    return f.Segment(
        name,
        row.partition,
        row.offset,
        row.timestamp,
        record["stream_id"],
        record["epoch"],
        record["from_seq"],
        record["to_seq"],
        tuple(map(_content, record["events"])),
        bool(record.get("sampled", False)),
        tuple((refused["id"], refused["user_id"]) for refused in record.get("refused", ())),
    )


def _content(event: Any) -> f.Content:
    command = event["command"] or {}
    seconds = command.get("seconds")
    return f.Content(
        event["seq"],
        event["type"],
        event["id"],
        event["user_id"],
        f.text_hash(event["text"]),
        command.get("target") or "",
        event.get("mask", f.MASK_ALL),
        -1 if seconds is None else seconds,
    )
