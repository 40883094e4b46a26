"""Fakes for the edge: a feed in memory, a gateway that writes into it, records, raw sockets."""

import asyncio
import json
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from edge.auth import Viewer
from edge.feed.base import Sink
from edge.revocation import Revoked
from edge.server import Parts, Server
from schemas.records import Command, FanoutEvent
from schemas.refusals import LEFT_OUT, Code, Refusal
from schemas.routing import partition_of
from schemas.settings import Auth, Edge, Kafka, Settings

EPOCH = "test-0"
STREAM = "demo"
AT = 1_795_490_000_000
MASK_ALL = -1


def comment(
    seq: int, *, user: str = "ana", text: str = "", mask: int = MASK_ALL, id_: str = ""
) -> FanoutEvent:
    """One comment event, as `comments.fanout` has it."""
    return {
        "type": "comment",
        "seq": seq,
        "at": AT + seq,
        "id": id_ or f"00000000-0000-4000-8000-{seq:012d}",
        "user_id": user,
        "user_name": user.title(),
        "role": "viewer",
        "text": text or f"comment {seq}",
        "sticker": None,
        "command": None,
        "mask": mask,
        "copies": 1,
    }


def command(seq: int, type_: str, target: str, *, user: str = "mod") -> FanoutEvent:
    """One moderation event."""
    arguments: Command = {"target": target, "seconds": None, "reason": None, "settings": None}
    event = comment(seq, user=user)
    event |= {"type": type_, "command": arguments, "text": ""}  # type: ignore[typeddict-item]
    return event


def segment(
    events: Sequence[FanoutEvent],
    *,
    stream: str = STREAM,
    epoch: str = EPOCH,
    from_seq: int | None = None,
    to_seq: int | None = None,
    sampled: bool = False,
) -> dict[str, Any]:
    """One fanout record; by default it covers exactly its events."""
    return {
        "stream_id": stream,
        "epoch": epoch,
        "from_seq": events[0]["seq"] - 1 if from_seq is None else from_seq,
        "to_seq": events[-1]["seq"] if to_seq is None else to_seq,
        "origin": {"offset": 0, "index": 0},
        "covered": {"offset": 0, "index": 0},
        "claim": "",
        "token": 0,
        "source_token": 0,
        "viewers": -1,
        "sampled": sampled,
        "why": None,
        "reactions": None,
        "events": list(events),
    }


def comments(first: int, last: int, **more: Any) -> dict[str, Any]:
    """One record with the comments ``first`` to ``last``."""
    return segment([comment(seq) for seq in range(first, last + 1)], **more)


