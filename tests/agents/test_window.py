"""The catch-up window on a real Redis: what is written, what survives repeats, flushes and zombies."""

import asyncio
from typing import Any

from redis.asyncio import Redis

from agents.core import positions
from agents.sink import Segment, SinkRunner
from agents.testing import START_MS, MemoryLog
from agents.window import MARK_SECONDS, WindowSink
from schemas import stores
from schemas.codec import codec
from schemas.records import Origin
from schemas.topics import FANOUT, FANOUT_POSITIONS_CHANGELOG


class Clock:
    def __init__(self) -> None:
        self.now = START_MS / 1000

    def __call__(self) -> float:
        return self.now


def fanout(
    start: int, end: int, *, stream: str = "s", epoch: str = "e-0", token: int = 0, claim: str = ""
) -> dict[str, Any]:
    events = [
        {
            "type": "comment",
            "seq": seq,
            "at": START_MS + seq,
            "id": f"c{seq}",
            "user_id": "u",
            "user_name": "U",
            "role": "viewer",
            "text": "hi",
            "sticker": None,
            "command": None,
            "mask": -1,
        }
        for seq in range(start + 1, end + 1)
    ]
    nothing = {"offset": -1, "index": 0}
    return {
        "stream_id": "" if claim else stream,
        "epoch": epoch,
        "from_seq": start,
        "to_seq": end,
        "origin": nothing,
        "covered": nothing,
        "claim": claim,
        "token": token,
        "events": events,
    }


def raw(record: dict[str, Any]) -> bytes:
    return codec("fanout").encode(record)


def segments(*records: dict[str, Any]) -> list[Segment]:
    return [Segment(raw(record), record) for record in records]


async def held(redis: Redis, stream: str = "s", epoch: str = "e-0") -> list[tuple[int, int]]:
    rows = await redis.zrange(stores.window(stream, epoch), 0, -1)
    found = [codec("fanout").decode(row) for row in rows]
    return [(row["from_seq"], row["to_seq"]) for row in found]


async def head(redis: Redis, stream: str = "s") -> stores.Head | None:
    found = await redis.get(stores.head(stream))
    return stores.Head.from_text(found.decode()) if found else None


async def until(condition: Any, limit_seconds: float = 10.0) -> None:
    async with asyncio.timeout(limit_seconds):
        while not await condition():
            await asyncio.sleep(0.01)


async def test_the_window_is_there_before_the_message(redis: Redis) -> None:
    """Who is told by Pub/Sub finds the segment in the window, and the head at its end."""
    listener = redis.pubsub()
    await listener.subscribe(stores.channel("s"))
    await WindowSink(redis, MemoryLog()).write(0, segments(fanout(0, 3), fanout(3, 5)))
    got: list[bytes] = []
    async with asyncio.timeout(5):
        async for message in listener.listen():
            if message["type"] == "message":
                got.append(stores.message_parts(message["data"])[0])
            if len(got) == 2:
                break
    assert got == [raw(fanout(0, 3)), raw(fanout(3, 5))]
    assert await held(redis) == [(0, 3), (3, 5)]
    assert await head(redis) == ("e-0", 5)
    await listener.aclose()  # type: ignore[no-untyped-call]


async def test_a_streams_state_alone_is_news_and_no_past(redis: Redis) -> None:
    """A record with an empty range goes to those who listen; neither the window nor the head changes."""
    sink = WindowSink(redis, MemoryLog())
    await sink.write(0, segments(fanout(0, 3)))
    listener = redis.pubsub()
    await listener.subscribe(stores.channel("s"))
    await sink.write(0, segments(fanout(3, 3)))
    async with asyncio.timeout(5):
        async for message in listener.listen():
            if message["type"] == "message":
                assert stores.message_parts(message["data"]) == (raw(fanout(3, 3)), 0)
                break
    assert await held(redis) == [(0, 3)]
    assert await head(redis) == ("e-0", 3)
    await listener.aclose()  # type: ignore[no-untyped-call]


