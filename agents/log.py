"""The log as a stage sees it: append to a partition, read a range of it. Kafka or memory behind it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple, Protocol

Entry = tuple[bytes | None, bytes]
"""Key and value of one record to append."""


class Record(NamedTuple):
    """One record of a partition. ``timestamp`` in ms since 1970; log-append time where the topic says so.

    ``decoded``: what its writer, in this process, knows it to say; None: decode it.
    """

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    decoded: Any = None


def bytes_of(record: Record) -> int:
    """Return the size of what a record says."""
    return len(record.value or b"")


class Span(NamedTuple):
    """Offsets [first, end) that one append got, and whether they are contiguous."""

    first: int
    end: int
    contiguous: bool


class Log(Protocol):
    """Partitions by (topic name, number)."""

    async def append(self, topic: str, partition: int, entries: Sequence[Entry]) -> asyncio.Future[Span]:
        """Append in order. Returns when there is room in the buffer; the future, when they are durable."""

    def read(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Record]:
        """Yield every record with start ≤ offset < end; raises RecoveryError when it cannot reach ``end``."""

    async def start_offset(self, topic: str, partition: int) -> int:
        """Return the first offset there is."""

    async def end_offset(self, topic: str, partition: int) -> int:
        """Return the offset that the next record will get."""

    async def offset_at(self, topic: str, partition: int, timestamp: int) -> int:
        """Return the first offset with that timestamp or a later one; the end where there is none."""
