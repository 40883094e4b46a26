"""A socket that speaks WebSocket as badly as a test wants."""

import asyncio
import base64
import json
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from tests.edge.fakes import Stage

LIMIT_SECONDS = 10


def frame(payload: bytes, opcode: int = 1, *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """Return a client's frame."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    size, bit = len(payload), 0x80 if masked else 0
    if size < 126:
        head = struct.pack(">BB", first, bit | size)
    elif size < 65_536:
        head = struct.pack(">BBH", first, bit | 126, size)
    else:
        head = struct.pack(">BBQ", first, bit | 127, size)
    if not masked:
        return head + payload
    key = os.urandom(4)
    mask = int.from_bytes((key * (size // 4 + 1))[:size], "big")
    return head + key + (int.from_bytes(payload, "big") ^ mask).to_bytes(size, "big")


def command(**body: Any) -> bytes:
    """Return a command as a frame."""
    return frame(json.dumps(body).encode())


CONNECT = command(id=1, connect={})


def request(path: str = "/connection/websocket", *lines: str) -> bytes:
    """Return a handshake."""
    key = base64.b64encode(os.urandom(16)).decode()
    head = [
        f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: Upgrade", "Upgrade: websocket",
        f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *lines,
    ]  # fmt: skip
    return "\r\n".join([*head, "", ""]).encode()


class Raw:
    """One socket, and what came over it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *data: bytes) -> None:
        for each in data:
            self.writer.write(each)
        with suppress(ConnectionError):
            await self.writer.drain()

    async def status(self) -> int:
        """Return the status of the response to a handshake."""
        async with asyncio.timeout(LIMIT_SECONDS):
            head = await self.reader.readuntil(b"\r\n\r\n")
        self.head = head.decode()
        return int(head.split(b" ", 2)[1])

    async def next(self) -> tuple[int, bytes]:
        """Return the opcode and payload of the next frame; (-1, b"") at the end."""
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                first, second = await self.reader.readexactly(2)
                assert not second & 0x80, "a server's frames are not masked"
                size = second & 0x7F
                if size == 126:
                    (size,) = struct.unpack(">H", await self.reader.readexactly(2))
                elif size == 127:
                    (size,) = struct.unpack(">Q", await self.reader.readexactly(8))
                return first & 0x0F, await self.reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return -1, b""

    async def closed(self) -> int | None:
        """Return the code of the close frame; None: it ended without one."""
        while True:
            opcode, payload = await self.next()
            if opcode == 8:
                return int.from_bytes(payload[:2], "big")
            if opcode == -1:
                return None

    async def messages(self, count: int) -> list[Any]:
        """Return the next JSON messages."""
        found: list[Any] = []
        while len(found) < count:
            opcode, payload = await self.next()
            assert opcode == 1, (opcode, payload)
            found += [json.loads(line) for line in payload.split(b"\n")]
        return found


@asynccontextmanager
async def raw(on: Stage, *, receive_bytes: int | None = None) -> AsyncIterator[Raw]:
    """Connect; say nothing. ``receive_bytes``: of the socket's own buffer."""
    peer = socket.socket()
    if receive_bytes is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    peer.setblocking(False)  # noqa: FBT003
    await asyncio.get_running_loop().sock_connect(peer, ("127.0.0.1", on.server.port))
    reader, writer = await asyncio.open_connection(sock=peer, limit=2**20)
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def upgraded(on: Stage, *lines: str, **more: Any) -> AsyncIterator[Raw]:
    """Connect and end the handshake."""
    async with raw(on, **more) as made:
        await made.send(request("/connection/websocket", *lines))
        assert await made.status() == 101
        yield made
