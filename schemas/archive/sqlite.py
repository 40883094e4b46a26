"""The embedded archive: one SQLite file, one writer thread, several reader threads, several processes.

In WAL mode readers never wait for the writer, and processes share the file: ``persist`` writes while the API
reads. Every commit is synchronised with the disk, so that what `SqliteArchive.write` returned for survives
SIGKILL and loss of power; writes that wait for one commit share the next. A full disk, or a lock that another
process holds for too long, is ArchiveUnavailable.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import structlog

from schemas import settings as config
from schemas.archive import sqlite_rows as rows
from schemas.archive import sqlite_schema as schema
from schemas.archive.base import (
    LISTED_MAX,
    PAGE_EVENTS_MAX,
    Archive,
    ArchiveError,
    ArchiveUnavailable,
    Listed,
    Page,
    Stored,
)
from schemas.archive.gathering import Gathering
from schemas.archive.paging import Draft, holes, oldest_first
from schemas.records import Event, Sequenced

T = TypeVar("T")
BUSY_SECONDS = 5.0
"""How long a statement waits for another process's lock."""
READERS = 4
STREAMS_KNOWN_MAX = 100_000
"""Stream numbers that the writer remembers; beyond it starts over."""
PRUNE_SECONDS = 3_600.0
PRUNE_ROWS_MAX = 10_000
"""Expired rows that one transaction deletes."""
OPEN_RETRY_SECONDS = 1.0
DAY_MS = 86_400_000

log = structlog.get_logger()


