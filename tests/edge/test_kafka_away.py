"""A whole edge on a real Kafka that is stopped, continued, killed and started again."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from centrifuge import Client, ReplyError

from edge.auth import Authenticator
from edge.server import serve
from livecomments.stack import launch, plan
from livecomments.stack.addresses import Ports
from schemas.codec import codec
from schemas.refusals import Code
from schemas.routing import partition_of
from schemas.settings import Edge, Kafka, Limits, Settings, load
from schemas.settings import Redis as RedisSettings
from schemas.topics import FANOUT, NOTICES, SUBMITTED, Topic
from tests.edge.fakes import comments, until
from tests.edge.test_sdk import Seen
from tests.real import environment
from tests.sdk import leave
from tests.stack.helpers import free_port, processes

pytestmark = pytest.mark.integration
PARTITIONS = 4
STREAM = "away"
LIMIT_SECONDS = 90.0


@dataclass
class Servers:
    """Kafka and Redis, and where they are."""

    directory: Path
    kafka: str
    redis: str

    def signal(self, number: int) -> None:
        """Send a signal to Kafka."""
        os.kill(processes(self.directory)["kafka"].pid, number)

    @property
    def settings(self) -> Settings:
        return Settings(
            kafka=Kafka(bootstrap=self.kafka, partitions=PARTITIONS),
            redis=RedisSettings(url=f"redis://{self.redis}/0"),
            edge=Edge(commands_per_second_max=1_000, port=free_port()),
            limits=Limits(comments_per_second=1_000),
        )


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    directory = tmp_path_factory.mktemp("away")
    ports = Ports(*(free_port() for _ in range(5)))
    whole = launch.prepare(load({}), ports, directory, plan.Shape(), lambda *_: None)
    launch.run_detached(replace(whole, tasks=(), ours=(), stop_order=whole.stop_order[-1:]), lambda _: None)
    try:
        at = {service.name: service.address for service in whole.servers}
        found = Servers(directory, at["kafka"], at["redis"])
        subprocess.run(
            [sys.executable, "-m", "livecomments", "topics", "apply"],
            env=environment(
                LIVECOMMENTS_KAFKA__BOOTSTRAP=found.kafka, LIVECOMMENTS_KAFKA__PARTITIONS=str(PARTITIONS)
            ),
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        yield found
    finally:
        launch.stop(directory)


@asynccontextmanager
async def edge(settings: Settings) -> AsyncIterator[Settings]:
    """Run an edge as its process does."""
    stop = asyncio.Event()
    running = asyncio.create_task(serve(settings.model_copy(update={
        "edge": settings.edge.model_copy(update={"drain_seconds": 0})
    }), stop))  # fmt: skip
    try:
        yield settings
    finally:
        stop.set()
        await running


@asynccontextmanager
async def viewer(settings: Settings, user: str = "bo") -> AsyncIterator[tuple[Client, Seen]]:
    """Connect as soon as the edge lets viewers in."""
    seen = Seen()
    client = Client(
        f"ws://127.0.0.1:{settings.edge.port}/connection/websocket",
        events=seen, token=Authenticator(settings.auth).mint(user, None, "viewer", 600), proxy=None,
        min_reconnect_delay=0.05, max_reconnect_delay=0.5, timeout=30,
    )  # fmt: skip
    await client.connect()
    await client.ready(timeout=LIMIT_SECONDS)
    try:
        yield client, seen
    finally:
        await leave(client)


async def join(client: Client, seen: Seen, channel: str) -> None:
    before = len(seen.subscribed)
    subscription = client.new_subscription(channel, events=seen)
    await subscription.subscribe()
    await until(lambda: len(seen.subscribed) > before, LIMIT_SECONDS)


async def publish(client: Client, id_: str) -> tuple[int | None, float]:
    """Return the code of the refusal (below 0: for good; None: no refusal), and the seconds it took."""
    started = time.monotonic()
    code = None
    try:
        await client.publish(f"stream:{STREAM}", {"id": id_, "text": "hello"})
    except ReplyError as error:
        code = error.code if error.temporary else -error.code
    return code, time.monotonic() - started


async def confirmed(client: Client, id_: str) -> None:
    """Retry with the same id until it is durable."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while (await publish(client, id_))[0] is not None:
            await asyncio.sleep(0.2)


