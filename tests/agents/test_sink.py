"""What persist does when it takes a partition: whatever the archive lacks and the log has comes back."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from agents.log import Record
from agents.persist import ArchiveSink
from agents.sink import Sink, SinkRunner
from agents.testing import MemoryLog
from schemas.archive import ArchiveUnavailable, Stored
from schemas.archive.sqlite import SqliteArchive
from schemas.codec import codec
from schemas.records import Sequenced
from schemas.settings import Archive
from schemas.topics import SEQUENCED
from tests.archive.events import EPOCH, START_MS, comment, segment

STREAMS = ("one", "two", "three")
RECORDS = 30
LIMIT_SECONDS = 20


def encoded(record: Sequenced) -> tuple[bytes, bytes]:
    return record["stream_id"].encode(), codec(SEQUENCED.record).encode(record)


@pytest.fixture
def log() -> MemoryLog:
    """Return a log of thirty records a stream, two comments each."""
    found = MemoryLog()
    for number in range(RECORDS):
        for stream in STREAMS:
            events = [comment(2 * number + step, id=f"{stream}-{2 * number + step}") for step in (1, 2)]
            found.put(SEQUENCED.name, 0, [encoded(segment(stream, events))])
    return found


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[SqliteArchive]:
    opened = SqliteArchive(tmp_path / "archive.sqlite3", Archive())
    await opened.open()
    yield opened
    await opened.close()


class Counting(ArchiveSink):
    """Counts the records that it is given; ``away``: so many questions are not answered."""

    written = 0
    away = 0

    async def holds(self, last: Sequence[object]) -> bool:
        if self.away:
            self.away -= 1
            from agents.sink import StoreAwayError

            raise StoreAwayError("gone")
        return await super().holds(last)  # type: ignore[arg-type]

    async def write(self, partition: int, segments: Sequence[object]) -> None:
        self.written += len(segments)
        await super().write(partition, segments)  # type: ignore[arg-type]


async def take(log: MemoryLog, sink: Counting) -> None:
    """Take the partition as a worker whose predecessor acknowledged all, and write one record more."""
    log.put(SEQUENCED.name, 0, [encoded(segment("new", [comment(1)]))])
    done = asyncio.Event()
    runner = SinkRunner(
        sink, 0, log, inbox_records_max=10, merge_records_max=7, acknowledge=lambda _: done.set()
    )
    task = asyncio.create_task(runner.run())
    try:
        record: Record = log.records[SEQUENCED.name, 0][-1]
        runner.inbox.put([record])
        async with asyncio.timeout(LIMIT_SECONDS):
            await done.wait()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def soon() -> float:
    """Return a time an hour after what is in the log."""
    return START_MS / 1000 + 3_600


async def whole(archive: SqliteArchive) -> bool:
    ends = [await archive.epochs(stream) for stream in STREAMS]
    holes = [await archive.missing(stream, EPOCH, 2 * RECORDS) for stream in STREAMS]
    return ends == [[Stored(EPOCH, 2 * RECORDS)]] * 3 and not any(holes)


async def fill(log: MemoryLog, archive: SqliteArchive, records: int) -> None:
    """Write the first records, as a backup would have them."""
    decode = codec(SEQUENCED.record).decode
    await archive.write([decode(row.value) for row in log.records[SEQUENCED.name, 0][:records]])


@pytest.mark.parametrize("records", [0, 1, 40, 89])
async def test_an_archive_that_was_set_back_is_made_whole(
    log: MemoryLog, archive: SqliteArchive, records: int
) -> None:
    """What was acknowledged and is gone is written from the log, before anything new."""
    await fill(log, archive, records)
    sink = Counting(archive, soon)
    await take(log, sink)
    assert await whole(archive)
    assert sink.written == RECORDS * len(STREAMS) + 1


async def test_a_whole_archive_is_left_alone(log: MemoryLog, archive: SqliteArchive) -> None:
    """Where nothing is missing nothing is written again."""
    await fill(log, archive, RECORDS * len(STREAMS))
    sink = Counting(archive, soon)
    await take(log, sink)
    assert sink.written == 1


async def test_what_may_have_expired_is_not_missed(log: MemoryLog, archive: SqliteArchive) -> None:
    """Events of more than a day ago are no sign."""
    sink = Counting(archive, lambda: soon() + 86_400)
    await take(log, sink)
    assert sink.written == 1


async def test_an_archive_that_is_away_is_asked_again(log: MemoryLog, archive: SqliteArchive) -> None:
    """Nothing is taken for missing, or for there, before it answers."""
    sink = Counting(archive, soon)
    sink.away = 2
    await take(log, sink)
    assert await whole(archive)


async def test_an_archive_that_is_not_open_is_away() -> None:
    """Its own word for it becomes the sink's."""
    from agents.sink import Segment, StoreAwayError

    closed = SqliteArchive(Path("nowhere"), Archive())
    with pytest.raises(ArchiveUnavailable):
        await closed.epochs("s")
    last = [Segment(b"", segment("s", [comment(1)]))]
    with pytest.raises(StoreAwayError):
        await ArchiveSink(closed, soon).holds(last)


class _Gathering(Sink):
    """Stores nothing; says what it is given together."""

    name = "gathering"
    source = SEQUENCED
    gather_seconds = 10 * LIMIT_SECONDS

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.wrote = asyncio.Event()

    async def write(self, partition: int, segments: Sequence[object]) -> None:
        del partition
        self.batches.append(len(segments))
        self.wrote.set()


async def test_what_comes_soon_after_a_write_is_written_together_once_there_is_no_room(
    log: MemoryLog,
) -> None:
    """The first is written at once; the others wait for each other, for as long as there is room."""
    sink = _Gathering()
    runner = SinkRunner(sink, 0, log, inbox_records_max=10, merge_records_max=100)
    task = asyncio.create_task(runner.run())

    records = log.records[SEQUENCED.name, 0]
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            runner.inbox.put(records[:1])
            await sink.wrote.wait()
            sink.wrote.clear()
            runner.inbox.put(records[1:12])
            await sink.wrote.wait()
        assert sink.batches == [1, 11]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
