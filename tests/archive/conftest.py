"""Both stores: SQLite in a directory of the test's own, and one real Cassandra 5 for the whole run."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from livecomments.bench.lone import running
from schemas import settings as config
from schemas.archive import Archive
from schemas.archive.cassandra import CassandraArchive
from schemas.archive.sqlite import SqliteArchive

STORES = ("sqlite", pytest.param("cassandra", marks=pytest.mark.integration))


def in_thread(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine to its end on a loop of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(work())).result()


@pytest.fixture(scope="session")
def cassandra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[config.Cassandra]:
    """Run a Cassandra; return how to reach it, with a keyspace that is migrated."""
    with running(tmp_path_factory.mktemp("cassandra"), "cassandra") as servers:
        settings = servers.settings.cassandra.model_copy(update={"keyspace": "tests"})
        in_thread(CassandraArchive(settings, config.Archive()).migrate)
        yield settings


@pytest.fixture(scope="session")
def shared_cassandra(cassandra: config.Cassandra) -> Iterator[CassandraArchive]:
    """Return one open archive for all: connecting takes a second, and it belongs to no loop."""
    archive = CassandraArchive(cassandra, config.Archive())
    in_thread(archive.open)
    yield archive
    in_thread(archive.close)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    """Return a store; SQLite's is to be opened."""
    if request.param == "cassandra":
        shared: Archive = request.getfixturevalue("shared_cassandra")
        return shared
    return SqliteArchive(tmp_path / "archive.sqlite3", config.Archive())


@pytest.fixture
async def archive(store: Archive) -> AsyncIterator[Archive]:
    """Return an open archive of each kind in turn."""
    if isinstance(store, SqliteArchive):
        await store.open()
        yield store
        await store.close()
    else:
        yield store