async def log_of(servers: Servers, topic: Topic) -> list[Any]:
    """Read all of a topic, independently."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers.kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        places = [TopicPartition(topic.name, number) for number in range(PARTITIONS)]
        ends = await consumer.end_offsets(places)
        consumer.assign(places)
        for place in places:
            consumer.seek(place, 0)
        found = []
        while any([await consumer.position(place) < ends[place] for place in places]):
            for rows in (await consumer.getmany(*places, timeout_ms=500)).values():
                found += [codec(topic.record).decode(row.value) for row in rows]
        return found
    finally:
        await consumer.stop()


@asynccontextmanager
async def stage_of(servers: Servers) -> AsyncIterator[Any]:
    """Write as the stages do; yields ``append(topic, key, record)``."""
    producer = AIOKafkaProducer(bootstrap_servers=servers.kafka, acks="all")
    await producer.start()

    async def append(topic: Topic, key: str, record: Any) -> int:
        value = codec(topic.record).encode(record)
        partition = partition_of(key, PARTITIONS)
        return (await producer.send_and_wait(topic.name, value, key=key.encode(), partition=partition)).offset

    try:
        yield append
    finally:
        await producer.stop()


def notice(id_: str) -> dict[str, Any]:
    where = {"offset": 0, "index": 0}
    words = "The comment has words that are not allowed here."
    return {
        "stream_id": STREAM, "user_id": "bo", "id": id_, "code": int(Code.MODERATED), "reason": words,
        "at": 0, "origin": where,
    }  # fmt: skip


async def test_a_paused_broker_is_told_and_loses_nothing(servers: Servers) -> None:
    """Answers within two seconds, staleness within three, bounded memory, and every acknowledged comment."""
    ids = [str(uuid.uuid4()) for _ in range(50)]
    async with edge(servers.settings) as settings, viewer(settings) as (client, seen):
        await join(client, seen, f"stream:{STREAM}")
        async with stage_of(servers) as append:
            await append(
                FANOUT, STREAM, comments(1, 3, stream=STREAM, epoch=seen.subscribed[0].stream_position.epoch)
            )
            await until(lambda: seen.seqs == [1, 2, 3], LIMIT_SECONDS)
        await asyncio.gather(*(confirmed(client, id_) for id_ in ids[:20]))
        servers.signal(signal.SIGSTOP)
        try:
            stopped = time.monotonic()
            answers = asyncio.gather(*(publish(client, id_) for id_ in ids[20:]))
            await until(lambda: any(each.get("stale") for each in seen.publications), 10)
            told = time.monotonic() - stopped
            results = await answers
        finally:
            servers.signal(signal.SIGCONT)
        assert {code for code, _ in results} == {Code.UNKNOWN}
        assert max(seconds for _, seconds in results) < 2.5
        assert told < 4
        await until(lambda: not seen.publications[-1].get("stale"), LIMIT_SECONDS)
        await asyncio.gather(*(confirmed(client, id_) for id_ in ids))
    logged = [item["id"] for record in await log_of(servers, SUBMITTED) for item in record["items"]]
    assert set(ids) <= set(logged)
    assert len(logged) <= 3 * len(ids)


async def test_a_killed_broker_comes_back_and_nothing_acknowledged_is_lost(servers: Servers) -> None:
    """The edge waits it out, and goes on where it was: with comments, with the stream, with notices."""
    acknowledged: list[str] = []
    async with edge(servers.settings) as settings, viewer(settings) as (client, seen):
        own = Seen()
        await join(client, seen, f"stream:{STREAM}-2")
        await join(client, own, "user:bo")
        epoch = seen.subscribed[0].stream_position.epoch
        async with stage_of(servers) as append:
            await append(FANOUT, f"{STREAM}-2", comments(1, 3, stream=f"{STREAM}-2", epoch=epoch))
            for id_ in ("c1", "c2", "c1"):
                await append(NOTICES, "bo", notice(id_))
        await until(lambda: seen.seqs == [1, 2, 3] and len(own.publications) == 2, LIMIT_SECONDS)
        servers.signal(signal.SIGKILL)
        until_at = time.monotonic() + 3
        while time.monotonic() < until_at:
            id_ = str(uuid.uuid4())
            code, seconds = await publish(client, id_)
            assert seconds < 2.5
            if code is None:
                acknowledged.append(id_)
        id_ = str(uuid.uuid4())
        await confirmed(client, id_)
        acknowledged.append(id_)
        async with stage_of(servers) as append:
            await append(FANOUT, f"{STREAM}-2", comments(3, 6, stream=f"{STREAM}-2", epoch=epoch))
            for each in ("c2", "c3"):
                await append(NOTICES, "bo", notice(each))
        await until(lambda: seen.seqs == [1, 2, 3, 4, 5, 6], LIMIT_SECONDS)
        await until(lambda: len(own.publications) == 3, LIMIT_SECONDS)
        assert [each["id"] for each in own.publications] == ["c1", "c2", "c3"]
        assert (seen.disconnected, len(seen.connecting)) == ([], 1)
    logged = {item["id"] for record in await log_of(servers, SUBMITTED) for item in record["items"]}
    assert set(acknowledged) <= logged


async def test_what_was_missed_is_served_by_another_edge(servers: Servers) -> None:
    """A second edge reads the same log: it resumes viewers of the first, and shows the same."""
    stream = f"{STREAM}-{uuid.uuid4()}"
    async with edge(servers.settings) as settings, viewer(settings) as (client, seen):
        own = Seen()
        await join(client, seen, f"stream:{stream}")
        await join(client, own, "user:bo")
        epoch = seen.subscribed[0].stream_position.epoch
        async with stage_of(servers) as append:
            for first in range(1, 101, 10):
                await append(FANOUT, stream, comments(first, first + 9, stream=stream, epoch=epoch))
            first_offset = await append(NOTICES, "bo", notice(f"{stream}-1"))
        await until(lambda: len(seen.seqs) == 100, LIMIT_SECONDS)
        await until(lambda: bool(own.publications), LIMIT_SECONDS)
        assert own.offsets[-1] == first_offset + 1
    async with edge(servers.settings) as settings, viewer(settings) as (client, again):
        async with stage_of(servers) as append:
            await append(FANOUT, stream, comments(101, 110, stream=stream, epoch=epoch))
            await append(NOTICES, "bo", notice(f"{stream}-2"))
        for channel, offset in ((f"stream:{stream}", 40), ("user:bo", own.offsets[-1])):
            subscription = client.new_subscription(channel, events=again)
            subscription._recover, subscription._offset, subscription._epoch = True, offset, epoch
            await subscription.subscribe()
        await until(lambda: len(again.subscribed) == 2 and len(again.publications) >= 2, LIMIT_SECONDS)
        assert all(each.recovered for each in again.subscribed)
        await until(lambda: any("id" in each for each in again.publications), LIMIT_SECONDS)
        events = [e for each in again.publications if "events" in each for e in each["events"]]
        assert [event["seq"] for event in events] == list(range(41, 111))
        whole = {e["seq"]: e for each in seen.publications for e in each["events"]}
        assert all(json.dumps(whole[e["seq"]]) == json.dumps(e) for e in events if e["seq"] <= 100)
        assert [each["id"] for each in again.publications if "id" in each] == [f"{stream}-2"]
