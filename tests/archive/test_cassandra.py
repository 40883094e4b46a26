"""The archive in a real Cassandra 5: its times, expiry, migrations, and a node that goes away."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any

import pytest

from livecomments.bench.lone import running
from schemas import settings as config
from schemas.archive import ArchiveError, ArchiveUnavailable, Stored, open_archive
from schemas.archive import cassandra as module
from schemas.archive.cassandra import CassandraArchive
from schemas.archive.cassandra_schema import MIGRATIONS
from schemas.archive.cassandra_session import Session
from tests.archive.events import EPOCH, START_MS, comment, order, segment, seqs, stream_name

pytestmark = pytest.mark.integration
LIMIT_SECONDS = 120.0
DAY_MS = 86_400_000
_names = count(1)


@pytest.fixture
def session(cassandra: config.Cassandra) -> Iterator[Any]:
    """Return the driver's own session, past all our code."""
    opened = Session.connect(cassandra)
    opened.raw.set_keyspace(cassandra.keyspace)
    yield opened.raw
    opened.close()


@pytest.fixture
def other(cassandra: config.Cassandra, session: Any) -> Iterator[config.Cassandra]:
    """Return a keyspace that nobody has made yet."""
    settings = cassandra.model_copy(update={"keyspace": f"other{next(_names)}"})
    yield settings
    session.execute(f"DROP KEYSPACE IF EXISTS {settings.keyspace}", timeout=60)


@pytest.fixture
async def lasting(cassandra: config.Cassandra) -> AsyncIterator[CassandraArchive]:
    """Return an archive whose retention is two days, ten days after the tests' events begin."""
    now = (START_MS + 10 * DAY_MS) / 1000
    archive = CassandraArchive(cassandra, config.Archive(retention_days=2), now=lambda: now)
    await archive.open()
    yield archive
    await archive.close()


def test_is_what_the_settings_name(cassandra: config.Cassandra) -> None:
    """``archive.kind`` chooses it."""
    chosen = config.Settings(archive=config.Archive(kind="cassandra"), cassandra=cassandra)
    assert isinstance(open_archive(chosen), CassandraArchive)


async def test_rows_carry_the_time_of_their_event(shared_cassandra: CassandraArchive, session: Any) -> None:
    """Every row is written as of its event's log-append time; an erasure a microsecond later."""
    stream, victim = stream_name(), stream_name()
    events = [comment(1, user_id=victim), order(2, "delete", "c9"), order(3, "clear", "u1", reason="x")]
    for _ in range(2):
        await shared_cassandra.write([segment(stream, events)])
    where = (stream, EPOCH)
    rows = session.execute(
        "SELECT seq, WRITETIME(text) FROM comments_by_stream WHERE stream_id=%s AND epoch=%s AND bucket=0",
        where,
    )
    assert list(rows) == [(1, events[0]["at"] * 1000)]
    rows = session.execute(
        "SELECT seq, WRITETIME(type), TTL(type) FROM moderation_by_stream "
        "WHERE stream_id=%s AND epoch=%s AND bucket=0",
        where,
    )
    assert list(rows) == [(2, events[1]["at"] * 1000, None), (3, events[2]["at"] * 1000, None)]
    rows = session.execute(
        "SELECT target, seq, WRITETIME(kind) FROM hides_by_stream WHERE stream_id=%s AND epoch=%s", where
    )
    assert list(rows) == [("c9", 2, events[1]["at"] * 1000), ("u1", 3, events[2]["at"] * 1000)]
    assert await shared_cassandra.erase_user(victim) == 1
    rows = session.execute(
        "SELECT text, WRITETIME(text) FROM comments_by_stream WHERE stream_id=%s AND epoch=%s AND bucket=0",
        where,
    )
    assert list(rows) == [("", events[0]["at"] * 1000 + 1)]


async def test_what_is_empty_is_not_written(shared_cassandra: CassandraArchive, session: Any) -> None:
    """A comment without a sticker writes no tombstone for it."""
    stream = stream_name()
    await shared_cassandra.write([segment(stream, [comment(1)])])
    rows = session.execute(
        "SELECT WRITETIME(sticker) FROM comments_by_stream WHERE stream_id=%s AND epoch=%s AND bucket=0",
        (stream, EPOCH),
    )
    assert list(rows) == [(None,)]


