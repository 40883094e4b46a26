"""Holding the archive against the log: holes, differences, what persist has yet to write, repair."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.testing import MemoryLog
from livecomments.reconcile import Findings, Range, check, common, repair
from schemas.archive.sqlite import SqliteArchive
from schemas.codec import codec
from schemas.records import Event
from schemas.settings import Archive
from schemas.topics import SEQUENCED
from tests.archive.events import EPOCH, comment, order, segment, seqs

PARTITION = 3


class Log(MemoryLog):
    """A log of ``comments.sequenced`` that begins where a test says."""

    begins = 0

    async def start_offset(self, topic: str, partition: int) -> int:
        return self.begins

    def say(self, stream: str, events: Sequence[Event], *, token: int = 0, epoch: str = EPOCH) -> None:
        record = segment(stream, events, epoch) | {"token": token}
        self.put(SEQUENCED.name, PARTITION, [(stream.encode(), codec(SEQUENCED.record).encode(record))])

    def claim(self) -> int:
        record = segment("", [comment(1)]) | {"claim": "worker", "token": -1, "events": []}
        record |= {"from_seq": 0, "to_seq": 0}
        return self.put(SEQUENCED.name, PARTITION, [(None, codec(SEQUENCED.record).encode(record))]).first


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[SqliteArchive]:
    opened = SqliteArchive(tmp_path / "archive.sqlite3", Archive())
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def log() -> Log:
    return Log()


def comments(first: int, last: int, **changes: Any) -> list[Event]:
    return [comment(seq, **changes) for seq in range(first, last + 1)]


async def only(archive: SqliteArchive, log: Log, **asked: Any) -> Findings:
    (found,) = await check(archive, log, "s", PARTITION, **asked)
    return found


async def test_an_archive_that_is_as_the_log(archive: SqliteArchive, log: Log) -> None:
    """Everything written once, hidden events too: nothing to report."""
    token = log.claim()
    events = [
        *comments(1, 8),
        order(9, "delete", "c2"),
        comment(10, mask=0),
        order(11, "shadow", "u", mask=0),
    ]
    for part in (events[:4], events[4:]):
        log.say("s", part, token=token)
        await archive.write([segment("s", part)])
    log.say("other", comments(1, 3), token=token)
    found = await only(archive, log)
    assert found == Findings(EPOCH, log=(0, 11), archive_seq=11, checked=11)
    assert found.ok


async def test_holes_are_found_and_repaired(archive: SqliteArchive, log: Log) -> None:
    """What is missing in the middle is a hole; repair writes it, and nothing else, from the log."""
    for first in (1, 11, 21):
        log.say("s", comments(first, first + 9))
    await archive.write([segment("s", comments(1, 5)), segment("s", comments(8, 12))])
    await archive.write([segment("s", comments(30, 30))])
    found = await only(archive, log)
    assert found.holes == [(5, 7), (12, 29)]
    assert not found.ok
    assert await repair(archive, log, "s", PARTITION) == 19
    assert (await only(archive, log)).ok
    assert await repair(archive, log, "s", PARTITION) == 0
    assert list(await archive.raw("s", EPOCH, 1, 30)) == comments(1, 30)


async def test_what_is_not_written_yet_is_behind(archive: SqliteArchive, log: Log) -> None:
    """Events past the archive's end are no holes: persist may be about to write them."""
    log.say("s", comments(1, 10))
    assert (await only(archive, log)).behind == 10
    await archive.write([segment("s", comments(1, 4))])
    found = await only(archive, log)
    assert (found.behind, found.holes, found.ok) == (6, [], True)


async def test_what_persist_writes_meanwhile_is_no_hole(archive: SqliteArchive, log: Log) -> None:
    """A range that was missing when it was looked at, and is written before the end is, is there."""
    log.say("s", comments(1, 10))
    epochs = archive.epochs

    async def late(stream_id: str) -> Any:
        await archive.write([segment("s", comments(1, 10))])
        return await epochs(stream_id)

    archive.epochs = late  # type: ignore[method-assign]
    found = await only(archive, log)
    assert (found.holes, found.behind, found.ok) == ([], 0, True)


async def test_another_content_is_a_difference(archive: SqliteArchive, log: Log) -> None:
    """A number with another content is named and counted, and repair leaves it as it is."""
    log.say("s", comments(1, 10))
    await archive.write([segment("s", [*comments(1, 4), comment(5, text="forged"), *comments(6, 10)])])
    found = await only(archive, log)
    assert (found.different, found.differences, found.ok) == ([5], 1, False)
    assert await repair(archive, log, "s", PARTITION) == 0
    assert (await archive.raw("s", EPOCH, 5, 5))[0]["text"] == "forged"


