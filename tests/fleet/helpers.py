"""Edges as processes, what writes to them, and viewers by the thousand."""

import asyncio
import base64
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from centrifuge import Client
from redis.asyncio import Redis
from websockets.frames import Close

from agents.sink import Segment
from agents.testing import MemoryLog
from agents.window import WindowSink
from edge.tasks import end
from schemas.codec import codec
from tests.edge.fakes import STREAM, comments
from tests.edge.test_sdk import Seen
from tests.sdk import leave

ROOT = Path(__file__).parents[2]
LIMIT_SECONDS = 60.0
PATH = "/connection/websocket"


def edge_environment(url: str, **edge: Any) -> dict[str, str]:
    """Return the settings of an edge on a Redis: ``port=…``, ``name=…``."""
    own = {f"LIVECOMMENTS_EDGE__{name.upper()}": str(value) for name, value in edge.items()}
    return {"LIVECOMMENTS_REDIS__URL": url, "LIVECOMMENTS_EDGE__FEED": "redis", **own}


@asynccontextmanager
async def process(*argv: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run Python with ``argv`` until the end of the block; SIGTERM then, and its drain."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("LIVECOMMENTS_")}
    running = await asyncio.create_subprocess_exec(
        sys.executable, *argv, env=env | environment, cwd=ROOT, stdin=asyncio.subprocess.DEVNULL
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.terminate()
        async with asyncio.timeout(LIMIT_SECONDS):
            await running.wait()


async def get(port: int, path: str) -> tuple[int, str]:
    """Return (status, body) of a page; (0, "") where nobody listens."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = (await reader.read()).decode()
        writer.close()
        head, _, body = answer.partition("\r\n\r\n")
        return int(head.split(" ")[1]), body
    except (OSError, IndexError):
        return 0, ""


async def ready(port: int, *, status: int = 200) -> dict[str, Any]:
    """Wait until ``/readyz`` answers with a status; return what it says."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            found, body = await get(port, "/readyz")
            if found == status:
                return dict(json.loads(body or "{}"))
            await asyncio.sleep(0.03)


async def metric(port: int, name: str) -> float:
    """Return one metric of an edge."""
    _, body = await get(port, "/metrics")
    return next(float(line.split(" ")[1]) for line in body.splitlines() if line.startswith(f"{name} "))


async def until(condition: Any, seconds: float = LIMIT_SECONDS) -> None:
    """Wait for a condition, with a limit."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


class Writer:
    """Writes comments to a stream, as persist does."""

    def __init__(self, redis: Redis, stream: str = STREAM) -> None:
        self._sink = WindowSink(redis, MemoryLog())
        self._stream = stream
        self.seq = 0

    async def put(self) -> None:
        """Write one more."""
        self.seq += 1
        record = comments(self.seq, self.seq, stream=self._stream)
        await self._sink._put([Segment(codec("fanout").encode(record), record)], publish=True)

    @asynccontextmanager
    async def going_on(self, every_seconds: float = 0.02) -> AsyncIterator[None]:
        """Write all the time."""

        async def forever() -> None:
            while True:
                await self.put()
                await asyncio.sleep(every_seconds)

        task = asyncio.create_task(forever())
        try:
            yield
            assert not task.done()
        finally:
            await end([task])


@asynccontextmanager
async def apps(url: str, count: int, stream: str = STREAM) -> AsyncIterator[list[Seen]]:
    """Watch with the official SDK, which connects again and resumes by itself."""
    seen = [Seen() for _ in range(count)]
    clients = [
        Client(url, events=each, proxy=None, min_reconnect_delay=0.02, max_reconnect_delay=0.5)
        for each in seen
    ]
    try:
        for client, each in zip(clients, seen, strict=True):
            await client.connect()
            await client.new_subscription(f"stream:{stream}", events=each).subscribe()
        await until(lambda: all(each.subscribed for each in seen))
        yield seen
    finally:
        for client in clients:
            await leave(client)


def check_whole(seen: Seen, last: int) -> None:
    """Assert that a viewer has all from where it began up to ``last``: once, in order, without a hole."""
    first = seen.seqs[0]
    assert seen.seqs == list(range(first, last + 1))
    assert seen.gaps == []
    assert not any("hole" in data for data in seen.publications)


class RawViewer(asyncio.Protocol):
    """A viewer of few bytes: connects as a guest, watches a stream, notes how it ends."""

    def __init__(self, stream: str = STREAM) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._upgraded = False
        self.watching = False
        self.refused = b""
        self.close: Close | None = None
        self.closed_at = 0.0
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET {PATH}?stream={self._stream} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.refused = bytes(head.partition(b"\r\n")[0])
                return
            self._buffer, self._upgraded = bytearray(rest), True
            watch = json.dumps({"id": 2, "subscribe": {"channel": f"stream:{self._stream}"}})
            self._send('{"id":1,"connect":{}}\n' + watch)
        while (frame := self._frame()) is not None:
            opcode, payload = frame
            if opcode == 8:
                self.close, self.closed_at = Close.parse(payload), time.monotonic()
                self._transport.close()
            elif b'"id":2' in payload:
                self.watching = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True

    def deaf(self) -> None:
        """Read nothing any more."""
        self._transport.pause_reading()

    def end(self) -> None:
        """Go."""
        self._transport.abort()

    def _send(self, text: str) -> None:
        data = text.encode()
        # Masked with zeros: a client must mask, and nobody reads along here.
        self._transport.write(bytes((0x81, 0x80 | len(data))) + bytes(4) + data)

    def _frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, at = buffer[1], 2
        if length == 126:
            length, at = int.from_bytes(buffer[2:4], "big"), 4
        elif length == 127:
            length, at = int.from_bytes(buffer[2:10], "big"), 10
        if len(buffer) < at + length:
            return None
        frame = buffer[0] & 15, bytes(buffer[at : at + length])
        del buffer[: at + length]
        return frame


async def crowd(port: int, count: int, stream: str = STREAM) -> list[RawViewer]:
    """Bring in raw viewers; returns when all watch."""
    loop, viewers = asyncio.get_running_loop(), list[RawViewer]()
    for at in range(0, count, 100):
        made = [
            loop.create_connection(lambda: RawViewer(stream), "127.0.0.1", port)
            for _ in range(min(100, count - at))
        ]
        viewers += [viewer for _, viewer in await asyncio.gather(*made)]
        await until(lambda now=tuple(viewers): all(viewer.watching for viewer in now))
    return viewers
