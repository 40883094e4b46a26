"""The feed from Pub/Sub on a real Redis, written to as persist writes, seen as apps see it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from agents.sink import Segment
from agents.testing import MemoryLog
from agents.window import WindowSink
from edge.feed.redis import RedisFeed, client_of
from edge.past import Past
from edge.revocation import Revoked
from edge.server import Parts, Server
from edge.stats import Stats
from schemas.codec import codec
from schemas.settings import Edge, Settings
from schemas.settings import Redis as RedisSettings
from tests.edge.fakes import EPOCH, STREAM, FakeDoor, MemoryFeed, MemoryNotices, Stage, comments, until
from tests.edge.feed.test_redis import Seen
from tests.edge.test_sdk import client_of as viewer_of
from tests.edge.test_sdk import watch
from tests.servers import free_port, redis_server

pytestmark = pytest.mark.integration


class Writer:
    """Writes as persist does."""

    def __init__(self, redis: Redis) -> None:
        self._sink = WindowSink(redis, MemoryLog())

    async def put(self, record: dict[str, Any], *, lost: bool = False) -> None:
        """Window, head, message; ``lost``: no message."""
        await self._sink._put([Segment(codec("fanout").encode(record), record)], publish=not lost)


@asynccontextmanager
async def feeding(redis_url: str, *streams: str) -> AsyncIterator[tuple[RedisFeed, Seen]]:
    feed, seen = RedisFeed(client_of(RedisSettings(url=redis_url)), 4, Stats()), Seen()
    await feed.start(seen)
    try:
        for stream in streams:
            feed.want(stream)
            assert await feed.reach(stream, float("-inf"), 10)
        yield feed, seen
    finally:
        await feed.stop()


@asynccontextmanager
async def edge_on(redis_url: str, **edge: Any) -> AsyncIterator[Stage]:
    """Run an edge whose feed and past are that Redis."""
    section = Edge(feed="redis", **edge).model_copy(update={"port": 0})
    settings = Settings(edge=section, redis=RedisSettings(url=redis_url))
    server = Server(settings)
    feed = RedisFeed(client_of(settings.redis), settings.kafka.partitions, server.stats)
    now, partitions = asyncio.get_running_loop().time, settings.kafka.partitions
    past = Past(Redis.from_url(redis_url), 5_000, server.stats, now, partitions)
    await server.listen()
    try:
        nothing, door = MemoryFeed(4), FakeDoor(MemoryFeed(4))
        await server.open(Parts(feed, door, EPOCH, past, {"feed": lambda: feed.ready}))
        yield Stage(server, nothing, door, settings, MemoryNotices(), Revoked())
    finally:
        server.close()
        await feed.stop()
        await past.stop()
        await until(lambda: not server.connections)


async def kill_subscribers(redis: Redis) -> None:
    await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # type: ignore[no-untyped-call]


async def test_killed_connections_and_lost_messages_lose_nothing(redis_url: str, redis: Redis) -> None:
    """20 connections killed under load, every seventh message lost: all is told once, in order."""
    writer = Writer(redis)
    async with feeding(redis_url, "a", "b") as (feed, seen):
        for seq in range(1, 601):
            for stream in "ab":
                await writer.put(comments(seq, seq, stream=stream), lost=seq % 7 == 0)
            if seq % 30 == 0:
                await kill_subscribers(redis)
                if seq % 60 == 0:
                    await until(lambda: feed.ready)
        for stream in "ab":
            await until(lambda stream=stream: seen.seqs(stream)[-1:] == [600], 10)  # type: ignore[misc]
            assert seen.seqs(stream) == list(range(1, 601))
        assert seen.begun_anew == []
        assert feed._stats.feed_restarts >= 10


async def test_a_lost_last_message_is_healed_within_seconds(redis_url: str, redis: Redis) -> None:
    """By the head, since nothing follows it."""
    async with feeding(redis_url, "a") as (_, seen):
        await Writer(redis).put(comments(1, 3, stream="a"), lost=True)
        await until(lambda: seen.seqs() == [1, 2, 3], 10)


async def test_a_redis_that_hangs_is_told_within_three_seconds(redis_url: str, redis: Redis) -> None:
    """It holds its connections and answers nothing; then it goes on, and nothing was lost."""
    writer = Writer(redis)
    async with feeding(redis_url, "a") as (_, seen):
        await writer.put(comments(1, 3, stream="a"))
        await until(lambda: seen.seqs() == [1, 2, 3])
        began = time.monotonic()
        await redis.execute_command("CLIENT", "PAUSE", "5000", "ALL")  # type: ignore[no-untyped-call]
        await until(lambda: seen.stale["a"] == [True], 10)
        assert time.monotonic() - began < 3.5  # 3, and a busy machine's lateness
        await until(lambda: seen.stale["a"] == [True, False], 20)
        await writer.put(comments(4, 4, stream="a"))
        await until(lambda: seen.seqs() == [1, 2, 3, 4])


async def test_a_redis_that_dies_and_returns_empty() -> None:
    """Stale within 3 s; then what persist writes anew and what is new are told."""
    port = free_port()
    server = redis_server(port)
    url = await asyncio.to_thread(server.__enter__)
    client: Redis = Redis.from_url(url)
    async with feeding(url, "a") as (feed, seen):
        await Writer(client).put(comments(1, 3, stream="a"))
        await until(lambda: seen.seqs() == [1, 2, 3])
        began = time.monotonic()
        await asyncio.to_thread(server.__exit__, None, None, None)
        await until(lambda: seen.stale["a"] == [True], 10)
        assert time.monotonic() - began < 3.5
        again = redis_server(port)
        await asyncio.to_thread(again.__enter__)
        try:
            await client.connection_pool.disconnect()
            await Writer(client).put(comments(4, 6, stream="a"))  # persist waited with it
            await until(lambda: seen.stale["a"] == [True, False] and feed.ready, 10)
            await Writer(client).put(comments(7, 7, stream="a"))
            await until(lambda: seen.seqs() == [1, 2, 3, 4, 5, 6, 7])
        finally:
            await client.aclose()
            await asyncio.to_thread(again.__exit__, None, None, None)


async def test_viewers_see_everything_while_connections_die(redis_url: str, redis: Redis) -> None:
    """An app on an edge with this feed: in order, once, without a gap, through kills and a flush."""
    writer = Writer(redis)
    async with edge_on(redis_url, window_ms=5) as on, viewer_of(on) as (client, seen):
        await watch(client, seen)
        for seq in range(1, 301):
            await writer.put(comments(seq, seq, stream=STREAM), lost=seq % 11 == 0)
            if seq % 50 == 0:
                await kill_subscribers(redis)
            if seq == 155:
                await until(lambda: seen.seqs[-1:] == [155], 30)
                await redis.flushall()
        await until(lambda: seen.seqs[-1:] == [300], 30)
        assert seen.seqs == list(range(1, 301))
        assert seen.gaps == []
        assert not any("hole" in data for data in seen.publications)


async def test_a_viewer_catches_up_from_the_window(redis_url: str, redis: Redis) -> None:
    """The edge saw nothing of it live: who comes gets the last comments, who returns gets what was missed."""
    writer = Writer(redis)
    for first in range(1, 200, 10):
        await writer.put(comments(first, first + 9, stream=STREAM))
    async with edge_on(redis_url) as on, viewer_of(on) as (client, seen):
        subscription = await watch(client, seen)
        await until(lambda: bool(seen.publications))
        assert seen.seqs == list(range(151, 201))
        await subscription.unsubscribe()
        await writer.put(comments(201, 210, stream=STREAM))
        await subscription.subscribe()
        await until(lambda: seen.seqs[-1:] == [210])
        assert seen.gaps == []
