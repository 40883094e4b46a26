"""Readiness probes, against small servers that answer like the real ones or badly."""

import asyncio
import struct

import pytest

from livecomments.stack import probes
from livecomments.stack.spec import Probe


def metadata(brokers: int) -> bytes:
    """Return the beginning of a metadata answer."""
    body = struct.pack(">iii", 1, 0, brokers) + b"\0" * 8
    return struct.pack(">i", len(body)) + body


GOOD = {
    Probe.KAFKA: metadata(1),
    Probe.REDIS: b"+PONG\r\n",
    Probe.CASSANDRA: bytes((0x84, 0, 0, 0, 6, 0, 0, 0, 0)),
    Probe.HTTP: b"HTTP/1.1 200 OK\r\n\r\n",
}
BAD = [
    (Probe.KAFKA, metadata(0)),
    (Probe.KAFKA, b"\xff\xff\xff\xff"),
    (Probe.KAFKA, b"\0\0"),
    (Probe.REDIS, b"-LOADING\r\n"),
    (Probe.CASSANDRA, b"HTTP/1.1 400"),
    (Probe.HTTP, b"HTTP/1.1 503 Service Unavailable\r\n\r\n"),
    (Probe.HTTP, b""),
    (Probe.HTTP, b"x" * 200_000),
]


async def asked(probe: Probe, answer: bytes) -> bool:
    """Ask a server that gives this answer to whatever it is asked."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        return await probes.ask(probe, f"127.0.0.1:{port}")


@pytest.mark.parametrize("probe", list(Probe))
async def test_ready(probe: Probe) -> None:
    """A good answer means ready."""
    assert await asked(probe, GOOD[probe])


@pytest.mark.parametrize(("probe", "answer"), BAD)
async def test_not_ready(probe: Probe, answer: bytes) -> None:
    """Anything else means not ready, and is no error."""
    assert not await asked(probe, answer)


async def test_silence() -> None:
    """A server that accepts and says nothing is given up on after the limit; a closed port at once."""
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the client leaves
        writer.close()
        left.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        assert not await probes.ask(Probe.HTTP, f"127.0.0.1:{port}", limit_seconds=0.1)
        await asyncio.wait_for(left.wait(), 5)
    assert not await probes.ask(Probe.HTTP, f"127.0.0.1:{port}")