async def test_a_repeat_does_not_set_a_head_back(redis: Redis) -> None:
    """After a restart older segments are written again; only another or a later epoch moves a head down."""
    sink = WindowSink(redis, MemoryLog())
    await sink.write(0, segments(fanout(0, 9)))
    await sink.write(0, segments(fanout(0, 4)))
    assert await head(redis) == ("e-0", 9)
    await sink.write(0, segments(fanout(0, 2, epoch="e-1")))
    assert await head(redis) == ("e-1", 2)
    await sink.write(0, segments(fanout(0, 12)))
    assert await head(redis) == ("e-1", 2)
    await sink.write(0, segments(fanout(0, 1, epoch="other-0")))
    assert await head(redis) == ("other-0", 1)


async def test_a_window_forgets_what_is_older_than_it_serves(redis: Redis) -> None:
    """A quiet stream keeps minutes, not everything it ever had."""
    clock = Clock()
    sink = WindowSink(redis, MemoryLog(), clock)
    for minute in range(40):
        await sink.write(0, segments(fanout(minute, minute + 1)))
        clock.now += MARK_SECONDS
    rows = await held(redis)
    minutes = stores.WINDOW_SECONDS / MARK_SECONDS
    assert rows[-1] == (39, 40)
    assert minutes <= len(rows) <= minutes + 3


async def test_a_flush_is_noticed_and_everything_comes_back(redis: Redis) -> None:
    """Heads of all streams from the checkpoint, windows from the log; then the sentinel says so."""
    log, clock = MemoryLog(), Clock()
    old = positions.encode("e-0", 70, Origin(5, 0), 9, at=0)
    log.put(FANOUT_POSITIONS_CHANGELOG.name, 3, [(b"cold", old), (positions.watermark_key(3), old)])
    log.put(FANOUT.name, 3, [(None, raw(fanout(0, 0, claim="w"))), (b"s", raw(fanout(0, 3)))])
    sink = WindowSink(redis, log, clock)
    sink.taken(3)
    watching = asyncio.create_task(sink.run())
    try:
        await until(lambda: redis.exists(stores.window_sentinel(3)))
        assert await head(redis, "cold") == ("e-0", 70)
        await redis.flushall()
        await until(lambda: redis.exists(stores.window_sentinel(3)))
        assert await head(redis, "cold") == ("e-0", 70)
        assert await head(redis, "s") == ("e-0", 3)
        assert await held(redis) == [(0, 3)]
    finally:
        watching.cancel()


async def test_a_flush_while_building_is_not_taken_for_whole(redis: Redis) -> None:
    """The sentinel is written only if nothing was lost since the building began."""

    class FlushingLog(MemoryLog):
        flushes = 1

        async def end_offset(self, topic: str, partition: int) -> int:
            if topic == FANOUT.name and self.flushes:
                self.flushes -= 1
                await redis.flushall()
            return await super().end_offset(topic, partition)

    log = FlushingLog()
    log.put(
        FANOUT_POSITIONS_CHANGELOG.name, 0, [(b"cold", positions.encode("e-0", 7, Origin(5, 0), 9, at=0))]
    )
    sink = WindowSink(redis, log, Clock())
    sink.taken(0)
    watching = asyncio.create_task(sink.run())
    try:
        await until(lambda: redis.exists(stores.window_sentinel(0)))
        assert log.flushes == 0
        assert await head(redis, "cold") == ("e-0", 7)
    finally:
        watching.cancel()


async def test_a_replaced_writers_record_does_not_count_after_a_restart(redis: Redis) -> None:
    """A runner that begins behind a claim still knows it: it reads back before its first record."""
    log = MemoryLog()
    log.put(FANOUT.name, 0, [(None, raw(fanout(0, 0, claim="a"))), (b"s", raw(fanout(0, 1, token=0)))])
    log.put(FANOUT.name, 0, [(None, raw(fanout(0, 0, claim="b")))])
    log.put(FANOUT.name, 0, [(b"s", raw(fanout(1, 9, token=0))), (b"s", raw(fanout(1, 2, token=2)))])
    acked: list[int] = []
    sink = WindowSink(redis, log, Clock())
    runner = SinkRunner(sink, 0, log, inbox_records_max=10, merge_records_max=10, acknowledge=acked.append)
    task = asyncio.create_task(runner.run())
    try:
        runner.inbox.put(log.records[FANOUT.name, 0][3:])

        async def done() -> bool:
            return acked == [5]

        await until(done)
        assert await held(redis) == [(1, 2)]
    finally:
        task.cancel()
