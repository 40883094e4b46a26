"""An edge with replays: a real archive in a file, Redis as dictionaries."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from centrifuge import Client, Subscription

from edge.api.history import History
from edge.replay.service import Replays
from schemas.archive import Archive, ArchiveUnavailable
from schemas.archive.sqlite import SqliteArchive
from schemas.settings import Archive as ArchiveSettings
from schemas.stores import Head
from tests.api.fakes import FakeDirectory, sequenced
from tests.edge.fakes import STREAM, Stage, stage, until
from tests.edge.test_sdk import Seen

CHANNEL = f"replay:{STREAM}"


@dataclass
class Shelf:
    """What replays are read from. ``away``: the archive does not answer; ``fault``: it cannot be opened."""

    archive: SqliteArchive
    takings: FakeDirectory = field(default_factory=FakeDirectory)
    away: bool = False
    fault: Exception | None = None

    def __post_init__(self) -> None:
        self.reader = History(self._archive, self.takings, self.takings, self.takings.stale.__contains__)  # type: ignore[arg-type]

    async def open(self) -> None:
        if self.fault is not None:
            raise self.fault

    async def close(self) -> None: ...

    async def store(self, *segments: Mapping[str, Any]) -> None:
        """Write to the archive; the window has gone with time."""
        await self.archive.write([sequenced(each) for each in segments])
        for each in segments:
            self.takings.heads[each["stream_id"]] = Head(each["epoch"], each["to_seq"])

    def _archive(self) -> Archive:
        if self.away:
            raise ArchiveUnavailable("the archive does not answer")
        return self.archive


@asynccontextmanager
async def cinema(home: Path, **edge: Any) -> AsyncIterator[tuple[Stage, Shelf]]:
    """Run an edge that plays what is stored."""
    archive = SqliteArchive(home / "archive.sqlite3", ArchiveSettings())
    await archive.open()
    shelf = Shelf(archive)
    replays = Replays(shelf)
    try:
        async with stage(replays=replays, **edge) as on:
            yield on, shelf
    finally:
        await replays.stop()
        await archive.close()


@dataclass
class Viewer:
    """One who replays, through the official SDK."""

    client: Client
    seen: Seen
    subscription: Subscription
    protobuf: bool

    @property
    def reply(self) -> Any:
        """The last subscribe reply's data."""
        return self._read(self.seen.subscribed[-1].data)

    @property
    def seqs(self) -> list[int]:
        """What was shown since the last jump."""
        found: list[int] = []
        for data in self.seen.publications:
            if data.get("seek"):
                found = []
            found += [event["seq"] for event in data["events"]]
        return found

    async def ask(self, **asked: Any) -> Any:
        """Say where the video is; return the answer."""
        return await self.call("replay", **asked)

    async def call(self, method: str, **asked: Any) -> Any:
        """Call the edge; return the answer."""
        data: Any = {"channel": self.subscription.channel} | asked
        found = await self.client.rpc(method, json.dumps(data).encode() if self.protobuf else data)
        return self._read(found.data)

    async def shows(self, *seqs: int) -> None:
        """Wait until exactly these are on the screen."""
        await until(lambda: self.seqs == list(seqs), 10)

    @staticmethod
    def _read(data: Any) -> Any:
        return json.loads(data) if isinstance(data, bytes) else data


async def replay(client: Client, *, protobuf: bool = False, stream: str = STREAM, **asked: Any) -> Viewer:
    """Subscribe to a replay; returns when it began, or the subscription ended."""
    seen = Seen()
    data: Any = json.dumps(asked).encode() if protobuf else asked
    subscription = client.new_subscription(f"replay:{stream}", events=seen, data=data)
    await subscription.subscribe()
    await until(lambda: seen.subscribed or seen.unsubscribed or seen.errors)
    return Viewer(client, seen, subscription, protobuf)