class MemoryFeed:
    """A log in memory. A partition that is wanted is told from its beginning, when it is reached."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self.log: dict[int, list[dict[str, Any]]] = defaultdict(list)
        self.told: dict[int, int] = {}
        self.held = False
        self.away = False
        self.ready = True
        self.tasks: list[asyncio.Task[None]] = []

    async def start(self, sink: Sink) -> None:
        self.sink = sink

    async def stop(self) -> None: ...

    def place_of(self, stream_id: str) -> int:
        return partition_of(stream_id, self._partitions)

    def want(self, partition: Any) -> None:
        self.told.setdefault(partition, 0)
        self._tell(partition)

    def release(self, partition: Any) -> None:
        del self.told[partition]

    async def reach(self, partition: Any, since: float, within: float) -> bool:
        await asyncio.sleep(0)
        if not self.away and since > float("-inf"):
            self.held = False
        self._tell(partition)
        return not self.away

    def push(self, record: dict[str, Any]) -> None:
        """Append to the log; told at once where the partition is wanted, unless the feed is held."""
        partition = partition_of(record["stream_id"], self._partitions)
        self.log[partition].append(record)
        self._tell(partition)

    def _tell(self, partition: int) -> None:
        if self.held or self.away or partition not in self.told:
            return
        while self.told[partition] < len(self.log[partition]):
            self.told[partition] += 1
            self.sink.segment(partition, self.log[partition][self.told[partition] - 1])


class MemoryNotices:
    """One partition of notices in memory, told when it is wanted."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.first = 0
        self.lead = 0
        self.told = 0
        self.away = False
        self.wanted = False
        self.tasks: list[asyncio.Task[None]] = []

    async def start(self, sink: Any) -> None:
        self.sink = sink

    def partition_of(self, user_id: str) -> int:
        return 0

    def start_of(self, partition: int) -> int:
        return self.first

    def next_of(self, partition: int) -> int:
        return self.told

    def want(self, place: int) -> None:
        if not self.wanted:
            self.wanted, self.told = True, self.lead
        self._tell()

    def release(self, place: int) -> None:
        self.wanted = False

    async def reach(self, place: int, since: float, within: float) -> bool:
        await asyncio.sleep(0)
        self._tell()
        return not self.away

    def push(self, user: str, id_: str, *, stream: str = STREAM, code: Code = Code.MODERATED) -> None:
        """Append a notice; told at once where the partition is wanted."""
        self._append(stream, user, id_, int(code))

    def give_back(self, own: Any, epoch: str = EPOCH, stream: str = STREAM) -> None:
        """Append a comment that was left out, for its author."""
        names = ("seq", "at", "id", "user_id", "user_name", "role", "text", "sticker")
        quoted = {name: own[name] for name in names}
        self._append(stream, own["user_id"], own["id"], LEFT_OUT, epoch=epoch, comment=quoted)

    def _append(self, stream: str, user: str, id_: str, code: int, **more: Any) -> None:
        notice = {
            "stream_id": stream,
            "user_id": user,
            "id": id_,
            "code": code,
            "reason": "no",
            "at": AT,
            **more,
        }
        self.log.append(notice)
        if self.wanted and not self.away:
            self._tell()

    def _tell(self) -> None:
        while not self.away and self.told < len(self.log):
            at = self.told
            self.told += 1
            self.sink.notice(0, at, self.log[at], served=at >= self.first)


@dataclass
class FakeDoor:
    """A gateway that appends to the feed; refuses what a test says."""

    feed: MemoryFeed
    refusal: Refusal | None = None
    seqs: dict[str, int] = field(default_factory=dict)

    async def comment(
        self, viewer: Viewer, stream_id: str, *, id: str | None, text: str, sticker: str | None = None
    ) -> object:
        if not viewer.may_write(stream_id):
            raise Refusal(Code.READ_ONLY)
        if self.refusal is not None:
            raise self.refusal
        seq = self.seqs[stream_id] = self.seqs.get(stream_id, 0) + 1
        event = comment(seq, user=viewer.user_id, text=text, id_=id or str(uuid.uuid4()))
        self.feed.push(segment([event], stream=stream_id))
        return object()


@dataclass
class Stage:
    """A running edge on fakes."""

    server: Server
    feed: MemoryFeed
    door: FakeDoor
    settings: Settings
    notices: MemoryNotices
    revoked: Revoked

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.server.port}/connection/websocket"

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"


@asynccontextmanager
async def stage(
    *, past: Any = None, auth: dict[str, Any] | None = None, replays: Any = None, **edge: Any
) -> AsyncIterator[Stage]:
    """Run an edge on any free port; ``edge`` and ``auth`` are settings."""
    # Port 0 is not for operators; the kernel picks.
    section = Edge(**edge).model_copy(update={"port": 0})
    settings = Settings(edge=section, kafka=Kafka(partitions=4), auth=Auth(**(auth or {})))
    server = Server(settings)
    feed = MemoryFeed(4)
    door, notices, revoked = FakeDoor(feed), MemoryNotices(), Revoked()
    await server.listen()
    try:
        ready = {"feed": lambda: feed.ready}
        parts = Parts(feed, door, EPOCH, past, ready, notices, revoked, replays)  # type: ignore[arg-type]
        await server.open(parts)
        yield Stage(server, feed, door, settings, notices, revoked)
    finally:
        server.close()
        await until(lambda: not server.connections)


async def until(condition: Callable[[], Any], seconds: float = 5) -> None:
    """Wait for a condition, with a limit."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


def documents(text: str | bytes) -> list[dict[str, Any]]:
    """Read a JSON message's lines."""
    lines = text.decode() if isinstance(text, bytes) else text
    return [json.loads(line) for line in lines.split("\n")]
