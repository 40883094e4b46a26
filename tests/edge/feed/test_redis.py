"""The feed from Redis Pub/Sub, on a Redis in memory that loses whatever a test says."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any, cast

import pytest

from edge.feed import channels, redis
from edge.feed.redis import RedisFeed
from edge.stats import Stats
from schemas.continuity import follow
from tests.edge.fakes import comments, until
from tests.edge.feed.fake_redis import FakeRedis


class Seen:
    """A hub that only takes notes."""

    def __init__(self) -> None:
        self.segments: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self.begun_anew: list[str] = []
        self.stale: dict[str, list[bool]] = defaultdict(list)
        self.appended: list[int | None] = []

    def segment(self, place: Any, record: Mapping[str, Any], appended_ms: int | None = None) -> None:
        self.segments[place].append(record)
        self.appended.append(appended_ms)

    def lost(self, place: Any) -> None:
        self.begun_anew.append(place)

    def behind(self, place: Any, *, stale: bool) -> None:
        self.stale[place].append(stale)

    def seqs(self, stream: str = "a") -> list[int]:
        """Seqs as a reader has them; a gap is a failure."""
        epoch, seq, found = None, 0, list[int]()
        for record in self.segments[stream]:
            step = follow(epoch, seq, record)
            if step is not None:
                assert step.gap is None, step.gap
                found += [event["seq"] for event in step.events]
                epoch, seq = step.epoch, step.to_seq
        return found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds become hundredths."""
    monkeypatch.setattr(redis, "HEADS_SECONDS", 0.01)
    monkeypatch.setattr(redis, "WATCH_SECONDS", 0.005)
    monkeypatch.setattr(redis, "RETRY_SECONDS", 0.005)
    monkeypatch.setattr(redis, "STALE_SECONDS", 0.2)
    monkeypatch.setattr(channels, "PING_SECONDS", 0.01)
    monkeypatch.setattr(channels, "SILENCE_SECONDS", 0.3)
    monkeypatch.setattr(channels, "RETRY_SECONDS_FIRST", 0.002)
    monkeypatch.setattr(channels, "RETRY_SECONDS_MAX", 0.01)


@asynccontextmanager
async def feeding(*streams: str) -> AsyncIterator[tuple[RedisFeed, FakeRedis, Seen]]:
    server, seen = FakeRedis(), Seen()
    feed = RedisFeed(cast("Any", server), 4, Stats())
    await feed.start(seen)
    try:
        for stream in streams:
            feed.want(feed.place_of(stream))
            assert await feed.reach(stream, float("-inf"), 5)
        yield feed, server, seen
        assert not any(task.done() for task in feed.tasks)
    finally:
        await feed.stop()


async def test_messages_are_told_in_their_order() -> None:
    """Each stream that is wanted, and no other."""
    async with feeding("a", "b") as (_, server, seen):
        for seq in range(1, 200):
            for stream in "abc":
                server.put(comments(seq, seq, stream=stream))
        await until(lambda: len(seen.segments["a"]) == len(seen.segments["b"]) == 199)
        assert seen.seqs("a") == seen.seqs("b") == list(range(1, 200))
        assert seen.segments.keys() == {"a", "b"}


async def test_what_was_before_is_not_told() -> None:
    """The past is the window's; the feed begins at the head."""
    async with feeding("x") as (feed, server, seen):
        server.put(comments(1, 50))
        feed.want("demo")
        assert await feed.reach("demo", float("-inf"), 5)
        server.put(comments(51, 51))
        await until(lambda: seen.segments["demo"])
        assert [record["from_seq"] for record in seen.segments["demo"]] == [50]


async def test_a_lost_message_is_seen_by_the_next_one() -> None:
    """What is missing is read from the window and told before what showed it."""
    async with feeding("a") as (feed, server, seen):
        server.put(comments(1, 3, stream="a"))
        server.put(comments(4, 6, stream="a"), lost=True)
        server.put(comments(7, 9, stream="a"))
        await until(lambda: seen.segments["a"] and seen.segments["a"][-1]["to_seq"] == 9)
        assert seen.seqs() == list(range(1, 10))
        assert feed._stats.feed_gaps == 1


async def test_a_message_says_when_it_was_appended() -> None:
    """So that the hub knows its delay; what had to be read from the window is late for its own reason."""
    async with feeding("a") as (_, server, seen):
        server.put(comments(1, 3, stream="a"), appended_ms=1_000)
        server.put(comments(4, 6, stream="a"), appended_ms=1_010)
        server.put(comments(7, 9, stream="a"), lost=True)
        await until(lambda: seen.seqs() == list(range(1, 10)))
        assert seen.appended == [1_000, 1_010, None]


async def test_a_lost_last_message_is_seen_by_the_head() -> None:
    """Silence is compared with the head."""
    async with feeding("a") as (_, server, seen):
        server.put(comments(1, 3, stream="a"), lost=True)
        await until(lambda: seen.seqs() == [1, 2, 3])


async def test_reach_waits_for_what_is_missing() -> None:
    """When it returns, everything that was published before was told."""
    async with feeding("a") as (feed, server, seen):
        for seq in range(1, 30):
            server.put(comments(seq, seq, stream="a"), lost=True)
            assert await feed.reach("a", asyncio.get_running_loop().time(), 5)
            assert seen.seqs() == list(range(1, seq + 1))


