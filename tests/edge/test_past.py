"""The window in Redis, as persist writes it."""

from itertools import pairwise
from typing import Any

import pytest
from redis.asyncio import Redis

from edge import past as module
from edge.past import Past
from edge.stats import Stats
from schemas import stores
from schemas.codec import codec
from schemas.routing import partition_of
from tests.edge.fakes import EPOCH, STREAM, comments

pytestmark = pytest.mark.integration
PARTITIONS = 4
SENTINEL = stores.window_sentinel(partition_of(STREAM, PARTITIONS))


async def put(redis: Redis, *segments: dict[str, Any]) -> None:
    """Write segments and the head."""
    for each in segments:
        await redis.zadd(stores.window(STREAM, EPOCH), {codec("fanout").encode(each): each["to_seq"]})
        await redis.set(stores.head(STREAM), stores.Head(EPOCH, each["to_seq"]).to_text())


@pytest.fixture
async def past(redis: Redis) -> Past:
    return Past(redis, 1_000, Stats(), lambda: 0.0, PARTITIONS)


def ranges(segments: Any) -> list[tuple[int, int]]:
    return [(each["from_seq"], each["to_seq"]) for each in segments]


async def test_an_unknown_stream_has_no_head(redis: Redis, past: Past) -> None:
    """Told from a Redis that does not answer, and from one that was flushed and is not whole again."""
    assert await past.recent(STREAM) is None
    await redis.set(SENTINEL, "1")
    recent = await past.recent(STREAM)
    assert recent is not None
    assert (recent.head, list(recent.segments)) == (None, [])


async def test_the_end_of_the_window_ascending(redis: Redis, past: Past) -> None:
    """The newest segments that the ring can hold."""
    await put(redis, *(comments(first, first + 9) for first in range(1, 3_001, 10)))
    recent = await past.recent(STREAM)
    assert recent is not None
    assert recent.head == stores.Head(EPOCH, 3_000)
    assert ranges(recent.segments) == [(first, first + 10) for first in range(2_000, 3_000, 10)]


@pytest.mark.parametrize(("after", "upto"), [(95, 205), (100, 200), (0, 10), (290, 300), (299, 300), (5, 6)])
async def test_what_covers_a_range(redis: Redis, past: Past, after: int, upto: int) -> None:
    """All of it and little more, whether the ends are segments' ends or not."""
    await put(redis, *(comments(first, first + 9) for first in range(1, 301, 10)))
    segments = await past.between(STREAM, EPOCH, after, upto)
    assert segments is not None
    found = ranges(segments)
    assert found[0][0] <= after
    assert found[-1][1] >= upto
    assert all(one[1] == other[0] for one, other in pairwise(found))
    assert len(found) <= (upto - after) // 10 + 2


async def test_pages_join_up(redis: Redis, past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    """A range of many pages, one of exactly a page, and one more than a page."""
    monkeypatch.setattr(module, "PAGE_SEGMENTS", 5)
    await put(redis, *(comments(seq, seq) for seq in range(1, 61)))
    for count in (4, 5, 6, 10, 11, 50):
        segments = await past.between(STREAM, EPOCH, 55 - count, 55)
        assert ranges(segments) == [(seq - 1, seq) for seq in range(56 - count, 56)]


async def test_too_much_is_the_newest_part(redis: Redis, past: Past) -> None:
    """What a ring cannot hold is left out at the beginning."""
    await put(redis, *(comments(first, first + 9) for first in range(1, 3_001, 10)))
    found = ranges(await past.between(STREAM, EPOCH, 0, 2_900))
    assert (found[0][0], found[-1][1]) == (1_900, 2_900)


async def test_what_the_window_has_lost_is_missing_at_the_beginning(redis: Redis, past: Past) -> None:
    """Also where it has nothing at all."""
    await put(redis, *(comments(first, first + 9) for first in range(101, 301, 10)))
    assert ranges(await past.between(STREAM, EPOCH, 50, 150))[0] == (100, 110)
    assert await past.between(STREAM, EPOCH, 10, 50) == [
        codec("fanout").decode(codec("fanout").encode(comments(101, 110)))
    ]
    assert await past.between("another", EPOCH, 0, 100) == []


async def test_overlapping_segments_are_all_there(redis: Redis, past: Past) -> None:
    """A stage that crashed wrote some again, cut in other places; the reader trims."""
    await put(redis, comments(1, 10), comments(1, 14), comments(11, 20), comments(15, 30))
    assert ranges(await past.between(STREAM, EPOCH, 3, 30)) == [(0, 10), (0, 14), (10, 20), (14, 30)]


async def test_poison_is_passed_over(redis: Redis, past: Past) -> None:
    """A member that is no record, and a head that is none."""
    await put(redis, comments(1, 10))
    await redis.zadd(stores.window(STREAM, EPOCH), {b"poison": 12})
    assert ranges(await past.between(STREAM, EPOCH, 0, 20)) == [(0, 10)]
    await redis.set(stores.head(STREAM), "nonsense")
    recent = await past.recent(STREAM)
    assert recent is not None
    assert recent.head is None


async def test_redis_away_is_not_asked_for_a_moment() -> None:
    """One slow answer, and then none for a second."""
    now = 0.0
    redis: Redis = Redis.from_url("redis://127.0.0.1:1/0")
    stats = Stats()
    past = Past(redis, 1_000, stats, lambda: now, PARTITIONS)
    assert await past.recent(STREAM) is None
    assert await past.between(STREAM, EPOCH, 0, 9) is None
    assert (stats.past_reads, stats.past_failures) == (1, 1)
    now = 2.0
    assert await past.recent(STREAM) is None
    assert stats.past_reads == 2
    await past.stop()
