"""Many streams watched over few connections: when each comment arrived, by its id."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect

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
