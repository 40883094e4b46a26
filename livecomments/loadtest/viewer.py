"""One viewer or author on one socket: follows the client rule, and comes back by itself when it is cut."""

import asyncio
import json
import random
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, cast

from livecomments.loadtest import wire
from livecomments.loadtest.tally import Tally

BACKOFF_SECONDS_FIRST = 0.1
BACKOFF_SECONDS_MAX = 5.0
RESET_CODES = range(4500, 5000)


@dataclass(slots=True)
class World:
    """What all sockets of a process share. ``source``: the loopback address they come from."""

    host: str
    port: int
    stream: str
    source: str
    tally: Tally = field(default_factory=Tally)
    chance: random.Random = field(default_factory=random.Random)
    live: int = 0
    """Subscribed now."""
    asked: int = 10
    """Number of the next publish command."""


class Viewer(asyncio.Protocol):
    """See the module. ``token``: "" for a guest. ``deaf``: it never reads after it has subscribed."""

    __slots__ = ("_back_off", "_buffer", "_gone", "_is_live", "_lost_at", "_opened", "_rates", "_replies",
                 "_task", "_transport", "_world", "deaf", "epoch", "seq", "token")  # fmt: skip

    def __init__(self, world: World, token: str = "", *, deaf: bool = False) -> None:
        self._world = world
        self.token = token
        self.deaf = deaf
        self.seq = -1
        self.epoch = ""
        self._buffer = bytearray()
        self._opened = False
        self._is_live = False
        self._gone = False
        self._lost_at = 0.0
        self._back_off = BACKOFF_SECONDS_FIRST
        self._rates = (0, 0)
        self._replies: dict[int, float] = {}
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    async def connect(self) -> None:
        """Connect; a failure is tried again later, by itself."""
        world = self._world
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self, world.host, world.port, local_addr=(world.source, 0))
        except OSError:
            world.tally.count("connect_failures")
            self._later()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast("asyncio.Transport", transport)
        self._opened = False
        self._buffer.clear()
        self._transport.write(wire.request(f"{self._world.host}:{self._world.port}"))

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        buffer = self._buffer
        buffer += data
        if not self._opened:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._upgraded(bytes(buffer[:end]))
            del buffer[: end + 4]
            if not self._opened:
                return
        for frame in wire.frames(buffer):
            if frame.opcode == wire.TEXT:
                for line in frame.payload.split(b"\n"):
                    self._line(line)
            elif frame.opcode == wire.CLOSE:
                self._closed(frame.payload)

    def connection_lost(self, exc: Exception | None) -> None:
        """Come back, unless the load test is over."""
        del exc
        if self._is_live:
            self._is_live = False
            self._world.live -= 1
            self._lost_at = time.monotonic()
            self._world.tally.count("cuts")
        self._transport = None
        for _ in self._replies:
            self._world.tally.count("publishes_unknown")
        self._replies.clear()
        self._later()

    def cut(self) -> None:
        """Break the connection as a lost network would."""
        if self._transport is not None:
            self._transport.abort()

    def leave(self) -> None:
        """Go for good."""
        self._gone = True
        if self._task is not None:
            self._task.cancel()
        self.cut()

    def say(self, kind: str, padding: int) -> None:
        """Submit a comment that says when; lost if there is no connection."""
        if self._transport is None or not self._is_live:
            self._world.tally.count("publishes_missed")
            return
        number = self._world.asked
        self._world.asked += 1
        self._world.tally.count("publishes")
        now = time.monotonic()
        data = {"id": str(uuid.uuid4()), "text": wire.text_of(int(now * 1e6), kind, padding)}
        self._replies[number] = now
        channel = f"stream:{self._world.stream}"
        self._transport.write(wire.commands({"id": number, "publish": {"channel": channel, "data": data}}))

    def _upgraded(self, head: bytes) -> None:
        tally = self._world.tally
        if not head.startswith(b"HTTP/1.1 101"):
            tally.count("handshakes_refused")
            self.cut()
            return
        self._opened = True
        subscribe: dict[str, Any] = {"channel": f"stream:{self._world.stream}"}
        if self.seq >= 0:
            subscribe |= {"recover": True, "epoch": self.epoch, "offset": self.seq}
        connect = {"token": self.token} if self.token else {}
        if self._transport is not None:
            self._transport.write(
                wire.commands({"id": 1, "connect": connect}, {"id": 2, "subscribe": subscribe})
            )

    def _line(self, line: bytes) -> None:
        if line.startswith(b'{"push"'):
            self._push(line)
        elif line == b"{}":
            if self._transport is not None:
                self._transport.write(wire.PONG)
        elif line:
            self._reply(json.loads(line))

    def _push(self, line: bytes) -> None:
        seen = wire.publication(line)
        if seen is None:
            return
        tally = self._world.tally
        tally.count("deliveries")
        if self.seq < 0:
            self.seq = seen.start
        if seen.hole is not None:
            tally.count(f"holes_{seen.hole}")
        elif seen.start > self.seq:
            tally.count("silent_gaps")
        if seen.end <= self.seq:
            # An empty range tells the stream's state alone: viewers, sampling, reactions.
            tally.count("states" if seen.start == seen.end else "repeats")
            return
        self.seq = seen.end
        self._arrived(seen)

    def _arrived(self, seen: wire.Seen) -> None:
        now_us, tally = time.monotonic() * 1e6, self._world.tally
        tally.count("comments", seen.comments)
        for sent_us, kind in seen.sent_us:
            tally.time(f"display_{kind}", (now_us - sent_us) / 1000)
        now_ms = time.time() * 1000
        for at_ms in seen.at_ms:
            tally.time("age", now_ms - at_ms)
        second = int(now_us / 1e6)
        at, count = self._rates
        if at == second:
            self._rates = (at, count + seen.comments)
        else:
            if at == second - 1:
                tally.count(f"rate_{count}")
            self._rates = (second, seen.comments)

    def _reply(self, reply: dict[str, Any]) -> None:
        tally = self._world.tally
        if reply.get("id") == 2 and "subscribe" in reply:
            self._subscribed(reply["subscribe"])
        elif reply.get("id") in {1, 2} and "error" in reply:
            tally.count(f"error_{reply['error']['code']}")
            self.cut()
        elif reply.get("id", 0) >= 10:
            asked = self._replies.pop(reply["id"], None)
            if "error" in reply:
                tally.count(f"refused_{reply['error']['code']}")
            elif asked is not None:
                tally.time("acknowledged", (time.monotonic() - asked) * 1000)

    def _subscribed(self, result: dict[str, Any]) -> None:
        world, tally = self._world, self._world.tally
        self._is_live = True
        world.live += 1
        self._back_off = BACKOFF_SECONDS_FIRST
        self.epoch = result["epoch"]
        if not result.get("was_recovering"):
            tally.count("subscribed")
            self.seq = result.get("offset", 0)
        elif result.get("recovered"):
            tally.count("resumed")
            tally.time("resume", (time.monotonic() - self._lost_at) * 1000)
            for publication in result.get("publications", ()):
                data = publication["data"]
                if data["from"] > self.seq:
                    tally.count("silent_gaps")
                self.seq = max(self.seq, data["to"])
                tally.count("caught_up", sum(each["type"] == "comment" for each in data["events"]))
        else:
            tally.count("not_recovered")
        if self.deaf and self._transport is not None:
            self._transport.pause_reading()

    def _closed(self, payload: bytes) -> None:
        code = int.from_bytes(payload[:2], "big")
        self._world.tally.count(f"closed_{code}")
        if code in RESET_CODES:
            self._gone = True
        self.cut()

    def _later(self) -> None:
        if self._gone:
            return
        wait = self._world.chance.uniform(0, self._back_off)
        self._back_off = min(self._back_off * 2, BACKOFF_SECONDS_MAX)

        async def again() -> None:
            await asyncio.sleep(wait)
            await self.connect()

        self._task = asyncio.get_running_loop().create_task(again())
