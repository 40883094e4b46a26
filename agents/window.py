"""The catch-up window in Redis: ``comments.fanout`` → sorted set, head, then Pub/Sub.

Redis may lose all of it at any time. A sentinel a partition says that the partition's windows and heads
are whole; where it is missing, this worker builds them anew from the log: heads from the checkpoint of
``sample`` (every stream there is), windows from the last minutes of ``comments.fanout``. Readers trust a
missing head only where the sentinel is (`edge.past`).
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, ClassVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from agents.core import positions
from agents.log import Log
from agents.sink import Segment, Sink, StoreAwayError
from schemas import stores
from schemas.codec import UndecodableError, codec
from schemas.continuity import Fence
from schemas.topics import FANOUT, FANOUT_POSITIONS_CHANGELOG

WINDOW_SEGMENTS_MAX = 20_000
"""Of one stream; the oldest go first."""
MARK_SECONDS = 60.0
"""How finely a window's age is kept: what is older goes when a minute of it has passed."""
MARKED_STREAMS_MAX = 200_000
POLL_SECONDS = 1.0
FENCE_SECONDS = 60
HEADS_PER_WRITE = 1_000
SEGMENTS_PER_WRITE = 500

# Positions only go up: a repeat after a restart does not set a head back. An epoch is
# "<incarnation>-<counter>"; a later counter of one incarnation is newer, another incarnation replaces.
_RAISE_HEAD = """
local known = redis.call('GET', KEYS[1])
if known then
  local made, count, seq = string.match(known, '^(.*)%-(%d+) (%d+)$')
  local new_made, new_count = string.match(ARGV[1], '^(.*)%-(%d+)$')
  if made == new_made then
    if tonumber(count) > tonumber(new_count) then return 0 end
    if count == new_count and tonumber(seq) >= tonumber(ARGV[2]) then return 0 end
  end
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2])
return 1
"""
# Only if nothing was lost since the building began.
_FINISH = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[2], '1') return 1 end return 0"
)

log = structlog.get_logger()


