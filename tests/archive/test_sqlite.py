"""The embedded archive: processes that share a file, durability, full disks, locks, foreign files, expiry."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from schemas.archive import ArchiveError, ArchiveUnavailable, Stored, open_archive, sqlite
from schemas.archive import sqlite_rows as rows
from schemas.archive.sqlite import SqliteArchive
from schemas.archive.sqlite_schema import MIGRATIONS
from schemas.settings import Archive, Settings
from tests.archive.events import EPOCH, START_MS, comment, order, segment, seqs

ROOT = Path(__file__).parents[2]
LIMIT_SECONDS = 60.0
DAY_MS = 86_400_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "archive.sqlite3"


@pytest.fixture
async def archive(path: Path) -> AsyncIterator[SqliteArchive]:
    opened = SqliteArchive(path, Archive())
    await opened.open()
    yield opened
    await opened.close()


@contextmanager
def writer(path: Path, stream: str, segments: int) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.archive.writer", str(path), stream, str(segments)]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def foreign(directory: Path, content: bytes) -> Path:
    path = directory / "foreign"
    path.write_bytes(content)
    return path


def lines(process: "subprocess.Popen[str]") -> Iterator[str]:
    assert process.stdout is not None
    return iter(process.stdout)


async def test_is_what_the_settings_name(tmp_path: Path) -> None:
    """The embedded archive is the default, in the data directory."""
    archive = open_archive(Settings(data=tmp_path))
    await archive.open()
    await archive.close()
    assert (tmp_path / "archive.sqlite3").is_file()


async def test_not_open_is_unavailable(path: Path) -> None:
    """Before `open` and after `close` every call says so, and may be repeated."""
    archive = SqliteArchive(path, Archive())
    for _ in range(2):
        with pytest.raises(ArchiveUnavailable):
            await archive.write([segment("s", [comment(1)])])
        with pytest.raises(ArchiveUnavailable):
            await archive.read("s", from_seq=1)
        await archive.open()
        await archive.write([segment("s", [comment(1)])])
        await archive.close()


async def test_two_processes_write_while_a_third_reads(archive: SqliteArchive, path: Path) -> None:
    """Writers of two processes wait for each other; what either says is durable is read at once, in order."""
    with writer(path, "s1", 150) as first, writer(path, "s2", 150) as second:
        for one, two in zip(lines(first), lines(second), strict=True):
            for stream, said in (("s1", int(one)), ("s2", int(two))):
                end = await archive.end(stream)
                assert end is not None
                assert end.seq >= said
                page = await archive.read(stream, from_seq=max(1, said - 4), limit=5)
                assert page is not None
                assert seqs(page.events) == list(range(said - 4, said + 1))
        assert (first.wait(LIMIT_SECONDS), second.wait(LIMIT_SECONDS)) == (0, 0)
    for stream in ("s1", "s2"):
        assert list(await archive.missing(stream, EPOCH, 750)) == []


async def test_sigkill_loses_nothing_that_was_said(path: Path) -> None:
    """A writer that is killed at any moment has lost nothing that its `write` returned for."""
    said = 0
    for round_ in range(1, 5):
        with writer(path, f"s{round_}", 100_000) as process:
            for count, line in enumerate(lines(process)):
                said = int(line)
                if count == 7 * round_:
                    process.kill()
        archive = SqliteArchive(path, Archive())
        await archive.open()
        end = await archive.end(f"s{round_}")
        assert end is not None
        assert end.seq >= said
        assert list(await archive.missing(f"s{round_}", EPOCH, end.seq)) == []
        await archive.close()


async def test_many_open_a_new_file_at_once(path: Path) -> None:
    """Whoever comes first makes the schema; the others find it."""
    archives = [SqliteArchive(path, Archive()) for _ in range(6)]
    async with asyncio.timeout(LIMIT_SECONDS):
        await asyncio.gather(*(each.open() for each in archives))
    for number, each in enumerate(archives):
        await each.write([segment(f"s{number}", [comment(1)])])
        await each.close()


async def test_a_lock_that_is_held_is_unavailable(
    archive: SqliteArchive, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write behind somebody's lock gives up within a bound, reads go on, and the next write works."""
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.2)
    await archive.close()
    await archive.open()
    await archive.write([segment("s", [comment(1)])])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ArchiveUnavailable, match="locked"):
            await archive.write([segment("s", [comment(2)])])
        assert await archive.end("s") == Stored(EPOCH, 1)
        other.execute("ROLLBACK")
    await archive.write([segment("s", [comment(2)])])
    assert await archive.end("s") == Stored(EPOCH, 2)


