"""An edge process without Kafka: all of an edge but its door, on a Redis. Settings come as an edge's do."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator

import uvloop
from redis.asyncio import Redis

from edge.feed.redis import RedisFeed, client_of
from edge.past import Past
from edge.server import Parts, serve
from edge.stats import Stats
from schemas.settings import Kafka, Settings, load, raise_open_files_limit
from tests.edge.fakes import EPOCH, FakeDoor, MemoryFeed


async def epoch_of(_kafka: Kafka) -> str:
    return EPOCH


@contextlib.asynccontextmanager
async def parts_of(settings: Settings, epoch: str, stats: Stats) -> AsyncIterator[Parts]:
    feed = RedisFeed(client_of(settings.redis), settings.kafka.partitions, stats)
    now, partitions = asyncio.get_running_loop().time, settings.kafka.partitions
    past = Past(Redis.from_url(settings.redis.url), 5_000, stats, now, partitions)
    try:
        yield Parts(feed, FakeDoor(MemoryFeed(4)), epoch, past, {"feed": lambda: feed.ready})
    finally:
        await feed.stop()
        await past.stop()


async def run() -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(load(), stop, epoch_of=epoch_of, assemble=parts_of)


if __name__ == "__main__":
    raise_open_files_limit()
    uvloop.run(run())
