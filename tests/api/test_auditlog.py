"""The audit topic read backwards, on a log in memory that answers as aiokafka does."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import TopicPartition

from edge.api import auditlog
from edge.api.auditlog import AuditPage
from schemas.codec import codec

AT = TopicPartition("moderation.audit", 0)


@dataclass
class Row:
    offset: int
    key: bytes
    value: bytes


@dataclass
class Log:
    """A partition; a batch holds a few rows, and offsets below ``start`` are gone."""

    rows: list[Row] = field(default_factory=list)
    start: int = 0
    at: int = 0

    async def beginning_offsets(self, _: Any) -> dict[TopicPartition, int]:
        return {AT: self.start}

    async def end_offsets(self, _: Any) -> dict[TopicPartition, int]:
        return {AT: len(self.rows)}

    def seek(self, _: Any, offset: int) -> None:
        assert self.start <= offset
        self.at = offset

    async def position(self, _: Any) -> int:
        return self.at

    async def getmany(self, _: Any, timeout_ms: int) -> dict[TopicPartition, list[Row]]:
        found = self.rows[self.at : self.at + 7]
        self.at += len(found)
        return {AT: found}

    def add(self, stream: str, origin: int) -> None:
        record = {
            "stream_id": stream,
            "origin": {"offset": origin, "index": 0},
            "at": 0,
            "actor_id": "mo",
            "actor_role": "moderator",
            "action": "ban",
            "id": str(origin),
            "command": None,
            "outcome": "applied",
            "refusal": None,
        }
        self.rows.append(Row(len(self.rows), stream.encode(), codec("audit").encode(record)))


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """Return a log of a stream's entries among another's."""
    monkeypatch.setattr(auditlog, "CHUNK_RECORDS", 10)
    made = Log()
    for number in range(100):
        made.add("mine" if number % 3 == 0 else "other", number)
    return made


async def read(log: Log, before: int | None = None, limit: int = 5) -> AuditPage:
    return await auditlog._read(log, AT, "mine", before, limit)


def ids(page: AuditPage) -> list[int]:
    return [int(record["id"]) for record in page.records]


async def test_newest_first(log: Log) -> None:
    """From the end of the log, its own entries alone."""
    assert ids(await read(log)) == [99, 96, 93, 90, 87]


@pytest.mark.parametrize("limit", [1, 4, 5, 200])
async def test_pages_join_up(log: Log, limit: int) -> None:
    """Every entry once, whatever the size of a page, and an end."""
    found, before = [], None
    for _ in range(200):
        page = await read(log, before, limit)
        found += ids(page)
        before = page.next
        if before is None:
            break
    assert found == list(range(99, -1, -3))


async def test_one_read_is_bounded(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops after so many records, found or not, and says where to go on."""
    monkeypatch.setattr(auditlog, "SCAN_RECORDS_MAX", 20)
    page = await read(log, limit=200)
    assert (ids(page), page.next) == ([99, 96, 93, 90, 87, 84, 81], 80)


async def test_what_retention_took_is_the_end(log: Log) -> None:
    """A log that begins later is read to there."""
    log.start = 90
    page = await read(log)
    assert (ids(page), page.next) == ([99, 96, 93, 90], None)


async def test_repeats_and_junk_are_left_out(log: Log) -> None:
    """A stage that started again wrote one twice; what a gateway refused has no origin, and is none."""
    log.add("mine", 99)
    log.add("mine", -1)
    log.add("mine", -1)
    log.rows.append(Row(len(log.rows), b"mine", b"junk"))
    assert ids(await read(log, limit=4)) == [-1, -1, 99, 96]