async def test_a_full_disk_is_unavailable(
    path: Path, archive: SqliteArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit is not half written, and is taken once there is room."""
    big = [segment("big", [comment(seq, text="x" * 4000) for seq in range(1, 200)])]
    await archive.write([segment("s", [comment(1)])])
    connected = SqliteArchive._connected
    pages_max = 30

    def small(self: SqliteArchive) -> sqlite3.Connection:
        connection = connected(self)
        connection.execute(f"PRAGMA max_page_count = {pages_max}")
        return connection

    monkeypatch.setattr(SqliteArchive, "_connected", small)
    full = SqliteArchive(path, Archive())
    await full.open()
    with pytest.raises(ArchiveUnavailable, match="full"):
        await full.write(big)
    assert await full.end("big") is None
    assert await full.end("s") == Stored(EPOCH, 1)
    await full.close()
    pages_max = 1_000_000
    await full.open()
    await full.write(big)
    assert await full.end("big") == Stored(EPOCH, 199)
    await full.close()


async def test_a_failed_commit_forgets_its_streams(archive: SqliteArchive, path: Path) -> None:
    """A stream whose first write was rolled back is entered anew by the next."""
    bad = segment("s", [comment(1), comment(2, text=None)])
    with pytest.raises(ArchiveUnavailable, match="NOT NULL"):
        await archive.write([bad])
    await archive.write([segment("other", [comment(1)])])
    await archive.write([segment("s", [comment(1)])])
    assert await archive.end("s") == Stored(EPOCH, 1)
    assert await archive.end("other") == Stored(EPOCH, 1)


async def test_erased_text_is_not_in_the_file(archive: SqliteArchive, path: Path) -> None:
    """After an erasure the file and its log hold the text nowhere."""
    secret = "a very particular sentence"
    events = [comment(seq, text=f"{secret} {seq}", user_id=f"u{seq % 2}") for seq in range(1, 400)]
    await archive.write([segment("s", events)])
    for user in ("u0", "u1"):
        await archive.erase_user(user)
    await archive.close()
    for file in path.parent.iterdir():
        assert secret.encode() not in file.read_bytes(), file


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to look", b"SQLite format 3\0" + b"?" * 4096]
)
async def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    """What is no database is the operator's mistake, and is left as it is."""
    path = foreign(tmp_path, content)
    archive = SqliteArchive(path, Archive())
    with pytest.raises(ArchiveError, match="another file"):
        await archive.open()
    with pytest.raises(ArchiveError, match="another file"):
        await archive.migrate()
    assert await asyncio.to_thread(path.read_bytes) == content


async def test_a_database_of_something_else_is_refused(path: Path) -> None:
    """Another program's database gets no tables of ours."""
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE mine (x)")
    archive = SqliteArchive(path, Archive())
    with pytest.raises(ArchiveError, match="something else"):
        await archive.open()
    with pytest.raises(ArchiveError, match="something else"):
        await archive.migrate()
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT name FROM sqlite_schema").fetchall() == [("mine",)]


@pytest.mark.parametrize(
    ("change", "said", "mends"),
    [
        ("INSERT INTO migrations VALUES (99, 'x', 'x', 1)", "later one", False),
        ("UPDATE migrations SET finished = 0", "unfinished.*livecomments migrate", True),
        ("UPDATE migrations SET checksum = 'x'", "other content", False),
        ("DELETE FROM migrations WHERE number = 1", "not applied.*livecomments migrate", True),
    ],
)
async def test_a_schema_of_another_version_is_refused(
    archive: SqliteArchive, path: Path, change: str, said: str, mends: bool
) -> None:
    """A schema from the future, an unfinished, an older one are told apart; `migrate` mends what it can."""
    await archive.write([segment("s", [comment(1)])])
    await archive.close()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute(change)
    with pytest.raises(ArchiveError, match=said):
        await archive.open()
    if mends:
        assert await archive.migrate() == [str(MIGRATIONS[0])]
        await archive.open()
        assert await archive.end("s") == Stored(EPOCH, 1)
    else:
        with pytest.raises(ArchiveError, match=said):
            await archive.migrate()


async def test_migrate_makes_a_new_file(path: Path) -> None:
    """Migrating is making, and doing it again is doing nothing."""
    archive = SqliteArchive(path, Archive())
    assert await archive.migrate() == [str(each) for each in MIGRATIONS]
    assert await archive.migrate() == []


async def test_what_is_older_than_the_retention_goes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a retention, old events and the hides that are older than all that is left are deleted."""
    monkeypatch.setattr(sqlite, "PRUNE_ROWS_MAX", 7)
    now_ms = START_MS + 10 * DAY_MS
    archive = SqliteArchive(path, Archive(retention_days=2), now=lambda: now_ms / 1000)
    await archive.open()
    day = [comment(seq, at=START_MS + (seq - 1) * DAY_MS // 10) for seq in range(1, 101)]
    day[3], day[90] = order(4, "delete", "c2", at=day[3]["at"]), order(91, "delete", "c90", at=day[90]["at"])
    await archive.write([segment("s", day), segment("old", day[:20]), segment("empty", day[:1])])
    for _ in range(30):  # a piece a commit
        await archive.write([])
    kept = list(range(81, 101))
    assert seqs(await archive.raw("s", EPOCH, 1, 100)) == kept
    assert await archive.end("old") is None
    assert await archive.read("old", from_seq=1) is None
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT target FROM hides").fetchall() == [("c90",)]
    await archive.close()


async def test_a_time_is_found_without_a_look_at_every_row(path: Path, archive: SqliteArchive) -> None:
    """What it costs grows with the logarithm of a stream's length: a replay's seek, a histogram's parts."""
    count = 20_000
    await archive.write([segment("long", [comment(seq) for seq in range(1, count + 1)])])
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    with closing(sqlite3.connect(path)) as connection:
        connection.set_progress_handler(step, 10)
        assert rows.seq_at(connection, 1, START_MS + 7_777_500) == 7_778
    assert steps * 10 < count / 4
