"""A Redis at the rim: windows, heads and Pub/Sub in memory, and every way to lose a message."""

import asyncio
from collections import defaultdict
from typing import Any

from redis.exceptions import ConnectionError as Gone

from schemas import stores
from schemas.codec import codec


class FakePubSub:
    """One connection. What `FakeRedis` sends goes through `inbox`."""

    def __init__(self, server: "FakeRedis") -> None:
        self.server = server
        self.channels: set[str] = set()
        self.inbox: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.cut = False

    async def connect(self) -> None:
        self.server.check()
        self.server.connections.append(self)

    async def subscribe(self, *channels: str) -> None:
        self._check()
        for channel in channels:
            self.channels.add(channel)
            self._send("subscribe", channel)

    async def unsubscribe(self, *channels: str) -> None:
        self._check()
        self.channels.difference_update(channels)

    async def ping(self) -> None:
        self._check()
        if not self.server.mute:
            self._send("pong", "")

    async def get_message(self, *, timeout: float | None) -> dict[str, Any]:  # noqa: ASYNC109 - as redis has it
        del timeout
        self._check()
        message = await self.inbox.get()
        if message is None:
            raise Gone
        return message

    async def aclose(self) -> None:
        if self in self.server.connections:
            self.server.connections.remove(self)

    def kill(self) -> None:
        """Cut it: what was on its way is lost."""
        self.cut = True
        self.inbox.put_nowait(None)

    def deliver(self, channel: str, data: bytes) -> None:
        if channel in self.channels:
            self._send("message", channel, data)

    def _send(self, type_: str, channel: str, data: bytes = b"") -> None:
        self.inbox.put_nowait({"type": type_, "channel": channel.encode(), "data": data})

    def _check(self) -> None:
        if self.cut:
            raise Gone
        self.server.check()


class FakeRedis:
    """What `RedisFeed` asks of a client."""

    def __init__(self) -> None:
        self.windows: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
        self.heads: dict[str, bytes] = {}
        self.connections: list[FakePubSub] = []
        self.away = False
        self.mute = False
        """Whether pings are not answered."""

    def pubsub(self) -> FakePubSub:
        return FakePubSub(self)

    async def mget(self, keys: list[str]) -> list[bytes | None]:
        await asyncio.sleep(0)
        self.check()
        return [self.heads.get(key) for key in keys]

    async def get(self, key: str) -> bytes | None:
        return (await self.mget([key]))[0]

    async def zrevrangebyscore(self, key: str, _top: str, above: str, _start: int, count: int) -> list[bytes]:
        await asyncio.sleep(0)
        self.check()
        found = [row for score, row in self.windows[key] if score > int(above.removeprefix("("))]
        return found[::-1][:count]

    async def aclose(self) -> None: ...

    def put(
        self, record: dict[str, Any], *, lost: bool = False, stored: bool = True, appended_ms: int = 0
    ) -> None:
        """Write as persist does: window, head, message; ``lost``: the message reaches nobody."""
        stream_id, epoch, end = record["stream_id"], record["epoch"], record["to_seq"]
        raw = codec("fanout").encode(record)
        if stored:
            self.windows[stores.window(stream_id, epoch)].append((end, raw))
            self.heads[stores.head(stream_id)] = stores.Head(epoch, end).to_text().encode()
        for connection in self.connections:
            if not lost:
                connection.deliver(stores.channel(stream_id), stores.message(raw, appended_ms))

    def flush(self) -> None:
        """FLUSHALL."""
        self.windows.clear()
        self.heads.clear()

    def check(self) -> None:
        """Raise where the server is away."""
        if self.away:
            raise Gone
