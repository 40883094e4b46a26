"""Many streams watched over few connections: when each comment arrived, by its id."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect

from edge.tasks import end
from schemas import stores
from schemas.codec import codec
from schemas.settings import Redis as RedisSettings

STREAMS_PER_CONNECTION = 250
UNDER_WAY_MAX = 16
"""Subscribes of one connection that wait for their reply."""
REPLY_SECONDS = 30.0


class Watcher:
    """Watches streams on one edge. ``arrived``: comment id → when, seconds of the event loop's clock."""

    def __init__(self) -> None:
        self.arrived: dict[str, float] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def watch(self, socket: ClientConnection, streams: Sequence[str]) -> None:
        """Subscribe, and take note from then on."""
        await socket.send('{"id":1,"connect":{}}')
        answered, room = asyncio.Event(), asyncio.Semaphore(UNDER_WAY_MAX)
        left = len(streams)

        def replied() -> None:
            nonlocal left
            left -= 1
            room.release()
            if not left:
                answered.set()

        self._tasks.append(asyncio.create_task(self._read(socket, replied)))
        async with asyncio.timeout(REPLY_SECONDS):
            for number, stream in enumerate(streams, start=2):
                await room.acquire()
                await socket.send(json.dumps({"id": number, "subscribe": {"channel": f"stream:{stream}"}}))
            await answered.wait()

    async def _read(self, socket: ClientConnection, replied: Callable[[], None]) -> None:
        now = asyncio.get_running_loop().time
        async for message in socket:
            at = now()
            for line in str(message).split("\n"):
                document = json.loads(line)
                if "push" in document:
                    for event in document["push"].get("pub", {}).get("data", {}).get("events", ()):
                        if "id" in event:  # a comment
                            self.arrived.setdefault(event["id"], at)
                elif "error" in document:
                    raise RuntimeError(f"the edge refused: {document['error']}")
                elif document.get("id", 0) > 1:
                    replied()
                elif not document:
                    await socket.send("{}")

    def stop(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()

    def check(self) -> None:
        """Raise what ended a connection."""
        for task in self._tasks:
            if task.done():
                task.result()
                raise RuntimeError("the edge closed a connection")


@asynccontextmanager
async def watching(port: int, streams: Sequence[str]) -> AsyncIterator[Watcher]:
    """Watch streams on the edge at ``port`` of this machine."""
    watcher = Watcher()
    async with AsyncExitStack() as stack:
        stack.callback(watcher.stop)
        for at in range(0, len(streams), STREAMS_PER_CONNECTION):
            url = f"ws://127.0.0.1:{port}/connection/websocket"
            socket = await stack.enter_async_context(connect(url, compression=None, proxy=None))
            await watcher.watch(socket, streams[at : at + STREAMS_PER_CONNECTION])
        yield watcher
        with contextlib.suppress(asyncio.CancelledError):
            watcher.check()


@asynccontextmanager
async def listening(redis: RedisSettings, streams: Sequence[str]) -> AsyncIterator[dict[str, float]]:
    """Listen to the streams' channels; comment id → when it was published."""
    client: Redis = Redis.from_url(redis.url)
    pubsub, arrived = client.pubsub(), dict[str, float]()
    for at in range(0, len(streams), STREAMS_PER_CONNECTION):
        await pubsub.subscribe(*map(stores.channel, streams[at : at + STREAMS_PER_CONNECTION]))

    async def read() -> None:
        now, decode = asyncio.get_running_loop().time, codec("fanout").decode
        async for message in pubsub.listen():
            if message["type"] == "message":
                at = now()
                for event in decode(stores.message_parts(message["data"])[0])["events"]:
                    arrived.setdefault(event["id"], at)

    task = asyncio.create_task(read())
    try:
        yield arrived
    finally:
        await end([task])
        await pubsub.aclose()  # type: ignore[no-untyped-call]
        await client.aclose()
