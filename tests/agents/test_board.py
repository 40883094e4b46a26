"""The live board in Redis: what `sample` knows of a stream, and which edges there are."""

import asyncio
import json
from dataclasses import replace
from typing import Any

from redis.asyncio import Redis
from structlog.testing import capture_logs

from agents.board import Board
from agents.core.following import Passed
from agents.core.presence import NOBODY, Audience
from agents.core.reactions import Totals
from agents.samplestate import Options, SampleState
from livecomments.simulate.sampling import crowd, written
from schemas import stores
from schemas.records import NOTHING
from schemas.settings import Settings


def watched(*, sampled: bool = False) -> SampleState:
    """Return a state with one stream that 1,234 watch."""
    state = SampleState.empty(0, Options.of(Settings()))
    live = state.live("s")
    live.audience = Audience(1_234, 1_200, 3.0, 20.0, 1.5, 2)
    if sampled:
        live.control.resume("viewers", 2.0)
        state.begin("s", Passed("e-0", 0, NOTHING, 0))
        live.adjust()
    return state


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.01)


async def test_a_stream_is_written_and_expires_by_itself(redis: Redis) -> None:
    """With what the API shows of it."""
    board, state = Board(redis), watched(sampled=True)
    sampler = state.lives["s"].sampler
    assert sampler is not None
    sampler.take(list(written(crowd(400, 1), 3, seed=1)))
    state.reactions["s"] = Totals({"❤": 7}, 3)
    board.changed(0, state, ["s"])
    await board._write()
    row = {name.decode(): value.decode() for name, value in (await redis.hgetall(stores.live("s"))).items()}
    assert (row["viewers"], row["users"], row["edges"]) == ("1234", "1200", "2")
    assert (row["sampled"], row["why"], row["rate"]) == ("1", "viewers", "2.0")
    assert (row["p99_ms"], json.loads(row["reactions"])) == ("20.0", {"❤": 7})
    lanes = json.loads(row["lanes"])
    assert len(lanes) == 64
    assert max(lanes) - min(lanes) <= 2
    assert 0 < await redis.ttl(stores.live("s")) <= stores.LIVE_SECONDS
    assert await redis.zscore(stores.LIVE, "s") == 1_234


async def test_a_stream_that_nobody_watches_is_off_the_board(redis: Redis) -> None:
    """At once, not when it expires."""
    board, state = Board(redis), watched()
    board.changed(0, state, None)
    await board._write()
    state.lives["s"].audience = NOBODY
    board.changed(0, state, ["s"])
    await board._write()
    assert await redis.keys("live*") == []


async def test_that_sampling_begins_and_ends_is_logged_once() -> None:
    """With the reason; a worker that takes a sampled stream over says nothing of a beginning."""
    board = Board(Redis())
    with capture_logs() as logs:
        state = watched(sampled=True)
        for _ in range(3):
            board.changed(0, state, ["s"])
        state.end("s")
        board.changed(0, state, ["s"])
        board.changed(0, state, ["s"])
    assert [(row["event"], row.get("why")) for row in logs] == [
        ("sampling began", "viewers"),
        ("sampling ended", None),
    ]
    with capture_logs() as logs:
        Board(Redis()).changed(0, watched(sampled=True), None)
    assert logs == []


async def test_edges_are_known_while_redis_says_them(redis: Redis) -> None:
    """Away, nobody knows; back, all are there again."""
    await redis.hset(stores.EDGES, mapping={"edge": "1 {}", "edge-2": "1 {}"})
    board = Board(redis)
    assert board.edges() is None
    running = asyncio.create_task(board.run())

    async def known() -> bool:
        return board.edges() == frozenset({"edge", "edge-2"})

    await until(known)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_redis_that_is_away_costs_the_board_alone() -> None:
    """The edges are not known then, so that every report counts; what is noted stays bounded by streams."""
    board = Board(Redis(port=1, socket_connect_timeout=0.2))
    running = asyncio.create_task(board.run())

    async def away() -> bool:
        return board.away

    await until(away)
    board.changed(0, watched(), ["s"])
    assert board.edges() is None
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert replace(Options.of(Settings()), known=board.edges).known() is None