class WindowSink(Sink):
    """See the module. ``wall``: seconds since 1970."""

    name: ClassVar[str] = "window"
    source = FANOUT

    def __init__(self, redis: Redis, log_: Log, wall: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._log = log_
        self._wall = wall
        self._partitions: set[int] = set()
        self._ages = _Ages()

    async def write(self, partition: int, segments: Sequence[Segment]) -> None:
        """Write the window first: who misses the message finds it there."""
        del partition
        try:
            await self._put(segments, publish=True)
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreAwayError(type(error).__name__) from error

    def taken(self, partition: int) -> None:
        """Watch a partition's sentinel."""
        self._partitions.add(partition)

    def left(self, partition: int) -> None:
        """Watch it no longer."""
        self._partitions.discard(partition)

    async def run(self) -> None:
        """Each second, build what is missing."""
        away = False
        while True:
            try:
                await self._watch()
                away = False
            except (RedisError, OSError, TimeoutError) as error:
                if not away:
                    log.warning("redis away; windows wait", error=type(error).__name__)
                away = True
            await asyncio.sleep(POLL_SECONDS)

    async def _watch(self) -> None:
        partitions = sorted(self._partitions)
        if not partitions:
            return
        found = await self._redis.mget([stores.window_sentinel(each) for each in partitions])
        for partition, sentinel in zip(partitions, found, strict=True):
            if sentinel is None and partition in self._partitions:
                await self._rebuild(partition)

    async def _rebuild(self, partition: int) -> None:
        building, nonce = f"{stores.window_sentinel(partition)}:building", secrets.token_hex(8)
        await self._redis.set(building, nonce)
        heads = await self._rebuild_heads(partition)
        segments = await self._rebuild_windows(partition)
        if await self._redis.eval(_FINISH, 2, building, stores.window_sentinel(partition), nonce):
            log.info("windows built from the log", partition=partition, heads=heads, segments=segments)

    async def _rebuild_heads(self, partition: int) -> int:
        """Write the head of every stream that ``sample`` has a checkpoint of."""
        topic = FANOUT_POSITIONS_CHANGELOG.name
        heads: dict[str, stores.Head] = {}
        end = await self._log.end_offset(topic, partition)
        start = await self._log.start_offset(topic, partition)
        count = 0
        async for record in self._log.read(topic, partition, start, end):
            try:
                entry = positions.decode(record.value or b"")
            except UndecodableError:
                continue
            if record.key is not None and not positions.is_watermark(record.key):
                heads[record.key.decode()] = stores.Head(entry["epoch"], entry["seq"])
                count += 1
            if len(heads) >= HEADS_PER_WRITE:
                await self._put_heads(heads)
                heads = {}
        await self._put_heads(heads)
        return count

    async def _rebuild_windows(self, partition: int) -> int:
        batch: list[Segment] = []
        count = 0
        async for segment in self._recent(partition):
            batch.append(segment)
            count += 1
            if len(batch) >= SEGMENTS_PER_WRITE:
                await self._put(batch, publish=False)
                batch = []
        await self._put(batch, publish=False)
        return count

    async def _recent(self, partition: int) -> AsyncIterator[Segment]:
        """Yield the window's records as any reader admits them; begins earlier, to know the writer."""
        served = round((self._wall() - stores.WINDOW_SECONDS) * 1000)
        start = await self._log.offset_at(FANOUT.name, partition, served - FENCE_SECONDS * 1000)
        end = await self._log.end_offset(FANOUT.name, partition)
        fence, decode = Fence(), codec(FANOUT.record).decode
        async for record in self._log.read(FANOUT.name, partition, start, end):
            try:
                segment = decode(record.value)
            except UndecodableError:
                continue
            admitted = fence.admits(record.offset, segment) and segment["stream_id"]
            if admitted and record.timestamp >= served and record.value is not None:
                yield Segment(record.value, segment)

    async def _put(self, segments: Sequence[Segment], *, publish: bool) -> None:
        if not segments:
            return
        pipe = self._redis.pipeline(transaction=False)
        heads: dict[str, stores.Head] = {}
        now = self._wall()
        for raw, segment, _ in segments:
            stream_id, end = segment["stream_id"], segment["to_seq"]
            if segment["from_seq"] == end:
                continue  # the stream's state alone: news to those who watch, and nothing to catch up with
            key = stores.window(stream_id, segment["epoch"])
            pipe.zadd(key, {raw: end})
            heads[stream_id] = stores.Head(segment["epoch"], end)
        for stream_id, head in heads.items():
            key = stores.window(stream_id, head.epoch)
            expired = self._ages.expired(key, head.seq, now)
            if expired is not None:
                pipe.zremrangebyscore(key, "-inf", expired)
            pipe.zremrangebyrank(key, 0, -WINDOW_SEGMENTS_MAX - 1)
            pipe.expire(key, stores.WINDOW_SECONDS)
            pipe.eval(_RAISE_HEAD, 1, stores.head(stream_id), head.epoch, head.seq)
        if publish:
            for raw, segment, appended_ms in segments:
                pipe.publish(stores.channel(segment["stream_id"]), stores.message(raw, appended_ms))
        await pipe.execute()

    async def _put_heads(self, heads: dict[str, stores.Head]) -> None:
        if heads:
            pipe: Any = self._redis.pipeline(transaction=False)
            for stream_id, head in heads.items():
                pipe.eval(_RAISE_HEAD, 1, stores.head(stream_id), head.epoch, head.seq)
            await pipe.execute()


class _Ages:
    """When a window reached which seq, a mark a minute: what is older than the window can go.

    Bounded: a stream whose marks were dropped keeps its old segments until others bound them.
    """

    def __init__(self) -> None:
        self._marks: dict[str, list[tuple[float, int]]] = {}

    def expired(self, key: str, seq: int, now: float) -> int | None:
        """Take note of a window's end; return the seq up to which it is too old, if any newly is."""
        marks = self._marks.get(key)
        if marks is None:
            if len(self._marks) >= MARKED_STREAMS_MAX:
                self._marks.clear()
            marks = self._marks[key] = []
        if not marks or now - marks[-1][0] >= MARK_SECONDS:
            marks.append((now, seq))
        found = None
        while marks and now - marks[0][0] > stores.WINDOW_SECONDS + MARK_SECONDS:
            found = marks.pop(0)[1]
        return found
