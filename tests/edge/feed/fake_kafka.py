"""A broker in memory, behind the part of `AIOKafkaConsumer` that a reader uses."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, OffsetOutOfRangeError


class Row(NamedTuple):
    offset: int
    timestamp: int
    value: bytes | None


class At(NamedTuple):
    offset: int
    timestamp: int


@dataclass
class Broker:
    """Logs by partition. ``away``: nothing is answered; ``refusing``: connections fail."""

    logs: dict[int, list[Row]] = field(default_factory=lambda: defaultdict(list))
    starts: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    away: bool = False
    refusing: bool = False
    consumers: list["Consumer"] = field(default_factory=list)
    reads: list[int] = field(default_factory=list)

    def append(self, partition: int, value: bytes | None, timestamp: int) -> int:
        offset = self.end(partition)
        self.logs[partition].append(Row(offset, timestamp, value))
        return offset

    def end(self, partition: int) -> int:
        rows = self.logs[partition]
        return rows[-1].offset + 1 if rows else self.starts[partition]

    def cut(self, partition: int, before: int) -> None:
        """Drop what is before an offset, as retention does."""
        self.starts[partition] = before
        self.logs[partition] = [row for row in self.logs[partition] if row.offset >= before]

    async def answer(self) -> None:
        if self.refusing:
            raise KafkaConnectionError("refused")
        while self.away:
            await asyncio.sleep(0.005)

    def consumer(self, **_: Any) -> "Consumer":
        self.consumers.append(Consumer(self))
        return self.consumers[-1]


class Consumer:
    """One client of the broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.positions: dict[TopicPartition, int | None] = {}
        self.assigned: set[TopicPartition] = set()

    async def start(self) -> None:
        await self._broker.answer()

    async def stop(self) -> None: ...

    def assign(self, places: Sequence[TopicPartition]) -> None:
        self.assigned = set(places)
        self.positions = dict.fromkeys(places)

    def unsubscribe(self) -> None:
        self.assigned, self.positions = set(), {}

    def seek(self, at: TopicPartition, offset: int) -> None:
        assert at in self.assigned
        self.positions[at] = offset

    async def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        await self._broker.answer()
        return {at: self._broker.end(at.partition) for at in places}

    async def offsets_for_times(self, times: Mapping[TopicPartition, int]) -> dict[TopicPartition, At | None]:
        await self._broker.answer()
        found: dict[TopicPartition, At | None] = {}
        for at, time in times.items():
            rows = [row for row in self._broker.logs[at.partition] if row.timestamp >= time]
            found[at] = At(rows[0].offset, rows[0].timestamp) if rows else None
        return found

    async def getmany(self, *, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Row]]:
        if self._broker.away or self._broker.refusing:
            await asyncio.sleep(timeout_ms / 1000)
            return {}
        batches: dict[TopicPartition, list[Row]] = {}
        for at in self.assigned:
            position = self.positions[at]
            assert position is not None, "no position: a reset would read from anywhere"
            start, end = self._broker.starts[at.partition], self._broker.end(at.partition)
            if not start <= position <= end:
                raise OffsetOutOfRangeError({at: position})
            rows = [row for row in self._broker.logs[at.partition] if row.offset >= position][:max_records]
            if rows:
                batches[at] = rows
                self.positions[at] = rows[-1].offset + 1
                self._broker.reads += [row.offset for row in rows]
        if not batches:
            await asyncio.sleep(0.002)
        return batches
