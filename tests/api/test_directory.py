"""What is read from a real Redis, as the projections write it."""

import json
import time

import pytest
from redis.asyncio import Redis

from edge.api.directory import BanState, Directory
from edge.api.fresh import Taken
from edge.api.problems import Away
from schemas import stores
from schemas.codec import codec
from schemas.routing import partition_of
from schemas.stores import Head
from tests.api.records import AT, EPOCH, STREAM, comments

pytestmark = pytest.mark.integration
PARTITIONS = 4
PARTITION = partition_of(STREAM, PARTITIONS)


@pytest.fixture(autouse=True)
async def whole(redis: Redis) -> None:
    """Say that what is in Redis is all there is."""
    await redis.set(stores.window_sentinel(PARTITION), b"1")
    await redis.set(stores.rules_sentinel(PARTITION), b"1")


async def test_a_stream_as_it_was_projected(redis: Redis) -> None:
    """Every field, and what is missing or unreadable counts as not there."""
    directory = Directory(redis, PARTITIONS)
    assert await directory.stream(STREAM) is None
    settings = {"words": ["w"], "slow_mode_seconds": 3, "pinned": None}
    row = {
        "creator": "carl",
        "title": "Tïtle",
        "state": "ended",
        "moderators": json.dumps(["a", "b"]),
        "settings": json.dumps(settings),
    }
    await redis.hset(stores.stream(STREAM), mapping=row)
    await redis.zadd(stores.STREAMS, {STREAM: AT})
    found = await directory.stream(STREAM)
    assert found is not None
    assert (found.creator, found.title, found.state, found.created_at) == ("carl", "Tïtle", "ended", AT)
    assert (found.moderators, found.settings) == (frozenset({"a", "b"}), settings)
    await redis.hset(stores.stream(STREAM), "settings", "{broken")
    found = await directory.stream(STREAM)
    assert found is not None
    assert found.settings == {}


async def test_missing_after_a_flush_says_nothing(redis: Redis) -> None:
    """While the sentinels are away, a stream that is not there may be one that is being written again."""
    directory = Directory(redis, PARTITIONS)
    assert await directory.head(STREAM) is None
    await redis.flushall()
    for question in (directory.stream(STREAM), directory.head(STREAM)):
        with pytest.raises(Away):
            await question


async def test_pages_of_streams(redis: Redis) -> None:
    """Newest first; those of one millisecond too are on one page each."""
    directory = Directory(redis, PARTITIONS)
    await redis.zadd(stores.STREAMS, {f"s{number}": AT + number // 2 for number in range(6)})
    assert await directory.newest(None, 4) == ["s5", "s4", "s3", "s2"]
    assert await directory.newest("s2", 4) == ["s1", "s0"]
    assert await directory.newest("s0", 4) == []
    assert await directory.newest("nope", 4) is None
    assert await directory.streams(["s1", "s2"]) == [None, None]
    assert await directory.streams([]) == []


async def test_heads_and_last_segments(redis: Redis) -> None:
    """Where a window ends, and its last records, those that can be read."""
    directory = Directory(redis, PARTITIONS)
    await redis.set(stores.head(STREAM), Head(EPOCH, 7).to_text())
    assert await directory.head(STREAM) == Head(EPOCH, 7)
    await redis.set(stores.head(STREAM), "nonsense")
    assert await directory.head(STREAM) is None
    key = stores.window(STREAM, EPOCH)
    rows = {codec("fanout").encode(comments(first, first + 1)): first + 1 for first in (1, 3, 5)}
    await redis.zadd(key, {**rows, b"junk": 7})
    assert [each["to_seq"] for each in await directory.last(STREAM, EPOCH, 3)] == [6, 4]


async def test_what_was_taken_away_just_now(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whatever process; a retry does not reach further; bounded; and gone after a minute."""
    one, other = Directory(redis, PARTITIONS), Directory(redis, PARTITIONS)
    before, _ = await redis.time()
    await one.take_away(STREAM, "delete", "id")
    await one.take_away(STREAM, "clear", "a user")
    head, taken = await other.tail(STREAM)
    assert head is None
    assert taken.deleted == {"id"}
    assert before * 1000 <= taken.cleared["a user"] <= (before + 60) * 1000
    await other.take_away(STREAM, "clear", "a user")
    assert (await one.tail(STREAM))[1] == taken
    assert 0 < await redis.ttl(stores.taken(STREAM)) <= 60
    monkeypatch.setattr("edge.api.directory.TAKEN_MAX", 2)
    await one.take_away(STREAM, "delete", "more")
    assert (await one.tail(STREAM))[1] == taken
    long_ago = dict.fromkeys(("delete id", "clear a user"), (before - 61) * 1000)
    await redis.hset(stores.taken(STREAM), mapping=long_ago)  # type: ignore[misc]
    assert (await one.tail(STREAM))[1] == Taken()
    await one.take_away(STREAM, "delete", "more")
    assert (await one.tail(STREAM))[1] == Taken(frozenset({"more"}))


async def test_a_process_whose_clock_is_wrong_takes_away_no_more(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one an hour ahead a clear hid what its user said afterwards, for a minute."""
    directory = Directory(redis, PARTITIONS)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3_600)
    await directory.take_away(STREAM, "clear", "a user")
    _, taken = await directory.tail(STREAM)
    assert taken.cleared["a user"] <= (now + 60) * 1000


async def test_bans_in_pages(redis: Redis) -> None:
    """Each is seen once, however many there are."""
    directory = Directory(redis, PARTITIONS)
    rows = {f"user {number}": json.dumps({"kind": "ban", "until": None}) for number in range(1000)}
    await redis.hset(stores.bans(STREAM), mapping=rows)
    await redis.hset(stores.bans(STREAM), "bad", "{")
    found: list[BanState] = []
    cursor = 0
    for _ in range(100):
        cursor, page = await directory.bans(STREAM, cursor, 100)
        found += page
        if cursor == 0:
            break
    assert sorted(each.user for each in found) == sorted(rows)
    assert await directory.ban(STREAM, "user 1") == BanState("user 1", "ban", None, None)
    assert await directory.ban(STREAM, "bad") is None
    assert await directory.ban(STREAM, "nobody") is None


async def test_redis_that_does_not_answer() -> None:
    """Away, and no answer is made up."""
    client: Redis = Redis.from_url("redis://127.0.0.1:1/0", socket_timeout=0.2)
    directory = Directory(client, PARTITIONS)
    for question in (directory.ready(), directory.stream(STREAM), directory.newest(None, 1)):
        with pytest.raises(Away):
            await question
    await client.aclose()
