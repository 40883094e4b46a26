"""A TCP proxy with a fault in it: it cuts, stalls or half-closes what goes through. Test tooling."""

import asyncio
import contextlib
from collections.abc import Callable
from enum import StrEnum

READ_BYTES = 64 * 1024


class Mode(StrEnum):
    """What the proxy does to what goes through it."""

    PASS = "pass"  # noqa: S105 - no password
    STALL = "stall"
    """Nothing goes either way; connections stay open, and new ones are accepted."""
    DEAF = "deaf"
    """Nothing comes back from the server; what is sent to it arrives."""
    REFUSE = "refuse"
    """New connections are closed at once."""


class Proxy:
    """Listens on ``port`` and passes to ``target`` (both on loopback)."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self.mode = Mode.PASS
        self._target = target
        self._open = asyncio.Event()
        self._open.set()
        self._heard = asyncio.Event()
        self._heard.set()
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def be(self, mode: Mode) -> None:
        """Change what is done from now on."""
        self.mode = mode
        (self._open.clear if mode is Mode.STALL else self._open.set)()
        (self._heard.clear if mode in {Mode.STALL, Mode.DEAF} else self._heard.set)()

    def cut(self) -> None:
        """Reset every connection."""
        for pair in list(self._pairs):
            for writer in pair:
                writer.transport.abort()

    def half_close(self) -> None:
        """Tell both ends of every connection that the other will send no more, and close nothing."""
        for pair in list(self._pairs):
            for writer in pair:
                with contextlib.suppress(OSError, RuntimeError):
                    writer.write_eof()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._pairs)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self.mode is Mode.REFUSE:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, far_writer)
        self._pairs.add(pair)
        try:
            await asyncio.gather(
                self._pump(reader, far_writer, lambda: self._open),
                self._pump(far_reader, writer, lambda: self._heard),
            )
        except asyncio.CancelledError:  # by `stop`; asyncio's streams would complain of it
            return
        finally:
            self._pairs.discard(pair)
            for each in pair:
                each.transport.abort()

    @staticmethod
    async def _pump(
        source: asyncio.StreamReader, sink: asyncio.StreamWriter, gate: Callable[[], asyncio.Event]
    ) -> None:
        try:
            while data := await source.read(READ_BYTES):
                await gate().wait()
                if sink.is_closing():
                    return
                sink.write(data)
                await sink.drain()
            await gate().wait()
            if sink.can_write_eof() and not sink.is_closing():
                sink.write_eof()
        except (OSError, RuntimeError):  # a reset is passed on as one; so is data behind a half-close
            sink.transport.abort()
