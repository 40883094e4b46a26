"""A process that holds many WebSockets and throws away what comes: ``python -m …delivery.sockets``.

First line on stdin: ``{"port", "path", "count", "hello"}`` (``hello``: texts to send after the handshake);
then each line asks for the counts. It answers ``{"open", "messages", "bytes"}``.
"""

import asyncio
import json
import os
import sys
from typing import Any, cast

import uvloop

from livecomments.loadtest import wire
from schemas.settings import raise_open_files_limit

CONNECTS_AT_ONCE = 100
SOCKETS_PER_ADDRESS = 10_000


class Counts:
    """Over all sockets."""

    def __init__(self) -> None:
        self.open = 0
        self.messages = 0
        self.bytes = 0


class Socket(asyncio.Protocol):
    """One."""

    __slots__ = ("_buffer", "_counts", "_hello", "_opened", "_transport")

    def __init__(self, counts: Counts, hello: list[str]) -> None:
        self._counts = counts
        self._hello = hello
        self._buffer = bytearray()
        self._opened = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, host: str, path: str) -> None:
        """Send the handshake."""
        request = wire.request(host).replace(wire.PATH.encode(), path.encode(), 1)
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Count."""
        buffer = self._buffer
        buffer += data
        if not self._opened:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._opened = True
            self._counts.open += buffer.startswith(b"HTTP/1.1 101")
            del buffer[: end + 4]
            for text in self._hello:
                self._transport.write(wire.masked(text.encode()))
        for frame in wire.frames(buffer):
            if frame.opcode in {wire.TEXT, wire.BINARY}:
                # Centrifuge puts several messages into one frame, a line each.
                for message in frame.payload.split(b"\n"):
                    if message == b"{}":
                        self._transport.write(wire.PONG)
                    elif message:
                        self._counts.messages += 1
                        self._counts.bytes += len(message)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count one less."""
        del exc
        self._counts.open -= self._opened


async def main() -> None:
    """Run until stdin ends."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    role: dict[str, Any] = json.loads(await reader.readline())
    counts, gate = Counts(), asyncio.Semaphore(CONNECTS_AT_ONCE)

    async def connect(number: int) -> None:
        async with gate:
            # By process: the ports of the run before are held a while.
            source = f"127.{1 + os.getpid() % 250}.0.{2 + number // SOCKETS_PER_ADDRESS}"
            _, protocol = await loop.create_connection(
                lambda: Socket(counts, role["hello"]), "127.0.0.1", role["port"], local_addr=(source, 0)
            )
            protocol.ask(f"127.0.0.1:{role['port']}", role["path"])

    await asyncio.gather(*(connect(number) for number in range(role["count"])))
    while await reader.readline():
        found = {"open": counts.open, "messages": counts.messages, "bytes": counts.bytes}
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    raise_open_files_limit()
    uvloop.run(main())