async def test_erased_events_are_no_difference(archive: SqliteArchive, log: Log) -> None:
    """What was erased on request is counted apart, and not repaired."""
    log.say("s", comments(1, 9))
    await archive.write([segment("s", comments(1, 9))])
    await archive.erase_user("u1")
    found = await only(archive, log)
    assert (found.erased, found.differences, found.ok) == (3, 0, True)
    assert await repair(archive, log, "s", PARTITION) == 0


async def test_a_replaced_writers_records_do_not_count(archive: SqliteArchive, log: Log) -> None:
    """Records below the highest token, and what overlaps, are read as every reader reads them."""
    old = log.claim()
    log.say("s", comments(1, 5), token=old)
    new = log.claim()
    log.say("s", comments(6, 9, text="zombie"), token=old)
    log.say("s", comments(4, 9), token=new)
    assert await repair(archive, log, "s", PARTITION) == 9
    assert list(await archive.raw("s", EPOCH, 1, 9)) == comments(1, 9)
    assert (await only(archive, log)).checked == 9


async def test_what_the_log_no_longer_has_is_lost(archive: SqliteArchive, log: Log) -> None:
    """Holes from before the log's beginning are told apart: no repair can mend them."""
    for first in (1, 11, 21):
        log.say("s", comments(first, first + 9))
    log.begins = 2
    await archive.write([segment("s", comments(1, 15))])
    found = await only(archive, log)
    assert (found.log, found.lost, found.behind, found.ok) == ((20, 30), [(15, 20)], 10, False)
    await repair(archive, log, "s", PARTITION)
    assert (await only(archive, log)).lost == [(15, 20)]


async def test_a_gap_in_the_log_is_reported(archive: SqliteArchive, log: Log) -> None:
    """A log that skips numbers is a fault of its own."""
    log.say("s", comments(1, 3))
    log.say("s", comments(7, 9))
    await repair(archive, log, "s", PARTITION)
    found = await only(archive, log)
    assert (found.log_gaps, found.ok) == ([(3, 6)], False)


async def test_epochs(archive: SqliteArchive, log: Log) -> None:
    """Every epoch that either has is reported, oldest first; one can be asked for, and be repaired alone."""
    log.say("s", comments(1, 3), epoch="a-0")
    log.say("s", comments(1, 4, at=10**13), epoch="a-1")
    await archive.write([segment("s", comments(1, 2, at=1), "z-0")])
    found = await check(archive, log, "s", PARTITION)
    assert [(each.epoch, each.log, each.behind, each.ok) for each in found] == [
        ("z-0", None, 0, True),
        ("a-0", (0, 3), 3, True),
        ("a-1", (0, 4), 4, True),
    ]
    assert await repair(archive, log, "s", PARTITION, epoch="a-1") == 4
    assert (await only(archive, log, epoch="a-0")).behind == 3
    assert seqs(await archive.raw("s", "a-0", 1, 9)) == []
    assert list(await check(archive, log, "s", PARTITION, epoch="x-0")) == []


async def test_what_expired_is_not_looked_for(archive: SqliteArchive, log: Log) -> None:
    """With a retention, older events may be missing."""
    log.say("s", [*comments(1, 5, at=1_000), *comments(6, 9, at=9_000)])
    await archive.write([segment("s", comments(6, 9, at=9_000))])
    found = await only(archive, log, since_ms=5_000)
    assert (found.checked, found.holes, found.lost, found.ok) == (4, [], [], True)


async def test_bad_records_are_passed_over(archive: SqliteArchive, log: Log) -> None:
    """What is no record of ours is nobody's hole."""
    log.put(SEQUENCED.name, PARTITION, [(b"s", b"no record"), (b"s", b"")])
    log.say("s", comments(1, 2))
    assert await repair(archive, log, "s", PARTITION) == 2


RANGES = st.lists(st.integers(0, 40), unique=True).map(
    lambda cuts: list(zip(sorted(cuts)[::2], sorted(cuts)[1::2], strict=False))
)


@given(some=RANGES, others=RANGES)
def test_common(some: list[Range], others: list[Range]) -> None:
    """The common ranges hold the numbers that are in both."""

    def numbers(ranges: list[Range]) -> set[int]:
        return {seq for start, end in ranges for seq in range(start + 1, end + 1)}

    assert numbers(common(some, others)) == numbers(some) & numbers(others)
