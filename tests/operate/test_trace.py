"""One comment's path, on the real stages over logs in memory, and through the verb on real servers."""

import json
import uuid
from typing import Any

import aiohttp
import pytest

from agents.testing import MemoryLog, TopologyDriver
from livecomments.operate.path import Path
from livecomments.operate.trace import SKEW_MS, follow, since
from schemas.codec import codec
from schemas.topics import DLQ, SUBMITTED
from tests.agents.items import comment, order
from tests.agents.items import uuid as numbered
from tests.agents.test_driver import PARTITIONS, driver
from tests.integration.people import Authors, Line
from tests.real import RealStack
from tests.stack.helpers import wait_until

NOW_MS = 1_800_000_000_000


async def traced(topology: TopologyDriver, number: int, stream: str | None = None) -> Path | None:
    return await follow(topology.log, PARTITIONS, numbered(number), stream, 0)


def names(path: Path) -> list[str]:
    return [hop.name for hop in path.hops]


async def test_a_comment_that_is_shown() -> None:
    """Every topic of its way is there, with the number it has, and who gets it."""
    async with driver() as topology:
        topology.submit(comment("a", n) for n in range(3))
        await topology.settle()
        path = await traced(topology, 2)
        assert path is not None
        assert names(path) == [
            *("comments.submitted", "comments.ingested", "comments.moderated"),
            *("comments.sequenced", "comments.fanout"),
        ]
        assert path.outcome == "shown to everybody"
        assert (path.wanted.stream, path.wanted.user, path.wanted.seq) == ("a", "ann", 3)
        assert path.hops[-1].facts["mask"] == "f" * 16
        assert "hello" not in json.dumps(path.to_json())


async def test_a_refused_comment() -> None:
    """The verdict says why, and the notice says what the author was told."""
    async with driver() as topology:
        topology.submit([comment("a", 1, text="darn it")])
        await topology.settle()
        path = await traced(topology, 1, "a")
        assert path is not None
        assert path.outcome == "refused: The comment has words that are not allowed here. (code 1001)"
        assert path.hops[-2].facts["verdict"] == "reject"


async def test_a_shadowed_author() -> None:
    """A comment that its author alone sees says so."""
    async with driver() as topology:
        topology.submit([order("a", 1, "shadow", target="ann"), comment("a", 2)])
        await topology.settle()
        path = await traced(topology, 2)
        assert path is not None
        assert path.outcome == "shown to its author alone"


async def test_a_retry_is_counted() -> None:
    """The same id again is a retry of the one comment."""
    async with driver() as topology:
        for _ in range(3):
            topology.submit([comment("a", 1)])
        await topology.settle()
        path = await traced(topology, 1)
        assert path is not None
        assert (path.retries, path.wanted.seq) == (2, 1)


async def test_where_it_is_stuck() -> None:
    """A comment that went no further names the stage to look at."""
    log = MemoryLog()
    value = codec("submitted").encode({"gateway": "g", "items": [comment("a", 1)]})
    log.put(SUBMITTED.name, 0, [(None, value)])
    path = await follow(log, 1, numbered(1), "a", 0)
    assert path is not None
    assert path.outcome == "in comments.submitted, and no further: look at `ingest`"
    letter: dict[str, Any] = {
        "stage": "ingest", "topic": SUBMITTED.name, "partition": 0, "offset": 0, "reason": "invalid",
        "detail": "", "at": 0, "size": 0, "value": b"",
    }  # fmt: skip
    log.put(DLQ.name, 0, [(None, codec("dead").encode(letter))])
    path = await follow(log, 1, numbered(1), "a", 0)
    assert path is not None
    assert path.outcome == "unreadable: ingest could not read comments.submitted at 0: invalid"


async def test_nobody_knows_it() -> None:
    """An id that was never submitted, or on another stream, is none."""
    async with driver() as topology:
        topology.submit([comment("a", 1)])
        await topology.settle()
        assert await traced(topology, 99) is None
        assert await traced(topology, 1, "b") is None


def test_where_to_begin() -> None:
    """A UUIDv7 says its time; others are looked for so many minutes back."""
    made_ms = 1_700_000_000_000
    v7 = uuid.UUID(int=made_ms << 80 | 7 << 76 | 2 << 62 | 5)
    assert since(str(v7), 60, NOW_MS) == made_ms - SKEW_MS
    assert since(str(uuid.uuid4()), 60, NOW_MS) == NOW_MS - 3_600_000
    assert since("no uuid", 2, NOW_MS) == NOW_MS - 120_000


@pytest.mark.integration
async def test_the_verbs(stack: RealStack) -> None:
    """`trace` finds a comment of a real stack with its times, in archive and window; `top` sees it all."""
    name = f"trace-{uuid.uuid4().hex[:8]}"
    line = Line("ann", "hello")
    async with aiohttp.ClientSession() as session:
        authors = Authors(stack, name, session)
        await authors.create()
        await authors.say([line])

    def whole() -> bool:
        done = stack.run("trace", line.id, "--json")
        found = json.loads(done.stdout) if done.returncode == 0 else {"hops": []}
        return [hop.get("has") for hop in found["hops"][-2:]] == [True, True]

    wait_until(whole)
    found = json.loads(stack.run("trace", line.id, "--stream", name, "--json").stdout)
    assert found["outcome"] == "shown to everybody"
    times = [hop["ms"] for hop in found["hops"] if hop["ms"] is not None]
    assert len(times) == 6
    assert times[0] == 0
    assert all(0 <= each < 60_000 for each in times)
    said = stack.run("trace", line.id).stdout
    assert "verdict allow" in said
    assert "hello" not in said
    assert stack.run("trace", str(uuid.uuid4())).returncode == 1
    top = json.loads(stack.run("top", "--once", "--json", "--interval", "0.5").stdout)
    assert {row["agent"] for row in top["stages"]} >= {"ingest", "moderate", "sequence", "sample"}
    assert top["silent"] == []
    assert top["edges"][0]["process"] == "edge"
    assert "records/s" in stack.run("top", "--once", "--interval", "0.3").stdout
