"""The servers in Python: ``python -m livecomments.bench.delivery.servers NAME``.

Each prints ``{"port": …}`` when it listens, and takes lines ``{"frames": N, "interval_ms": …, "bytes": …}``:
that many frames, each to every socket. ``floor`` does nothing but the system call.
"""

import asyncio
import base64
import hashlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any, cast

import uvloop

from schemas.logs import configure
from schemas.settings import Auth, Edge, Kafka, Log, Settings, raise_open_files_limit

STREAM = "bench"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
Broadcast = Callable[[str, bytes], None]
"""What a server does with one payload: text, and the whole frame."""


class _Raw(asyncio.Protocol):
    """A handshake, and then a bare socket."""

    def __init__(self, sockets: "set[int]") -> None:
        self._sockets = sockets
        self._head = bytearray()
        self._fd = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._head += data
        if self._fd >= 0 or b"\r\n\r\n" not in self._head:
            return
        key = next(
            row for row in bytes(self._head).split(b"\r\n") if row.lower().startswith(b"sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1(key.split(b":")[1].strip() + _GUID).digest())  # noqa: S324 - RFC 6455
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self._fd = self._transport.get_extra_info("socket").fileno()
        self._sockets.add(self._fd)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._sockets.discard(self._fd)


async def floor() -> tuple[int, Broadcast]:
    """`os.write` of the same bytes on every socket: what the kernel takes."""
    sockets: set[int] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Raw(sockets), "127.0.0.1", 0, backlog=4_096)

    def broadcast(_: str, frame: bytes) -> None:
        write = os.write
        for fd in sockets:
            write(fd, frame)

    return server.sockets[0].getsockname()[1], broadcast


async def livecomments() -> tuple[int, Broadcast]:
    """Run the real edge, its segments pushed as a feed would: encoded, framed, windowed, written."""
    from edge.server import Parts, Server  # noqa: PLC0415 - each server imports its own
    from livecomments.bench.delivery.feed import NoDoor, PushFeed  # noqa: PLC0415

    edge = Edge(
        connections_max=100_000, connections_per_address_max=100_000, handshakes_per_second_max=100_000
    )
    settings = Settings(edge=edge.model_copy(update={"port": 0}), kafka=Kafka(partitions=4), auth=Auth())
    server, feed = Server(settings), PushFeed(4)
    await server.listen()
    await server.open(Parts(feed, NoDoor(), "bench-0"))
    return server.port, lambda text, _: feed.say(STREAM, text)


async def websockets() -> tuple[int, Broadcast]:
    """`websockets.broadcast`, compression off."""
    from websockets.asyncio.server import ServerConnection, broadcast, serve  # noqa: PLC0415

    connections: set[ServerConnection] = set()

    async def handler(connection: ServerConnection) -> None:
        connections.add(connection)
        try:
            await connection.wait_closed()
        finally:
            connections.discard(connection)

    server = await serve(handler, "127.0.0.1", 0, compression=None, ping_interval=None, open_timeout=60)
    return next(iter(server.sockets)).getsockname()[1], lambda text, _: broadcast(connections, text)


async def aiohttp() -> tuple[int, Broadcast]:
    """`aiohttp`, one `send_str` a socket."""
    from aiohttp import web  # noqa: PLC0415

    connections: set[web.WebSocketResponse] = set()
    tasks: set[asyncio.Task[Any]] = set()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse(compress=False)
        await response.prepare(request)
        connections.add(response)
        async for _ in response:
            pass
        connections.discard(response)
        return response

    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4_096)
    await site.start()

    async def send(text: str) -> None:
        for each in list(connections):
            await each.send_str(text)

    def broadcast(text: str, _: bytes) -> None:
        task = asyncio.get_running_loop().create_task(send(text))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return runner.addresses[0][1], broadcast


async def picows() -> tuple[int, Broadcast]:
    """`picows`, one `send` a socket; an optional install."""
    from picows import WSListener, WSMsgType, ws_create_server  # type: ignore[import-not-found]  # noqa: PLC0415

    transports: set[Any] = set()

    class Listener(WSListener):  # type: ignore[misc]
        def on_ws_connected(self, transport: Any) -> None:
            transports.add(transport)

        def on_ws_disconnected(self, transport: Any) -> None:
            transports.discard(transport)

    server = await ws_create_server(lambda _: Listener(), "127.0.0.1", 0, backlog=4_096)

    def broadcast(text: str, _: bytes) -> None:
        payload = text.encode()
        for each in transports:
            each.send(WSMsgType.TEXT, payload)

    return server.sockets[0].getsockname()[1], broadcast


SERVERS = {each.__name__: each for each in (floor, livecomments, websockets, aiohttp, picows)}


async def main(name: str) -> None:
    """Serve until stdin ends."""
    from edge.protocol.frames import TEXT, frame  # noqa: PLC0415

    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    port, broadcast = await SERVERS[name]()
    _say({"port": port})
    while line := await reader.readline():
        order = json.loads(line)
        for number in range(order["frames"]):
            text = f"{number:08d} " + "x" * (order["bytes"] - 9)
            broadcast(text, frame(TEXT, text.encode()))
            await asyncio.sleep(order["interval_ms"] / 1000)
        _say({"sent": order["frames"]})


def _say(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    configure(Log(level="error"), sys.argv[1])  # stdout is for orders
    raise_open_files_limit()
    uvloop.run(main(sys.argv[1]))
