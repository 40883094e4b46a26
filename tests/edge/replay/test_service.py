"""Where replays are read from: opened when the first one is wanted, and once."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from edge.replay import service
from edge.replay.service import StoredLibrary
from schemas.archive import Archive, ArchiveError, ArchiveUnavailable
from schemas.archive.sqlite import SqliteArchive
from schemas.settings import Archive as ArchiveSettings
from schemas.settings import Kafka, Settings

NOWHERE = "127.0.0.1:9"
"""Nobody listens there: what is not asked does not matter, and what is, is away."""


@asynccontextmanager
async def library(make: Any) -> AsyncIterator[StoredLibrary]:
    settings = Settings(kafka=Kafka(bootstrap=NOWHERE, partitions=4))
    redis: Redis = Redis.from_url(f"redis://{NOWHERE}")
    window: Any = None
    made = StoredLibrary(settings, redis, window, asyncio.get_running_loop().time, make)
    try:
        yield made
    finally:
        await made.close()
        await redis.aclose()


def sqlite(path: Path) -> Archive:
    return SqliteArchive(path, ArchiveSettings())


async def test_nothing_is_opened_before_it_is_wanted(tmp_path: Path) -> None:
    """An edge without replays needs no archive, and makes none."""
    path = tmp_path / "archive.sqlite3"
    async with library(lambda _: sqlite(path)) as made:
        with pytest.raises(ArchiveUnavailable):
            await made.reader.extent("demo")
    assert not path.exists()


async def test_it_is_opened_once_and_beside_the_loop(tmp_path: Path) -> None:
    """However many want it at once; and its driver is imported where live viewers do not wait for it."""
    makers: list[int] = []

    def make(_: Settings) -> Archive:
        makers.append(threading.get_ident())
        return sqlite(tmp_path / "archive.sqlite3")

    async with library(make) as made:
        await asyncio.gather(*(made.open() for _ in range(5)))
        assert await made.reader.extent("demo") is None
    assert len(makers) == 1
    assert makers[0] != threading.get_ident()


async def test_an_archive_that_takes_long(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody waits for ever: it is away, until it is open."""
    monkeypatch.setattr(service, "OPEN_SECONDS", 0.01)
    go = asyncio.Event()

    class Slow(SqliteArchive):
        async def open(self) -> None:
            await go.wait()
            await super().open()

    async with library(lambda _: Slow(tmp_path / "archive.sqlite3", ArchiveSettings())) as made:
        with pytest.raises(ArchiveUnavailable):
            await made.open()
        go.set()
        monkeypatch.setattr(service, "OPEN_SECONDS", 5.0)
        await made.open()


async def test_an_archive_that_is_none(tmp_path: Path) -> None:
    """The operator's fault is told as such, each time."""
    path = tmp_path / "archive.sqlite3"
    path.write_bytes(b"something else" * 100)
    async with library(lambda _: sqlite(path)) as made:
        for _ in range(2):
            with pytest.raises(ArchiveError):
                await made.open()
