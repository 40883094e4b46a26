"""The whole path on real servers: a chat log in, the official SDKs out, with two edges, cuts and kills."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from tests.integration.people import (
    NODE_SDK,
    Authors,
    Line,
    Viewer,
    cut,
    made_up,
    real_log,
    token,
    until,
    watching,
    watching_js,
)
from tests.real import RealStack, real_stack

pytestmark = pytest.mark.integration
LOG_MESSAGES = 10_000
KILL_MESSAGES = 3_000
ARRIVE_SECONDS = 120
STAGES = ("ingest", "moderate", "sequence", "sample", "persist")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealStack]:
    """Run a stack of its own with two edges, whose processes may be killed; authors may talk fast."""
    data = tmp_path_factory.mktemp("pair")
    (data / "livecomments.toml").write_text("[limits]\ncomments_per_second = 10000.0\n")
    with real_stack(data, "--edges", "2") as stack:
        yield stack


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def second_edge(stack: RealStack) -> str:
    return f"127.0.0.1:{stack.port_base + 5}"


def pid_of(stack: RealStack, name: str) -> int | None:
    services = json.loads((stack.data / "stack.json").read_text())["services"]
    process = next(each["process"] for each in services if each["name"] == name)
    return process["pid"] if process else None


async def archived(session: aiohttp.ClientSession, stack: RealStack, stream: str) -> list[tuple[int, str]]:
    """Read all of a stream back over HTTP, page by page; nothing while the archive is behind (503)."""
    url, rows, after = f"http://{stack.api}/v1/streams/{stream}/comments", [], 1
    headers = {"Authorization": f"Bearer {token(stream)}"}
    while after is not None:
        query = {"from_seq": str(after), "limit": "500"}
        async with session.get(url, params=query, headers=headers) as answer:
            if answer.status == 503:
                return []
            assert answer.status == 200, await answer.text()
            page = await answer.json()
        rows += [(row["seq"], row["id"]) for row in page["comments"]]
        after = page["next_seq"]
    return rows


async def everywhere(
    viewers: list[Viewer], authors: Authors, session: aiohttp.ClientSession, stack: RealStack, stream: str
) -> None:
    """Every accepted comment at every viewer, exactly once, in one order, and the same in the archive."""
    wanted = set(authors.accepted)
    assert len(wanted) == len(authors.accepted)
    await until(lambda: all(len(viewer.ids) >= len(wanted) for viewer in viewers), ARRIVE_SECONDS)
    first = viewers[0]
    for viewer in viewers:
        assert viewer.holes == []
        assert viewer.events == first.events
    assert sorted(first.ids) == sorted(wanted)
    seqs = [event["seq"] for event in first.events]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    expected = [(event["seq"], event["id"]) for event in first.events if event["type"] == "comment"]
    rows: list[Any] = []
    async with asyncio.timeout(ARRIVE_SECONDS):
        while len(rows) < len(expected):
            rows = await archived(session, stack, stream)
            await asyncio.sleep(0.2)
    assert rows == expected


async def test_a_real_log_reaches_both_sdks_exactly_once(
    pair: RealStack, session: aiohttp.ClientSession
) -> None:
    """10,000 messages; Python and JavaScript in both encodings on two edges, some cut off in the middle."""
    if not NODE_SDK.is_dir():
        pytest.skip("needs web/node_modules/centrifuge: make setup")
    stream = "log"
    authors = Authors(pair, stream, session)
    await authors.create()
    lines = real_log(LOG_MESSAGES)
    stayed, left, left_binary, other = Viewer(), Viewer(), Viewer(), Viewer()
    async with AsyncExitStack() as on:
        await on.enter_async_context(watching(pair.edge, stream, stayed))
        client = await on.enter_async_context(watching(pair.edge, stream, left))
        binary = await on.enter_async_context(watching(second_edge(pair), stream, left_binary, protobuf=True))
        await on.enter_async_context(watching(second_edge(pair), stream, other))
        js, process = await on.enter_async_context(watching_js(pair.edge, stream))
        js_binary, process_binary = await on.enter_async_context(
            watching_js(second_edge(pair), stream, protobuf=True)
        )
        saying = asyncio.create_task(authors.say(lines))
        for part in (4, 2):
            await until(
                lambda part=part: len(authors.accepted) > len(lines) // part or saying.done(), ARRIVE_SECONDS
            )
            await cut(client)
            await cut(binary)
            process.send_signal(signal.SIGUSR2)
            process_binary.send_signal(signal.SIGUSR2)
        await saying
        viewers = [stayed, left, left_binary, other, js, js_binary]
        assert len(authors.accepted) > LOG_MESSAGES * 0.95, list(authors.refused.values())[:3]
        await everywhere(viewers, authors, session, pair, stream)
        for viewer in (left, left_binary, js, js_binary):
            assert viewer.recovered, "was never cut off"
            assert all(viewer.recovered)


@pytest.mark.parametrize("victim", STAGES)
async def test_a_killed_stage_loses_and_doubles_nothing(
    victim: str, pair: RealStack, session: aiohttp.ClientSession
) -> None:
    """SIGKILL in the middle of a replay: everything arrives once, in the same order, at both edges."""
    stream = f"kill-{victim}"
    authors = Authors(pair, stream, session)
    await authors.create()
    lines: list[Line] = made_up(KILL_MESSAGES)
    one, two = Viewer(), Viewer()
    async with AsyncExitStack() as on:
        await on.enter_async_context(watching(pair.edge, stream, one))
        await on.enter_async_context(watching(second_edge(pair), stream, two, protobuf=True))
        saying = asyncio.create_task(authors.say(lines, per_second=500))
        await until(lambda: len(authors.accepted) > KILL_MESSAGES // 4 or saying.done(), ARRIVE_SECONDS)
        killed = pid_of(pair, victim)
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        await saying
        await until(lambda: pid_of(pair, victim) not in {killed, None}, ARRIVE_SECONDS)
        await everywhere([one, two], authors, session, pair, stream)


async def test_rubbish_in_the_log_costs_nobody_anything(
    pair: RealStack, session: aiohttp.ClientSession
) -> None:
    """Poison in comments.submitted becomes dead letters with their place; comments around it arrive."""
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

    from schemas.codec import codec
    from schemas.routing import partition_of

    stream, partition = "poison", partition_of("poison", 8)
    authors = Authors(pair, stream, session)
    await authors.create()
    viewer = Viewer()
    bootstrap = f"127.0.0.1:{pair.port_base + 2}"
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with watching(pair.edge, stream, viewer):
            await authors.say(made_up(20))
            where = []
            for value in (b"rubbish", b"\0\0\0\x27\x0fxx", b"\0\0\0\0\1\xff\xff", b"\0" * 600_000):
                sent = await producer.send_and_wait("comments.submitted", value, partition=partition)
                where.append(sent.offset)
            await authors.say(made_up(20))
            await everywhere([viewer], authors, session, pair, stream)
        at = TopicPartition("comments.dlq", partition)
        consumer.assign([at])
        consumer.seek(at, 0)
        letters: list[Any] = []
        async with asyncio.timeout(ARRIVE_SECONDS):
            while len(letters) < len(where):
                rows = (await consumer.getmany(at, timeout_ms=200)).get(at, [])
                letters += [codec("dead").decode(row.value) for row in rows]
        found = [
            (letter["topic"], letter["partition"], letter["offset"], letter["reason"]) for letter in letters
        ]
        reasons = ["not_framed", "unknown_schema", "undecodable", "oversized"]
        assert found == [
            ("comments.submitted", partition, offset, reason)
            for offset, reason in zip(where, reasons, strict=True)
        ]
    finally:
        await producer.stop()
        await consumer.stop()


async def test_the_readme_says_what_runs(pair: RealStack) -> None:
    """`status --json` names every service, each ready, as design §8 has it; also after they were killed."""
    status: dict[str, Any] = {}

    def ready() -> bool:
        status.update(json.loads(pair.run("status", "--json").stdout))
        return bool(status["ready"])

    await until(ready, ARRIVE_SECONDS)
    names = [each["name"] for each in status["services"]]
    assert names == ["kafka", "redis", *STAGES, "edge", "edge-2", "api"]
    assert all(each["pid"] and each["ready"] for each in status["services"])
