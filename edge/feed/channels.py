"""One Pub/Sub connection to Redis, and the channels it is subscribed to.

What is wanted is kept here, and subscribed anew after each reconnection. Redis being away is waited out, for
ever. A connection that says nothing, not even to a ping, counts as lost.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from schemas import stores

CHANNELS_PER_COMMAND = 500
MESSAGES_PER_TURN = 200
"""Sockets are served between so many messages."""
PING_SECONDS = 1.0
SILENCE_SECONDS = 2.0
CONNECT_SECONDS = 2.0
RETRY_SECONDS_FIRST = 0.05
RETRY_SECONDS_MAX = 0.5
CLOSE_SECONDS = 1.0
_PREFIX = len(stores.channel(""))

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ears:
    """What is told of a connection. None of it waits.

    ``joined(stream)``: from now on nothing of it is missed, until ``cut``. ``heard(stream, message)``.
    """

    joined: Callable[[str], None]
    heard: Callable[[str, bytes], None]
    cut: Callable[[], None]


class Channels:
    """See the module. ``redis`` must not retry by itself: every loss has to show."""

    def __init__(self, redis: Redis, ears: Ears) -> None:
        self._redis = redis
        self._ears = ears
        self._wanted: dict[str, None] = {}
        self._joining: dict[str, None] = {}
        self._leaving: dict[str, None] = {}
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._heard_at = 0.0
        self.connected = False
        self.cuts = 0

    def want(self, stream_id: str) -> None:
        """Subscribe to a stream."""
        self._wanted[stream_id] = self._joining[stream_id] = None
        self._leaving.pop(stream_id, None)
        self._changed.set()

    def release(self, stream_id: str) -> None:
        """Subscribe to it no longer."""
        self._wanted.pop(stream_id, None)
        self._joining.pop(stream_id, None)
        self._leaving[stream_id] = None
        self._changed.set()

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        wait = RETRY_SECONDS_FIRST
        while True:
            pubsub, was_there = self._redis.pubsub(), False
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await pubsub.connect()  # type: ignore[no-untyped-call]
                wait, was_there = RETRY_SECONDS_FIRST, True
                await self._serve(pubsub)
            except* (RedisError, OSError, TimeoutError) as group:
                if was_there:  # while it is away, each try fails: said once is enough
                    self.cuts += 1
                    error = type(group.exceptions[0]).__name__
                    log.warning("feed interrupted; connecting again", error=error)
            finally:
                self.connected = False
                self._ears.cut()
                await _close(pubsub)
            await asyncio.sleep(wait)
            wait = min(wait * 2, RETRY_SECONDS_MAX)

    async def _serve(self, pubsub: PubSub) -> None:
        self._joining, self._leaving = dict(self._wanted), {}
        self._changed.set()
        self._heard_at = self._loop.time()
        self.connected = True
        log.info("feed connected", channels=len(self._wanted))
        async with asyncio.TaskGroup() as both:
            both.create_task(self._listen(pubsub))
            both.create_task(self._speak(pubsub))

    async def _listen(self, pubsub: PubSub) -> None:
        turn = 0
        while True:
            message = await pubsub.get_message(timeout=None)
            turn += 1
            if turn >= MESSAGES_PER_TURN:
                turn = 0
                await asyncio.sleep(0)
            self._heard_at = self._loop.time()
            if message is not None:
                self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "message":
            self._ears.heard(_stream_of(message), message["data"])
        elif message["type"] == "subscribe" and (stream_id := _stream_of(message)) in self._wanted:
            self._ears.joined(stream_id)

    async def _speak(self, pubsub: PubSub) -> None:
        while self.connected:  # a cancellation alone may be lost (`edge.tasks`)
            self._changed.clear()
            await pubsub.ping()
            while self._leaving:
                await pubsub.unsubscribe(*map(stores.channel, _taken(self._leaving)))
            while self._joining:
                await pubsub.subscribe(*map(stores.channel, _taken(self._joining)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PING_SECONDS):
                    await self._changed.wait()
            if self._loop.time() - self._heard_at > SILENCE_SECONDS:
                raise TimeoutError("no answer to a ping")


def _stream_of(message: dict[str, Any]) -> str:
    channel: bytes = message["channel"]
    return channel[_PREFIX:].decode()


def _taken(waiting: dict[str, None]) -> list[str]:
    """Take the next ones out of ``waiting``."""
    found = list(islice(waiting, CHANNELS_PER_COMMAND))
    for each in found:
        del waiting[each]
    return found


async def _close(pubsub: PubSub) -> None:
    with contextlib.suppress(RedisError, OSError, TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await pubsub.aclose()  # type: ignore[no-untyped-call]