class SqliteArchive(Archive):
    """See the module. ``now``: seconds since 1970, for retention alone."""

    def __init__(self, path: Path, archive: config.Archive, *, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._retention_days = archive.retention_days
        self._now = now
        self._writer: ThreadPoolExecutor | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._connections: list[sqlite3.Connection] = []
        self._local = threading.local()
        self._gathering: Gathering | None = None
        self._streams: dict[tuple[str, str], int] = {}
        self._prune_at = 0.0

    async def open(self) -> None:
        """Open the file; make it where there is none."""
        said = False
        while self._writer is None:
            try:
                await asyncio.to_thread(self._prepare)
            except ArchiveUnavailable as error:
                if not said:
                    log.warning("archive cannot be opened; waiting", error=str(error))
                said = True
                await asyncio.sleep(OPEN_RETRY_SECONDS)
            else:
                self._writer = ThreadPoolExecutor(1, "archive-writer")
                self._readers = ThreadPoolExecutor(READERS, "archive-reader")
                self._gathering = Gathering(self._commit, self._writer)

    async def migrate(self) -> Sequence[str]:
        """Bring the file to this version's schema."""

        def work() -> Sequence[str]:
            self._make_directory()
            with self._looked_at() as connection:
                return schema.migrate(connection, self._path)

        return await asyncio.to_thread(work)

    async def close(self) -> None:
        """Finish what is being written, and close."""
        gathering, self._gathering = self._gathering, None
        if gathering is not None:
            await gathering.finish()
        for pool in (self._writer, self._readers):
            if pool is not None:
                await asyncio.to_thread(pool.shutdown)
        self._writer = self._readers = None
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        self._local = threading.local()

    async def write(self, segments: Sequence[Sequenced]) -> None:
        """Upsert; one commit takes all writes that wait for it."""
        if self._gathering is None:
            raise ArchiveUnavailable(f"{self._path}: not open")
        await self._gathering.write(segments)

    async def read(
        self,
        stream_id: str,
        *,
        from_seq: int,
        to_seq: int | None = None,
        limit: int = PAGE_EVENTS_MAX,
        epoch: str | None = None,
        comments_only: bool = True,
    ) -> Page | None:
        """Return a page, as of one moment."""
        draft = Draft(from_seq, limit)

        def work(connection: sqlite3.Connection) -> Page | None:
            known = {row.epoch: row for row in rows.epochs(connection, stream_id)}
            newest = oldest_first(row.place for row in known.values())[-1:]
            wanted = epoch if epoch is not None else next((each.epoch for each in newest), "")
            if wanted not in known:
                return None
            at = known[wanted].number
            asked = rows.Asked(at, from_seq, to_seq, comments_only=comments_only)
            return _page(connection, wanted, asked, draft)

        return await self._read(work)

    async def raw(self, stream_id: str, epoch: str, from_seq: int, to_seq: int) -> Sequence[Event]:
        """Return all that is stored of a range."""

        def work(connection: sqlite3.Connection) -> Sequence[Event]:
            at = rows.number(connection, stream_id, epoch)
            if at is None:
                return ()
            asked = rows.Asked(at, from_seq, to_seq, comments_only=False)
            return rows.events(connection, asked, max(0, to_seq - from_seq + 1))

        return await self._read(work)

    async def end(self, stream_id: str) -> Stored | None:
        """Return the newest epoch's end."""
        known = await self.epochs(stream_id)
        return known[-1] if known else None

    async def epochs(self, stream_id: str) -> Sequence[Stored]:
        """Return every epoch, oldest first."""

        def work(connection: sqlite3.Connection) -> Sequence[Stored]:
            return oldest_first(row.place for row in rows.epochs(connection, stream_id))

        return await self._read(work)

    async def listing(self, after: str | None = None) -> Sequence[Listed]:
        """Return epochs of streams as they came into the file."""
        behind = 0 if after is None else int(after)
        return await self._read(lambda connection: list(rows.listing(connection, behind, LISTED_MAX)))

    async def seq_at(self, stream_id: str, at_ms: int, epoch: str | None = None) -> int | None:
        """Find a time by halving the range of numbers."""

        def work(connection: sqlite3.Connection) -> int | None:
            known = oldest_first(row.place for row in rows.epochs(connection, stream_id))
            wanted = next((each for each in reversed(known) if epoch in {None, each.epoch}), None)
            at = rows.number(connection, stream_id, wanted.epoch) if wanted else None
            return None if at is None else rows.seq_at(connection, at, at_ms)

        return await self._read(work)

    async def missing(self, stream_id: str, epoch: str, upto: int) -> Sequence[tuple[int, int]]:
        """Return the holes up to ``upto``."""

        def work(connection: sqlite3.Connection) -> Sequence[tuple[int, int]]:
            at = rows.number(connection, stream_id, epoch)
            return list(holes(() if at is None else rows.seqs(connection, at, upto), upto))

        return await self._read(work)

    async def erase_user(self, user_id: str) -> int:
        """Blank a user's rows, a stream a transaction, then take the old content out of the file."""

        def work() -> int:
            with self._translated():
                connection = self._connection()
                connection.execute("PRAGMA secure_delete = ON")
                try:
                    changed = 0
                    for (number,) in connection.execute("SELECT id FROM streams ORDER BY id").fetchall():
                        with _transaction(connection):
                            changed += rows.erase(connection, number, user_id)
                    # The log in front of the file still holds the old pages.
                    if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                        log.warning("erased content is in the write-ahead log until readers are done with it")
                finally:
                    connection.execute("PRAGMA secure_delete = OFF")
                return changed

        return await asyncio.get_running_loop().run_in_executor(self._pool(self._writer), work)

    def _commit(self, segments: Iterable[Sequenced]) -> None:
        with self._translated():
            connection = self._connection()
            fresh: dict[tuple[str, str], int] = {}
            with _transaction(connection):
                for segment in segments:
                    key = segment["stream_id"], segment["epoch"]
                    at = self._streams.get(key) or fresh.get(key)
                    if at is None:
                        at = fresh[key] = rows.enter(connection, *key)
                    rows.put(connection, at, segment["events"])
            if len(self._streams) + len(fresh) > STREAMS_KNOWN_MAX:
                self._streams.clear()
            self._streams.update(fresh)
            self._prune(connection)

    def _prune(self, connection: sqlite3.Connection) -> None:
        """Delete what is older than the retention, now and then, a bounded piece at a time."""
        if self._retention_days is None or self._now() < self._prune_at:
            return
        before = round(self._now() * 1000) - self._retention_days * DAY_MS
        with _transaction(connection):
            left = rows.prune(connection, before, PRUNE_ROWS_MAX)
        if not left:
            self._prune_at = self._now() + PRUNE_SECONDS

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in a reader thread, in one snapshot."""

        def run() -> T:
            with self._translated():
                connection = self._connection()
                with _transaction(connection, "BEGIN"):
                    return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._pool(self._readers), run)

    def _pool(self, pool: ThreadPoolExecutor | None) -> ThreadPoolExecutor:
        if pool is None:
            raise ArchiveUnavailable(f"{self._path}: not open")
        return pool

    def _prepare(self) -> None:
        self._make_directory()
        with self._looked_at() as connection:
            if schema.is_new(connection):
                schema.migrate(connection, self._path)
            schema.check(connection, self._path)

    def _make_directory(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArchiveError(f"{self._path.parent}: cannot be made: {error.strerror}") from error

    def _connection(self) -> sqlite3.Connection:
        """Return this thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connected()
            self._connections.append(connection)
        return connection

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -65536")  # KiB
        return connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise ArchiveUnavailable(f"{self._path}: {error}") from error

    @contextmanager
    def _looked_at(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection for the schema; a file that is no archive is the operator's to mend."""
        with self._translated():
            try:
                with closing(self._connected()) as connection:
                    yield connection
            except sqlite3.DatabaseError as error:
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                if code not in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
                    raise
                said = f"{self._path}: {error}: bring back a copy, or name another file"
                raise ArchiveError(said) from error


def _page(connection: sqlite3.Connection, epoch: str, asked: rows.Asked, draft: Draft) -> Page:
    while True:
        found = rows.events(connection, asked._replace(from_seq=draft.at), draft.chunk)
        if draft.take(found, rows.overlay(connection, asked.stream, found)):
            return draft.page(epoch)


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
