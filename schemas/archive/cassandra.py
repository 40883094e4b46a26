"""The archive in Cassandra: a partition a stream, epoch and 16,384 numbers; a page is one slice of it.

Writes that wait together go out together (`schemas.archive.gathering`), in unlogged batches of one
partition each. What makes an event visible or hidden is written before the event, and a stream's batches
one behind the other: when a read finds number n as a stream's end, what came before it is there, and every
delete in force. No counters, no batches across partitions, and no lightweight transactions but the
migrations' lock.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from schemas import settings as config
from schemas.archive import cassandra_rows as rows
from schemas.archive import cassandra_schema as schema
from schemas.archive.base import (
    PAGE_EVENTS_MAX,
    Archive,
    ArchiveError,
    ArchiveUnavailable,
    Listed,
    Page,
    Stored,
)
from schemas.archive.cassandra_cql import STATEMENTS
from schemas.archive.cassandra_erase import erase
from schemas.archive.cassandra_reads import ALL_EVENTS, COMMENTS_ALONE, TOKEN_MIN, Reads
from schemas.archive.cassandra_rows import SEQ_MAX, Partition
from schemas.archive.cassandra_session import FAULTS, Session, unavailable
from schemas.archive.gathering import Gathering
from schemas.archive.paging import Draft, holes, seek
from schemas.records import Event, Sequenced

RETRY_SECONDS_FIRST = 0.5
RETRY_SECONDS_MAX = 5.0
LISTED_MAX = 200_000
"""Epochs and buckets that the writer remembers to have listed; beyond it starts over."""
DAY_SECONDS = 86_400

log = structlog.get_logger()


class CassandraArchive(Archive):
    """See the module. ``now``: seconds since 1970, for retention alone."""

    def __init__(
        self, cassandra: config.Cassandra, archive: config.Archive, *, now: Callable[[], float] = time.time
    ) -> None:
        self._settings = cassandra
        self._retention_days = archive.retention_days
        self._now = now
        self._session: Session | None = None
        self._prepared: dict[str, Any] = {}
        self._binder = rows.Binder({})
        self._writer: ThreadPoolExecutor | None = None
        self._gathering: Gathering | None = None
        self._listed: dict[tuple[str, ...] | Partition, float] = {}

    async def open(self) -> None:
        """Connect; wait for a node, and for the schema."""
        wait, said = RETRY_SECONDS_FIRST, ""
        while self._session is None:
            try:
                self._session = await asyncio.to_thread(self._connect)
                self._writer = ThreadPoolExecutor(1, "archive-writer")
                self._gathering = Gathering(self._commit, self._writer)
            except ArchiveUnavailable as error:
                if said != str(error):
                    log.warning("archive not there yet; waiting", error=str(error))
                said = str(error)
                await asyncio.sleep(wait)
                wait = min(wait * 2, RETRY_SECONDS_MAX)

    async def migrate(self) -> Sequence[str]:
        """Bring the keyspace to this version's schema."""

        def work() -> Sequence[str]:
            session = Session.connect(self._settings)
            try:
                return schema.migrate(session.raw, self._settings, self._retention_days)
            except FAULTS as error:
                raise unavailable(error) from error
            finally:
                session.close()

        return await asyncio.to_thread(work)

    async def close(self) -> None:
        """Finish what is being written, and disconnect."""
        gathering, self._gathering = self._gathering, None
        if gathering is not None:
            await gathering.finish()
        if self._writer is not None:
            await asyncio.to_thread(self._writer.shutdown)
        session, self._session = self._session, None
        if session is not None:
            await asyncio.to_thread(session.close)

    async def write(self, segments: Sequence[Sequenced]) -> None:
        """Upsert, together with whatever else waits."""
        if self._gathering is None:
            raise ArchiveUnavailable("Cassandra: not connected")
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
        """Return a page; the hides are read behind its rows."""
        draft, reads = Draft(from_seq, limit), self._reading()
        last = SEQ_MAX if to_seq is None else to_seq
        tables = COMMENTS_ALONE if comments_only else ALL_EVENTS
        places = await reads.places(stream_id, epoch)
        known = len(places) > 1
        if known:
            places = [place for place, _ in await reads.stored(places)]
        if not places:
            return None
        place = places[-1]
        while True:
            found = await reads.slice(place, (draft.at, last), draft.chunk, tables)
            # With one epoch, as almost always, the rows themselves say whether the stream is known.
            if not found and not known and await reads.end(place) is None:
                return None
            known = True
            if draft.take(found, await reads.overlay(place, found)):
                return draft.page(place.epoch)

    async def raw(self, stream_id: str, epoch: str, from_seq: int, to_seq: int) -> Sequence[Event]:
        """Return all that is stored of a range."""
        found: list[Event] = []
        reads = self._reading()
        (place,) = await reads.places(stream_id, epoch)
        while part := await reads.slice(place, (from_seq, to_seq), PAGE_EVENTS_MAX, ALL_EVENTS):
            found += part
            from_seq = part[-1]["seq"] + 1
        return found

    async def end(self, stream_id: str) -> Stored | None:
        """Return the newest epoch's end."""
        known = await self.epochs(stream_id)
        return known[-1] if known else None

    async def epochs(self, stream_id: str) -> Sequence[Stored]:
        """Return every epoch, oldest first."""
        reads = self._reading()
        return [end for _, end in await reads.stored(await reads.places(stream_id))]

    async def listing(self, after: str | None = None) -> Sequence[Listed]:
        """Return epochs of streams by the token of their first partition."""
        return await self._reading().listing(TOKEN_MIN if after is None else int(after))

    async def seq_at(self, stream_id: str, at_ms: int, epoch: str | None = None) -> int | None:
        """Find a time by halving the range of numbers."""
        reads = self._reading()
        known = await reads.stored(await reads.places(stream_id, epoch))
        if not known:
            return None
        place, end = known[-1]
        search = seek(1, end.seq, at_ms)
        try:
            asked = next(search)
            while True:
                asked = search.send(await reads.first(place, asked))
        except StopIteration as done:
            found: int | None = done.value
            return found

    async def missing(self, stream_id: str, epoch: str, upto: int) -> Sequence[tuple[int, int]]:
        """Return the holes up to ``upto``."""
        reads = self._reading()
        (place,) = await reads.places(stream_id, epoch)
        return await asyncio.to_thread(lambda: list(holes(reads.seqs(place, upto), upto)))

    async def erase_user(self, user_id: str) -> int:
        """Blank a user's rows: every partition is looked through, since an index would cost each write."""
        return await asyncio.to_thread(erase, self._open_session(), self._prepared, user_id)

    def _open_session(self) -> Session:
        if self._session is None:
            raise ArchiveUnavailable("Cassandra: not connected")
        return self._session

    def _reading(self) -> Reads:
        return Reads(self._open_session(), self._prepared)

    def _connect(self) -> Session:
        session = Session.connect(self._settings)
        keyspace = self._settings.keyspace
        try:
            if not schema.exists(session.raw, keyspace):
                raise ArchiveUnavailable(f"keyspace {keyspace} has no schema: run «livecomments migrate»")
            if schema.is_locked(session.raw, keyspace):
                raise ArchiveUnavailable(f"keyspace {keyspace} is being migrated")
            schema.check(session.raw, keyspace)
            session.raw.set_keyspace(keyspace)
            for name, statement in STATEMENTS.items():
                self._prepared[name] = session.raw.prepare(statement)
                self._prepared[name].is_idempotent = True
            self._binder = rows.Binder(self._prepared)
        except FAULTS as error:
            session.close()
            raise unavailable(error) from error
        except (ArchiveUnavailable, ArchiveError):
            session.close()
            raise
        return session

    # Writing, in the writer's thread.

    def _commit(self, segments: Sequence[Sequenced]) -> None:
        try:
            self._write(rows.split(segments))
        except ArchiveUnavailable:
            self._listed.clear()  # whatever happened to it: list anew
            raise

    def _write(self, parts: rows.Split) -> None:
        first = [*self._listing(parts), *self._hiding(parts)]
        if first:
            self._open_session().send([statement] for _, statement in first)
            if len(self._listed) > LISTED_MAX:
                self._listed.clear()
            self._listed.update((key, self._now()) for key, _ in first if key is not None)
        self._open_session().send(map(self._rows, rows.by_stream(parts)))

    def _listing(self, parts: rows.Split) -> Iterator[tuple[Any, Any]]:
        """Yield (key, statement) for epochs and buckets that were not listed yet, or not today."""
        keys: dict[Any, int] = {}
        for partition, events in parts.partitions.items():
            at_us = events[0]["at"] * 1000
            keys.setdefault((partition.epoch,), at_us)
            if partition.bucket:
                keys.setdefault(partition, at_us)
        stale = self._now() - DAY_SECONDS if self._retention_days is not None else 0.0
        # A day longer than the events: a list is written anew once a day.
        ttl = 0 if self._retention_days is None else (self._retention_days + 2) * DAY_SECONDS
        for key, at_us in keys.items():
            if self._listed.get(key, -1.0) >= stale:
                continue
            if isinstance(key, Partition):
                yield key, self._binder.bucket(key, at_us, ttl)
            else:
                yield key, self._binder.epoch(key[0], at_us, ttl)

    def _hiding(self, parts: rows.Split) -> Iterator[tuple[None, Any]]:
        for stream_id, epoch, event in parts.hides:
            for _, ttl in self._living([event]):
                yield None, self._binder.hide(stream_id, epoch, event, ttl)

    def _rows(self, partitions: Iterable[tuple[Partition, Sequence[Event]]]) -> Iterator[Any]:
        """Yield the batches of one stream and epoch, ascending: they become readable in this order."""
        for partition, events in partitions:
            for chunk in rows.chunks(events):
                living = list(self._living(chunk))
                if living:
                    yield self._binder.statements(partition, living)

    def _living(self, events: Iterable[Event]) -> Iterator[tuple[Event, int]]:
        """Yield events that have not expired, with the seconds they have left (0: for ever)."""
        if self._retention_days is None:
            yield from ((event, 0) for event in events)
            return
        begin = self._now() - self._retention_days * DAY_SECONDS
        for event in events:
            left = int(event["at"] / 1000 - begin)
            if left > 0:
                yield event, left