@pytest.mark.parametrize("seed", range(12))
async def test_random_losses_and_cuts_lose_nothing(seed: int) -> None:
    """Whatever is lost, and however often the connection is cut, every comment is told once, in order."""
    random, streams = Random(seed), ["a", "b", "c"]
    async with feeding(*streams) as (_, server, seen):
        ends = dict.fromkeys(streams, 0)
        for _ in range(400):
            stream = random.choice(streams)
            length = random.randint(1, 4)
            record = comments(ends[stream] + 1, ends[stream] + length, stream=stream)
            ends[stream] += length
            server.put(record, lost=random.random() < 0.3)
            if random.random() < 0.03:
                for connection in list(server.connections):
                    connection.kill()
            if random.random() < 0.1:  # a writer that was replaced repeats itself
                server.put(record)
            if random.random() < 0.5:
                await asyncio.sleep(0)
        for stream in streams:
            await until(lambda stream=stream: seen.seqs(stream)[-1:] == [ends[stream]])  # type: ignore[misc]
            assert seen.seqs(stream) == list(range(1, ends[stream] + 1)), f"seed {seed}"
        assert seen.begun_anew == []


async def test_a_redis_that_is_away_makes_everything_stale_until_it_is_back() -> None:
    """It is told, and told again when what was missed was read."""
    async with feeding("a", "b") as (feed, server, seen):
        server.away = True
        for connection in list(server.connections):
            connection.kill()
        server.put(comments(1, 5, stream="a"))
        await until(lambda: seen.stale == {"a": [True], "b": [True]})
        assert not feed.ready
        assert seen.segments["a"] == []
        server.away = False
        await until(lambda: seen.stale == {"a": [True, False], "b": [True, False]})
        assert seen.seqs() == [1, 2, 3, 4, 5]
        assert feed.ready


async def test_a_connection_that_says_nothing_is_given_up() -> None:
    """A ping that is not answered cuts it, and the next one gets what it missed."""
    async with feeding("a") as (feed, server, seen):
        server.mute = True
        await until(lambda: feed._stats.feed_restarts > 0)
        server.mute = False
        server.put(comments(1, 1, stream="a"))
        await until(lambda: seen.seqs() == [1])


async def test_a_flush_disturbs_nobody() -> None:
    """What comes after it is told; nothing is called stale or lost."""
    async with feeding("a") as (feed, server, seen):
        server.put(comments(1, 5, stream="a"))
        await until(lambda: seen.segments["a"])
        server.flush()
        assert await feed.reach("a", asyncio.get_running_loop().time(), 5)
        server.put(comments(6, 7, stream="a"))
        await until(lambda: seen.seqs() == list(range(1, 8)))
        assert (seen.begun_anew, dict(seen.stale)) == ([], {})


async def test_a_loss_that_a_flush_made_final_is_told_as_a_gap() -> None:
    """What is gone from the window too is left out, and the hub sees the gap."""
    async with feeding("a") as (_, server, seen):
        server.put(comments(1, 5, stream="a"))
        await until(lambda: seen.segments["a"])
        server.put(comments(6, 6, stream="a"), lost=True)
        server.flush()
        server.put(comments(7, 7, stream="a"))
        await until(lambda: len(seen.segments["a"]) == 2)
        assert [(row["from_seq"], row["to_seq"]) for row in seen.segments["a"]] == [(0, 5), (6, 7)]


async def test_a_head_beyond_an_empty_window_begins_the_stream_anew() -> None:
    """A loss that the window no longer holds makes the viewers ask for what they missed."""
    async with feeding("a") as (feed, server, seen):
        server.put(comments(1, 5, stream="a"))
        await until(lambda: seen.segments["a"])
        server.put(comments(6, 9, stream="a"), lost=True)
        server.windows.clear()
        await until(lambda: seen.begun_anew == ["a"])
        assert await feed.reach("a", asyncio.get_running_loop().time(), 5)
        server.put(comments(10, 10, stream="a"))
        await until(lambda: seen.segments["a"][-1]["to_seq"] == 10)
        assert seen.begun_anew == ["a"]


async def test_records_of_a_replaced_writer_do_not_count() -> None:
    """A lower token than any of its partition was written by a predecessor; a new cluster begins anew."""
    async with feeding("a") as (feed, server, seen):
        server.put(comments(1, 1, stream="a") | {"token": 50})
        server.put(comments(2, 9, stream="a") | {"token": 20}, stored=False)
        server.put(comments(2, 2, stream="a") | {"token": 50})
        await until(lambda: seen.seqs() == [1, 2])
        assert feed._stats.records_fenced == 1
        server.put(comments(1, 1, stream="a", epoch="other-0") | {"token": 3})
        await until(lambda: len(seen.segments["a"]) == 3)


async def test_a_stream_that_is_released_is_heard_no_more() -> None:
    """Nor is anything kept of it."""
    async with feeding("a") as (feed, server, seen):
        feed.release("a")
        await until(lambda: server.connections[0].channels == set())
        server.put(comments(1, 1, stream="a"))
        feed.want("a")
        assert await feed.reach("a", float("-inf"), 5)
        assert seen.segments["a"] == []


async def test_messages_that_are_no_records_are_skipped() -> None:
    """Somebody else's message harms nobody."""
    async with feeding("a") as (feed, server, seen):
        server.connections[0].deliver("fanout:a", b"junk")
        server.put(comments(1, 1, stream="a"))
        await until(lambda: seen.seqs() == [1])
        assert feed._stats.records_bad == 1
