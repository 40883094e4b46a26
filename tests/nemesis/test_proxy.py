"""The proxy with a fault in it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from livecomments.nemesis.proxy import Mode, Proxy
from tests.stack.helpers import free_port

WITHIN_SECONDS = 10.0
QUIET_SECONDS = 0.2


@contextlib.asynccontextmanager
async def echo() -> AsyncIterator[tuple[Proxy, asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect through a proxy to a server that sends back what it gets."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(100):
                writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy = Proxy(free_port(), server.sockets[0].getsockname()[1])
    await proxy.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield proxy, reader, writer
    finally:
        writer.close()
        await proxy.stop()
        server.close()


async def said(reader: asyncio.StreamReader, seconds: float = WITHIN_SECONDS) -> bytes:
    async with asyncio.timeout(seconds):
        return await reader.read(100)


async def test_it_passes_both_ways() -> None:
    """Without a fault it is a wire."""
    async with echo() as (proxy, reader, writer):
        writer.write(b"hello")
        assert await said(reader) == b"hello"
        assert proxy.connections == 1


async def test_a_cut_resets_both_ends_and_refuses_new_ones() -> None:
    """The next connection works once it passes again."""
    async with echo() as (proxy, reader, writer):
        writer.write(b"a")
        await said(reader)
        proxy.be(Mode.REFUSE)
        proxy.cut()
        with contextlib.suppress(ConnectionResetError):
            assert await said(reader) == b""
        again, other = await asyncio.open_connection("127.0.0.1", proxy.port)
        with contextlib.suppress(ConnectionResetError):
            assert await said(again) == b""
        other.close()
        proxy.be(Mode.PASS)
        again, other = await asyncio.open_connection("127.0.0.1", proxy.port)
        other.write(b"b")
        assert await said(again) == b"b"
        other.close()


@pytest.mark.parametrize("mode", [Mode.STALL, Mode.DEAF])
async def test_what_stalls_goes_on_later_and_nothing_is_lost(mode: Mode) -> None:
    """The connection stays open meanwhile."""
    async with echo() as (proxy, reader, writer):
        writer.write(b"a")
        await said(reader)
        proxy.be(mode)
        writer.write(b"b")
        with pytest.raises(TimeoutError):
            await said(reader, QUIET_SECONDS)
        proxy.be(Mode.PASS)
        assert await said(reader) == b"b"


async def test_a_half_close_tells_both_ends_that_nothing_more_comes() -> None:
    """Each end reads to the end of what it gets."""
    async with echo() as (proxy, reader, writer):
        writer.write(b"a")
        await said(reader)
        proxy.half_close()
        assert await said(reader) == b""