async def test_rows_expire_with_the_retention(
    lasting: CassandraArchive, shared_cassandra: CassandraArchive, session: Any
) -> None:
    """Rows live as long as the retention from their event's time on; what has expired is not written."""
    stream, fresh = stream_name(), START_MS + 9 * DAY_MS
    old, new = comment(1), [comment(2, at=fresh), order(3, "delete", "c1", at=fresh)]
    await lasting.write([segment(stream, [old, *new])])
    left = (new[0]["at"] + 2 * DAY_MS - (START_MS + 10 * DAY_MS)) // 1000
    for query in (
        "SELECT seq, TTL(text) FROM comments_by_stream WHERE stream_id=%s AND epoch=%s AND bucket=0",
        "SELECT seq, TTL(type) FROM moderation_by_stream WHERE stream_id=%s AND epoch=%s AND bucket=0",
        "SELECT seq, TTL(kind) FROM hides_by_stream WHERE stream_id=%s AND epoch=%s",
    ):
        ((_, ttl),) = session.execute(query, (stream, EPOCH))
        assert left - 120 <= ttl <= left
    assert await shared_cassandra.end(stream) == Stored(EPOCH, 3)


async def test_an_erasure_expires_with_its_row(lasting: CassandraArchive, session: Any) -> None:
    """Blanks do not outlive the row they cover."""
    stream, victim = stream_name(), stream_name()
    await lasting.write([segment(stream, [comment(1, user_id=victim, at=START_MS + 9 * DAY_MS)])])
    assert await lasting.erase_user(victim) == 1
    ((text, ttl),) = session.execute(
        "SELECT text, TTL(text) FROM comments_by_stream WHERE stream_id=%s AND epoch=%s AND bucket=0",
        (stream, EPOCH),
    )
    assert text == ""
    assert 0 < ttl <= DAY_MS // 1000


async def test_migrations(other: config.Cassandra, session: Any) -> None:
    """A keyspace is made once, two at once do no harm, and the compaction follows the retention."""
    done = await asyncio.gather(*(CassandraArchive(other, config.Archive()).migrate() for _ in range(2)))
    assert sorted(map(list, done)) == [[], [str(each) for each in MIGRATIONS]]
    days = CassandraArchive(other, config.Archive(retention_days=10))
    assert len(await days.migrate()) == 5
    assert await days.migrate() == []
    ((options,),) = session.execute(
        "SELECT compaction FROM system_schema.tables WHERE keyspace_name=%s AND table_name=%s",
        (other.keyspace, "comments_by_stream"),
    )
    assert options["class"].endswith("TimeWindowCompactionStrategy")
    assert options["compaction_window_size"] == "8"


async def test_open_waits_for_the_schema_and_refuses_a_wrong_one(
    other: config.Cassandra, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a schema it waits until there is one; an unfinished one, or one from the future, it refuses."""
    monkeypatch.setattr(module, "RETRY_SECONDS_MAX", 0.5)
    archive = CassandraArchive(other, config.Archive())
    opening = asyncio.create_task(archive.open())
    with pytest.raises(ArchiveUnavailable):
        await archive.write([segment("s", [comment(1)])])
    await archive.migrate()
    async with asyncio.timeout(LIMIT_SECONDS):
        await opening
    await archive.write([segment("s", [comment(1)])])
    assert await archive.end("s") == Stored(EPOCH, 1)
    await archive.close()

    session.set_keyspace(other.keyspace)
    session.execute("UPDATE migrations SET finished = false WHERE number = 1")
    with pytest.raises(ArchiveError, match=r"unfinished: run «livecomments migrate»"):
        await CassandraArchive(other, config.Archive()).open()
    assert await CassandraArchive(other, config.Archive()).migrate() == [str(MIGRATIONS[0])]
    session.execute("INSERT INTO migrations (number, checksum, finished) VALUES (99, 'x', true)")
    for attempt in (CassandraArchive.open, CassandraArchive.migrate):
        with pytest.raises(ArchiveError, match="a later one"):
            await attempt(CassandraArchive(other, config.Archive()))


async def test_a_node_that_is_away_is_waited_for(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """While Cassandra is dead, writes say so and lose nothing; repeated, they succeed when it is back."""
    directory = tmp_path_factory.mktemp("dying")
    with running(directory, "cassandra") as servers:
        archive = CassandraArchive(servers.settings.cassandra, config.Archive())
        await archive.migrate()
        await archive.open()
        stream, away, wrote = stream_name(), 0, 0
        for start in range(1, 2001, 100):
            if start == 501:
                os.kill(servers.pid("cassandra"), signal.SIGKILL)
            part = [segment(stream, [comment(seq) for seq in range(start, start + 100)])]
            async with asyncio.timeout(LIMIT_SECONDS):
                while True:
                    try:
                        await archive.write(part)
                    except ArchiveUnavailable:
                        away += 1
                        await asyncio.sleep(0.2)
                    else:
                        break
            wrote += 100
        assert away > 0
        assert await archive.end(stream) == Stored(EPOCH, wrote)
        assert list(await archive.missing(stream, EPOCH, wrote)) == []
        page = await archive.read(stream, from_seq=400, limit=300)
        assert page is not None
        assert seqs(page.events) == list(range(400, 700))
        await archive.close()
